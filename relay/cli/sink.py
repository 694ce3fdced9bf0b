"""`relay sink export`."""

import asyncio
from pathlib import Path
from typing import get_args

import click

from relay.cli.common import CONFIG, fail, load
from relay.config import Settings
from relay.database import StorageError
from relay.database.sqlite import SqliteDatabase
from relay.sink import Limits, Query, QueryError, SearchTooLongError, SinkStore, parse
from relay.sink.export import ExportError, Format, export


@click.group("sink")
def sink() -> None:
    """What the sink has caught."""


@sink.command("export", short_help="Write caught mail to a folder or file.")
@CONFIG
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    default="maildir",
    show_default=True,
    help="A Maildir, one mailbox file, or a folder of .eml files.",
)
@click.option("--query", default="", help='Only what matches, such as "to:you@example.com".')
def export_command(path: Path | None, target: Path, form: Format, query: str) -> None:
    """Write caught mail to TARGET: a folder (maildir, eml), or a file (mbox). The relay may run meanwhile."""
    settings = load(path)
    try:
        wanted = parse(query) if query else None
        count = asyncio.run(_export(settings, target, form, wanted))
    except (QueryError, ExportError, SearchTooLongError, StorageError, OSError) as error:
        fail(str(error))
    click.echo(f"{count} {'message' if count == 1 else 'messages'} written to {target}")


async def _export(settings: Settings, target: Path, form: Format, query: Query | None) -> int:
    file = settings.database_file
    if not file.exists():
        raise ExportError(f"there is no database at {file}: has `relay serve` run with this configuration?")
    database = SqliteDatabase(file, migrate=False)
    kept = settings.sink
    store = SinkStore(database, file.parent, Limits(kept.keep, kept.max_bytes, kept.max_age))
    try:
        return await export(store, target, form, query)
    finally:
        await store.close()
        await database.close()
