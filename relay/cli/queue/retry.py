"""`relay queue retry`."""

from pathlib import Path

import click

from relay.cli.common import CONFIG
from relay.cli.queue.changing import ALL, NAMES, YES, change
from relay.cli.queue.selecting import JSON, filters
from relay.spool import changes
from relay.spool.selection import Selection


@click.command(short_help="Try messages again at once.")
@CONFIG
@filters
@ALL
@YES
@JSON
@NAMES
def retry(
    path: Path | None, names: tuple[str, ...], selection: Selection, *, everything: bool, yes: bool, as_json: bool
) -> None:
    """Try messages again at once: waiting ones before their time, failed ones anew."""
    verbs = ("retry", "tried again")
    change(path, verbs, changes.retry, names, selection, everything=everything, yes=yes, as_json=as_json)
