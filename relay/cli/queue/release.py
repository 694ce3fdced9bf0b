"""`relay queue release`."""

from pathlib import Path

import click

from relay.cli.common import CONFIG
from relay.cli.queue.changing import ALL, NAMES, change
from relay.cli.queue.selecting import JSON, filters
from relay.spool import changes
from relay.spool.selection import Selection


@click.command()
@CONFIG
@filters
@ALL
@JSON
@NAMES
def release(
    path: Path | None, names: tuple[str, ...], selection: Selection, *, everything: bool, as_json: bool
) -> None:
    """Let held messages go."""
    verbs = ("release", "released")
    change(path, verbs, changes.release, names, selection, everything=everything, as_json=as_json)
