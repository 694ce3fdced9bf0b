"""Other settings for a delivery that runs, and what an attempt keeps of those that it began with."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.delivery.fallback import Fallbacks
from relay.delivery.lane import Lane
from relay.delivery.terms import Terms
from relay.limits import Pace
from relay.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Way:
    """How one attempt goes: it ends with what it began with, whatever changes meanwhile."""

    lane: Lane
    upstream: Upstream
    pace: Pace | None


@dataclass(frozen=True, slots=True)
class Change:
    """What `Delivery` was made with, anew; a mailbox that goes on keeps its pace."""

    upstreams: Mapping[str, Upstream]
    retry: Sequence[float]
    terms: Mapping[str, Terms]
    fallbacks: Fallbacks
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is used, or once delivery has stopped."""


async def either(tasks: Iterable[asyncio.Task[None]], hurried: asyncio.Event, seconds: float) -> None:
    """Wait until all of `tasks` have ended, or somebody is in a hurry, for so many seconds at most."""
    waits: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(asyncio.wait(list(tasks))),
        asyncio.ensure_future(hurried.wait()),
    ]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
