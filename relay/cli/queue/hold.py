"""`relay queue hold`."""

from pathlib import Path

import click

from relay.cli.common import CONFIG
from relay.cli.queue.changing import ALL, NAMES, change
from relay.cli.queue.selecting import JSON, filters
from relay.spool import changes
from relay.spool.selection import Selection


@click.command(short_help="Keep waiting messages until they are released.")
@CONFIG
@filters
@ALL
@JSON
@NAMES
def hold(path: Path | None, names: tuple[str, ...], selection: Selection, *, everything: bool, as_json: bool) -> None:
    """Keep waiting messages from being sent until they are released. They still expire."""
    verbs = ("hold", "held")
    change(path, verbs, changes.hold, names, selection, everything=everything, as_json=as_json)
