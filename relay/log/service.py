"""What the log says about starting, running and stopping."""

import logging
from collections.abc import Sequence

from relay.log.writing import event


def readiness(places: Sequence[str], accounts: Sequence[str]) -> str:
    """What a relay that has started does."""
    return f"mail for {', '.join(accounts)} is taken at {', '.join(places) or 'no listener'}"


def started(places: Sequence[str], accounts: Sequence[str]) -> None:
    text = f"ready: {readiness(places, accounts)}"
    event(logging.INFO, "started", text, places=list(places), accounts=list(accounts))


def warned(text: str) -> None:
    """A warning about the configuration."""
    event(logging.WARNING, "configuration", text)


def sandbox_about(lines: Sequence[str]) -> None:
    """Where the stand-in provider is, and how to look at what it received."""
    for line in lines:
        event(logging.INFO, "sandbox", line)


def page(addresses: Sequence[str]) -> None:
    """Where the page is. Test harnesses that start containers wait for "[http] accessible via", which Mailpit says."""
    text = f"page: [http] accessible via {', '.join(addresses)}"
    event(logging.INFO, "page", text, addresses=list(addresses))


def systemd_not_told(reason: str) -> None:
    text = f"systemd could not be told the state of the relay ($NOTIFY_SOCKET): {reason}"
    event(logging.WARNING, "systemd", text, reason=reason)


def held(messages: int) -> None:
    text = f"{messages} messages are held: their accounts are not in the configuration"
    event(logging.WARNING, "held", text, messages=messages)


def stopping() -> None:
    event(logging.INFO, "stopping", "stopping: no new mail is taken, deliveries under way are finished")


def let_go(messages: int) -> None:
    text = f"{messages} messages are let go: their accounts are in the configuration again"
    event(logging.INFO, "let go", text, messages=messages)


def stopping_at_once() -> None:
    text = "stopping at once: nothing is waited for; what is not finished stays in the queue"
    event(logging.WARNING, "stopping at once", text)


def reloaded(why: str, changes: Sequence[str], restart: Sequence[str]) -> None:
    """The configuration was read again, and is used."""
    told = "; ".join(changes) or "nothing has changed"
    event(
        logging.INFO, "reloaded", f"configuration read again ({why}): {told}", why=why, changes=[*changes],
        restart=[*restart],
    )  # fmt: skip
    if restart:
        text = f"these keys need a restart: {', '.join(restart)}; until then they stay as they were"
        event(logging.WARNING, "restart needed", text, keys=[*restart])


def reload_failed(why: str, problems: Sequence[str]) -> None:
    """The configuration was read again, and cannot be used: a line for each problem, and all of them in the first."""
    count = f"{len(problems)} {'error' if len(problems) == 1 else 'errors'}"
    text = f"configuration read again ({why}): {count}; the old one stays"
    event(logging.ERROR, "reload failed", text, why=why, problems=[*problems])
    for problem in problems:
        event(logging.ERROR, "configuration error", f"configuration: {problem}")
