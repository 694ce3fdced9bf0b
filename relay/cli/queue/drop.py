"""`relay queue drop`."""

from pathlib import Path

import click

from relay.cli.common import CONFIG
from relay.cli.queue.changing import ALL, NAMES, YES, change
from relay.cli.queue.selecting import JSON, filters
from relay.spool import changes
from relay.spool.selection import Selection


@click.command()
@CONFIG
@filters
@ALL
@YES
@JSON
@NAMES
def drop(
    path: Path | None, names: tuple[str, ...], selection: Selection, *, everything: bool, yes: bool, as_json: bool
) -> None:
    """Delete messages with their history. Nobody is told; `relay queue export` keeps a copy."""
    verbs = ("drop", "dropped")
    change(path, verbs, changes.drop, names, selection, everything=everything, yes=yes, as_json=as_json)
