"""What the log says about the page's administration: who came in, and each change that somebody made."""

import logging
from collections.abc import Sequence

from relay.log.writing import event


def one_time_link(addresses: Sequence[str]) -> None:
    """The way in where no password is configured: it is good for one use, by whoever may read the log."""
    text = f"administration: open {addresses[0]} (it works once)"
    event(logging.INFO, "one-time link", text, addresses=list(addresses))


def logged_in(peer: str, way: str) -> None:
    event(logging.INFO, "page login", f"administration: {peer} came in by {way}", peer=peer, way=way)


def login_refused(peer: str, reason: str) -> None:
    text = f"administration: {peer} was not let in: {reason}"
    event(logging.WARNING, "page login refused", text, peer=peer, reason=reason)


def changed(who: str, peer: str, what: str, target: str, result: str) -> None:
    """The audit line: one for each change by page or API."""
    text = f"change: {what} {target} by {who} ({peer}): {result}"
    event(logging.INFO, "change", text, who=who, peer=peer, what=what, target=target, result=result)
