"""How the commands that change the queue do it: choose, ask when it is many, change, tell what was done."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from relay.cli.common import fail
from relay.cli.queue.selecting import named, nothing, run, text
from relay.config import Settings
from relay.database.lock import LockFile
from relay.log import clean
from relay.spool.administration import Administration
from relay.spool.changes import Change, Changed
from relay.spool.selection import Selection

ALL = click.option("--all", "everything", is_flag=True, help="All messages, where no filter is given.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
NAMES = click.argument("names", nargs=-1, type=text, metavar="[ID | MESSAGE-ID]...")

_MOST_SHOWN = 20
_MANY = 100


def change(
    path: Path | None,
    verbs: tuple[str, str],
    work: Change,
    names: tuple[str, ...],
    selection: Selection,
    *,
    everything: bool,
    yes: bool = True,
    as_json: bool,
) -> None:
    """Do `work` to the messages of these names, or to those that the filters choose.

    `verbs` are for people ("drop", "dropped"). Without `yes` more than one message is asked about. Ends with exit code
    1 when a message that was named could not be changed.
    """
    chosen = not selection.everything
    if bool(names) + chosen + everything != 1:
        raise click.UsageError("name messages, or choose them by filters, or write --all for all of them")

    async def main(queue: Administration, settings: Settings) -> tuple[Changed, str]:
        await queue.take_back(LockFile(settings.lock_file))
        found = await named(queue, names) if names else await queue.find(selection)
        if not yes and len(found) > 1:
            _ask(verbs[0], len(found))
        with progress(len(found)) as bar:
            changed = await queue.change(work, [seq for seq, _ in found], bar.update)
        return changed, nothing(selection, settings)

    changed, nobody = run(path, main)
    if as_json:
        click.echo(json.dumps({verbs[1]: changed.done, "left": dict(changed.left)}, indent=2))
    else:
        _tell(verbs[1], changed, nobody)
    if names and changed.left:
        sys.exit(1)


def progress(count: int) -> Any:
    """A bar on standard error for work on `count` messages; only a terminal shows one, and only when it is many."""
    label = f"{count:,} messages"
    return click.progressbar(
        length=count, label=label, file=sys.stderr, hidden=count < _MANY or not sys.stderr.isatty()
    )


def _ask(verb: str, count: int) -> None:
    question = f"{verb.capitalize()} {count:,} messages?"
    if not sys.stdin.isatty():
        fail(f"{question} Nobody is there to ask: write --yes")
    if not click.confirm(question, err=True):
        fail("nothing was changed")


def _tell(done: str, changed: Changed, nobody: str) -> None:
    for identifier in changed.done[:_MOST_SHOWN]:
        click.echo(f"{identifier}: {done}")
    if len(changed.done) > _MOST_SHOWN:
        click.echo(f"and {len(changed.done) - _MOST_SHOWN:,} more")
    if len(changed.left) <= _MOST_SHOWN:
        for identifier, reason in changed.left.items():
            click.echo(clean(f"{identifier}: left as it was: {reason}"), err=True)
    else:
        for reason, count in Counter(changed.left.values()).most_common():
            click.echo(clean(f"{count:,} left as they were: {reason}"), err=True)
    if not changed.done and not changed.left:
        click.echo(clean(nobody), err=True)
