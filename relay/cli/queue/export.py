"""`relay queue export`."""

import sys
from pathlib import Path

import click

from relay.cli.common import CONFIG, PLACE, fail
from relay.cli.output import naming
from relay.cli.queue.changing import ALL, NAMES, progress
from relay.cli.queue.copies import FORMS, Copies, to_output
from relay.cli.queue.selecting import filters, named, run
from relay.config import Settings
from relay.spool.administration import Administration
from relay.spool.rows import DamagedRow
from relay.spool.selection import Selection
from relay.spool.upload import FileBody


@click.command(short_help="Copy messages out of the queue.")
@CONFIG
@filters
@ALL
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    default="eml",
    show_default=True,
    help="A folder of .eml files, each with a .json that has envelope and history; one mailbox file; or a Maildir.",
)
@click.option("--to", "target", type=PLACE, help="Folder or file. Without it one message goes to the output.")
@NAMES
def export(
    path: Path | None,
    names: tuple[str, ...],
    selection: Selection,
    *,
    everything: bool,
    form: str,
    target: Path | None,
) -> None:
    """Copy messages out of the queue, octet for octet; they stay in it."""
    chosen = not selection.everything
    if bool(names) + chosen + everything != 1:
        raise click.UsageError("name messages, or choose them by filters, or write --all for all of them")
    if target is not None and target.exists() and target.is_dir() is (form == "mbox"):
        fits = "one file: name a file" if form == "mbox" else "a folder: name a folder, or a place for a new one"
        raise click.BadParameter(f"{target} is there already, and {form} makes {fits}", param_hint="--to")

    async def main(queue: Administration, _settings: Settings) -> bool:
        found = await named(queue, names) if names else await queue.find(selection)
        if target is not None:
            with naming(target):
                return await _copy(queue, found, FORMS[form](target))
        if len(found) != 1:
            fail(f"{len(found):,} messages fit, and the output takes one: write --to FOLDER")
        return await _copy(queue, found, to_output(sys.stdout.buffer, form))

    if not run(path, main):
        sys.exit(1)


async def _copy(queue: Administration, found: list[tuple[int, str]], copies: Copies) -> bool:
    """Copy each message; False when the content of one is not there."""
    copied = 0
    with progress(len(found)) as bar, copies:
        for seq, identifier in found:
            try:
                message, details = await queue.content(seq), await queue.details(seq)
                await copies.add(message, details)
            except DamagedRow as damage:
                click.echo(f"{identifier}: not exported: {damage}", err=True)
                continue
            except FileNotFoundError:
                if not isinstance(message.body, FileBody) or message.body.path.exists():
                    raise  # it is the place that is not there
                click.echo(f"{identifier}: not exported: it was sent or dropped meanwhile", err=True)
                continue
            copied += 1
            bar.update(1)
    click.echo(f"{copied:,} of {len(found):,} messages exported", err=True)
    return copied == len(found)
