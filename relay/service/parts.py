"""What parts of a running relay have in common when the configuration changes: first get ready, then do it."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from relay import log
from relay.config import Log, Settings
from relay.config.mailbox_users import ActsAs, acting
from relay.database import StorageError
from relay.model import Clock
from relay.service.changes import Snapshot
from relay.service.errors import StartError
from relay.service.room import limits_of
from relay.spool import Spool


async def _nothing() -> None:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change that is ready: one of the two is called. A commit raises nothing."""

    commit: Callable[[], Awaitable[None]] = _nothing
    discard: Callable[[], Awaitable[None]] = _nothing


class Part(Protocol):
    """A part of the relay that can go on with other settings."""

    async def prepare(self, old: Snapshot, new: Snapshot) -> Prepared:
        """Get ready for `new`. Raises StartError, OSError, ValueError or StorageError; then all is as it was."""
        ...


@dataclass(frozen=True, slots=True)
class Follower:
    """A part that takes any settings: `use` hears of the old ones and the new ones, `check` may raise StartError."""

    use: Callable[[Settings, Settings], None]
    check: Callable[[Settings], None] = lambda _settings: None

    async def prepare(self, old: Snapshot, new: Snapshot) -> Prepared:
        """Check what may not be. Raises StartError."""
        self.check(new.settings)

        async def commit() -> None:
            self.use(old.settings, new.settings)

        return Prepared(commit)


class LogPart:
    """`[log]`: the only proof that a file can be written is to open it."""

    async def prepare(self, old: Snapshot, new: Snapshot) -> Prepared:
        """Write as `new` has it, from here on. Raises StartError."""
        if not _is_other(old.settings.log, new.settings.log):
            return Prepared()
        try:
            _configure(new.settings.log)
        except OSError as error:
            where = new.settings.log.file
            raise StartError(f"log.file: {where} cannot be written: {error.strerror}. Name another one") from error

        async def discard() -> None:
            _configure(old.settings.log)

        return Prepared(discard=discard)


def _is_other(old: Log, new: Log) -> bool:
    return (old.level, old.format, old.file) != (new.level, new.format, new.file)


def _configure(wanted: Log) -> None:
    log.configure(wanted.level, wanted.format, wanted.file)


_LOOK_EVERY = 60.0


class QueuePart:
    """Holds the mail of accounts that are gone, and lets go what was held for one that is back."""

    def __init__(self, spool: Spool, clock: Clock, settings: Callable[[], Settings]) -> None:
        self._spool = spool
        self._clock = clock
        self._settings = settings

    async def prepare(self, _old: Snapshot, new: Snapshot) -> Prepared:
        """Nothing can be in the way."""

        async def commit() -> None:
            self._spool.crash_delay = new.settings.queue.retry[0]
            self._spool.capacity.use(limits_of(new.settings))
            await self._try_to_hold(acting(new.settings))

        return Prepared(commit)

    async def run(self) -> None:
        """Look now and then: a session that began before, or a command, may have put mail of such an account back."""
        while True:
            await self._clock.sleep(_LOOK_EVERY)
            await self._try_to_hold(None)

    async def _try_to_hold(self, sorted_by: Mapping[str, ActsAs] | None) -> None:
        with contextlib.suppress(StorageError):  # delivery tells of it, and the next look tries again
            await hold(self._spool, self._settings(), sorted_by)


async def hold(spool: Spool, settings: Settings, sorted_by: Mapping[str, ActsAs] | None) -> None:
    """Hold and let go by the accounts that there are; `sorted_by` as `Spool.hold_unknown`. Raises StorageError."""
    held, freed = await spool.hold_unknown(list(settings.accounts), sorted_by)
    if held:
        log.service.held(held)
    if freed:
        log.service.let_go(freed)
