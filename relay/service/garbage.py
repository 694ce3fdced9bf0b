"""Keeps the memory of a relay that runs for months what it was on the first day.

Python looks for what refers to itself once enough objects have come together. It counts them and not their size, and
there is the trouble: an ended TLS connection of asyncio's (to a mail server, to the page) is some dozen objects in a
circle, and a buffer of 256 KiB. With the thresholds that suit many short messages (`process.run`) hundreds of them
would lie about.
"""

import contextlib
import ctypes
import gc
import sys

from relay.model import Clock

EVERY = 30.0
"""Seconds. It takes some milliseconds: what was there when the relay started is not looked at (`gc.freeze`)."""

_M_MMAP_THRESHOLD = -3
_LARGE = 128 * 1024


async def collect(clock: Clock) -> None:
    """Look for garbage every now and then, until cancelled."""
    while True:
        await clock.sleep(EVERY)
        gc.collect()


def keep_large_blocks_apart() -> None:
    """Have the C library (glibc's, others do so by themselves) give large blocks pages of their own, always.

    It does at first. Once one has been freed it puts them among the small ones (mallopt(3), M_MMAP_THRESHOLD), and then
    a buffer of which a TLS connection uses a corner costs its whole size, and holds the pages around it.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library has no such thing
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
