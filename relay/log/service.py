"""What the log says about starting, running and stopping."""

import logging
from collections.abc import Sequence

from relay.log.writing import event


def started(places: Sequence[str], accounts: Sequence[str]) -> None:
    text = f"ready: mail for {', '.join(accounts)} is taken at {', '.join(places) or 'no listener'}"
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


def held(messages: int) -> None:
    text = f"{messages} messages are held: their accounts are not in the configuration"
    event(logging.WARNING, "held", text, messages=messages)


def stopping() -> None:
    event(logging.INFO, "stopping", "stopping: no new mail is taken, deliveries under way are finished")
