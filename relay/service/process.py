"""The process that a relay has to itself: its event loop, its limits, and the signals that it obeys."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from relay import log
from relay.config import Settings
from relay.service import garbage, signals
from relay.service.errors import StartError
from relay.service.reload import Load
from relay.service.running import ROLES, Service
from relay.web import Reading


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the fastest event loop there is."""
    os.umask(0o077)  # whatever is written here is nobody else's: queue, log, sandbox
    _raise_file_limit()
    # What is imported lives as long as the process: looking through it for garbage again and again is a tenth of a
    # short message's cost.
    gc.freeze()
    garbage.keep_large_blocks_apart()
    gc.set_threshold(10_000, 20, 20)
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop  # noqa: PLC0415 (not on Windows)

        uvloop.run(main)
    signals.all_is_done()


def _raise_file_limit() -> None:
    """A file for each connection: as many as this user may have."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (not on Windows)

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(
    settings: Settings,
    roles: frozenset[str] = ROLES,
    sandbox: Sequence[str] = (),
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
    load: Load | None = None,
) -> None:
    """Run until SIGTERM or SIGINT asks to stop; a second one stops at once. SIGHUP reads the configuration again.

    Raises StartError.
    """
    service = Service(settings, roles, sandbox, received, load)
    wishes: set[asyncio.Task[Reading]] = set()

    async def read_again() -> Reading:
        await service.ready.wait()
        return await service.reload("SIGHUP")

    def hang_up() -> None:
        if service.stop_requested.is_set():
            return
        wish = asyncio.create_task(read_again(), name="reload")
        wishes.add(wish)
        wish.add_done_callback(ended)

    def ended(wish: asyncio.Task[Reading]) -> None:
        wishes.discard(wish)
        if not wish.cancelled() and (error := wish.exception()) is not None:
            log.internal_error("the configuration could not be read again", error)

    signals.obey(service.stop, hang_up)
    await service.run()
    if service.failed:
        raise StartError("a part of the relay failed; the log says which and why")
