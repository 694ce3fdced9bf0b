"""Looks at the files of the configuration every few seconds: what has changed is read, once nobody writes it any more.

By content, not by time: a file that is written anew with the same text, a link that is exchanged (Kubernetes), a clock
that jumps make no difference.
"""

import asyncio
from pathlib import Path

from relay import log
from relay.model import Clock
from relay.service.changes import contents
from relay.service.reload import Reloader

EVERY = 5.0
SETTLES = 1.0
"""Seconds for which changed files have to stay as they are: several are often exchanged one after the other."""
CHANGED_FILES = "changed files"


class Watch:
    """Reloads when files have changed; while the configuration is broken also when anything else may have mended it."""

    def __init__(self, reloader: Reloader, clock: Clock) -> None:
        self._reloader = reloader
        self._clock = clock

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self._clock.sleep(EVERY)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 (whatever is wrong here, the mail goes on)
                log.internal_error("the changed configuration could not be read; it is tried again", error)

    async def look(self) -> None:
        """Look at the files once, and read the configuration again if one has changed."""
        now = await asyncio.to_thread(contents, self._reloader.looked)
        if now != self._reloader.looked:
            now = await self._settled(now)
        known = self._reloader.looked  # by now: somebody may have asked for the same change meanwhile
        news = any(held != known.get(path, held) for path, held in now.items())
        if news or self._reloader.is_broken:
            # A file that is missing can be anywhere, another program can have had the port.
            await self._reloader.reload(CHANGED_FILES, again=news)

    async def _settled(self, now: dict[Path, bytes]) -> dict[Path, bytes]:
        while True:
            await self._clock.sleep(SETTLES)
            later = await asyncio.to_thread(contents, now)
            if later == now:
                return now
            now = later
