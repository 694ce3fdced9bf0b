"""How much mail the relay takes: the limits of `[queue]` as its parts know them, and how many connections."""

import sys

from relay import metrics
from relay.config import Settings
from relay.limits import Memory
from relay.model import Clock
from relay.spool import Limits


def limits_of(settings: Settings) -> Limits:
    """What new mail has to leave free."""
    most = settings.queue.max_size
    return Limits(most.octets, most.messages, settings.queue.min_free_disk)


def memory_of(settings: Settings, direction: str, clock: Clock) -> Memory:
    """The half of the memory for mail that goes in or out: neither can take what the other needs to go on."""
    made = Memory(settings.queue.max_bytes_in_memory // 2, clock)
    metrics.MEMORY.labels(direction).set_function(lambda: made.used)
    return made


def raise_file_limit() -> None:
    """A file for each connection: as many as this user may have."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (not on Windows)

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
