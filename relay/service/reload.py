"""The configuration read again while the relay runs: all of it is used, or nothing.

What could fail is done first - sockets bound, certificates loaded, ways out made - and put away again where something
does. So a broken configuration changes nothing; it is told in the log, on the page and by a metric.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from relay import log, metrics
from relay.config import ConfigError, Settings
from relay.database import StorageError
from relay.model import Clock
from relay.policy import Policy
from relay.service.changes import Snapshot, contents, in_force, watched
from relay.service.errors import StartError
from relay.service.parts import Part, Prepared
from relay.web import Reading

Load = Callable[[], Settings]
"""Reads the configuration from where it was read at the start. Raises ConfigError, ValueError or StartError."""


@dataclass
class Reloader:
    """Reads the configuration and hands it to the parts. `settings` and `reading` are those of now."""

    snapshot: Snapshot
    load: Load
    clock: Clock
    parts: list[Part] = field(default_factory=list)
    """In the order in which they change."""
    reading: Reading | None = None
    looked: dict[Path, bytes] = field(default_factory=dict)
    """What each file held when the configuration was last read."""

    def __post_init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._closed = False
        self.looked = contents(watched(self.snapshot.settings))
        metrics.CONFIGURATION_GOOD.set(1)
        metrics.CONFIGURATION_READ.set(self.clock.time())

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.snapshot.settings

    @property
    def is_broken(self) -> bool:
        """Whether the last configuration that was read could not be used."""
        return self.reading is not None and bool(self.reading.problems)

    async def reload(self, why: str, *, again: bool = True) -> Reading:
        """Read the configuration and use it; `why` is for the log. Without `again` known problems are not told anew."""
        async with self._one_at_a_time:
            reading = await self._read(why)
            if not again and self.reading is not None and reading.problems == self.reading.problems != ():
                return self.reading
            self.reading = reading
        metrics.CONFIGURATION_GOOD.set(not reading.problems)
        if reading.problems:
            log.service.reload_failed(why, reading.problems)
        else:
            metrics.CONFIGURATION_READ.set(reading.at)
            log.service.reloaded(why, reading.changes, reading.restart)
        return reading

    async def close(self) -> None:
        """Read nothing any more; what is being changed is done first."""
        self._closed = True
        async with self._one_at_a_time:
            pass

    async def _read(self, why: str) -> Reading:
        before = await asyncio.to_thread(contents, watched(self.settings))
        old = self.snapshot
        try:
            if self._closed:
                raise StartError("the relay is stopping: the configuration is read when it starts again")
            loaded, new = await asyncio.to_thread(self._loaded)
            ready = await self._prepared(new)
        except (ConfigError, StartError, StorageError, OSError, ValueError) as error:
            self.looked = before
            return Reading(self.clock.time(), why, problems=_problems(error))
        self.snapshot = new
        for each in ready:
            await each.commit()
        after = await asyncio.to_thread(contents, watched(new.settings))
        self.looked = after | {path: held for path, held in before.items() if path in after}
        for warning in new.settings.warnings:
            if warning not in old.settings.warnings:
                log.service.warned(warning)
        restart = tuple(old.needs_restart(Snapshot(loaded, new.files)))
        return Reading(self.clock.time(), why, tuple(old.changes(new)), restart=restart)

    def _loaded(self) -> tuple[Settings, Snapshot]:
        """The settings as they are written, and those of them that can be used without a restart."""
        loaded = self.load()
        usable = in_force(self.settings, loaded)
        Policy(usable)
        return loaded, Snapshot.of(usable)

    async def _prepared(self, new: Snapshot) -> list[Prepared]:
        """Each part's change, ready; where one cannot be, all are put away again and its error is raised."""
        ready: list[Prepared] = []
        try:
            for part in self.parts:
                ready.append(await part.prepare(self.snapshot, new))  # noqa: PERF401 (one may fail)
        except BaseException:
            for each in reversed(ready):
                await each.discard()
            raise
        return ready


def _problems(error: Exception) -> tuple[str, ...]:
    if isinstance(error, ConfigError):
        return tuple(map(str, error.problems))
    return (getattr(error, "strerror", None) or str(error),)
