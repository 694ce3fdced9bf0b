"""What the `relay queue` commands share: the options that choose messages, and the way to the database."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from relay.cli.common import fail, load
from relay.config import Settings
from relay.config.units import duration
from relay.database import StorageError
from relay.log import clean
from relay.spool.administration import Administration, opened
from relay.spool.selection import STATES, Selection

T = TypeVar("T")


def text(value: str) -> str:
    """What can be looked for in the database: text, not any octets that a shell lets through."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f'"{clean(value)}" is no UTF-8 text: no message has that') from None
    return value


JSON = click.option("--json", "as_json", is_flag=True, help="For programs. Times are UTC.")

_FILTERS = (
    click.option("--account", default="", type=text, metavar="NAME", help="Mail that leaves through this account."),
    click.option("--client", default="", type=text, metavar="NAME", help="Mail that came from this client."),
    click.option(
        "--sender", default="", type=text, metavar="ADDRESS", help="An address, @domain, or <> for the null sender."
    ),
    click.option("--recipient", default="", type=text, metavar="ADDRESS", help="An address or @domain."),
    click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Can be given several times."),
    click.option("--older", metavar="AGE", help="Received longer ago than that, like 30m or 2d."),
    click.option("--newer", metavar="AGE", help="Received within that time."),
)


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Options that choose messages; the command gets them as one Selection, `selection`."""

    @functools.wraps(command)
    def with_selection(
        account: str,
        client: str,
        sender: str,
        recipient: str,
        states: tuple[str, ...],
        older: str | None,
        newer: str | None,
        **rest: Any,
    ) -> None:
        now = time.time()
        selection = Selection(
            account=account,
            client=client,
            sender=sender,
            recipient=recipient,
            states=states,
            received_before=None if older is None else now - _age(older, "--older"),
            received_after=None if newer is None else now - _age(newer, "--newer"),
        )
        command(selection=selection, **rest)

    for option in reversed(_FILTERS):
        with_selection = option(with_selection)
    return with_selection


def _age(text: str, option: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def run(path: Path | None, work: Callable[[Administration, Settings], Awaitable[T]]) -> T:
    """Do `work` on the queue of the configuration at `path`; trouble with the database ends the command."""
    settings = load(path)

    async def main() -> T:
        async with opened(settings.database_file) as queue:
            return await work(queue, settings)

    try:
        return asyncio.run(main())
    except BrokenPipeError:
        raise  # who reads has seen enough, as `head` has: click ends in silence
    except OSError as error:
        fail(f"{error.filename or 'the output'}: {error.strerror}: see that this user may write there, and has room")
    except StorageError as error:
        fail(str(error))


async def named(queue: Administration, names: tuple[str, ...]) -> list[tuple[int, str]]:
    """The messages of these names, each of which has to be there: [(seq, id)]."""
    found: dict[int, str] = {}
    for name in names:
        matches = await queue.find(Selection(name=name))
        if not matches:
            fail(f"there is no message {name!r} in the queue: `relay queue list` shows what there is")
        found.update(matches)
    return sorted(found.items())


def instant(stamp: float | None) -> str | None:
    """A time for programs (RFC 3339)."""
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds")
