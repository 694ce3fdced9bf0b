"""How much mail the relay takes and keeps: the limits of `[queue]` and `[sink]` as its parts know them."""

from relay import metrics, sink
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


def kept_of(settings: Settings) -> sink.Limits:
    """How much the sink keeps."""
    return sink.Limits(settings.sink.keep, settings.sink.max_bytes, settings.sink.max_age)
