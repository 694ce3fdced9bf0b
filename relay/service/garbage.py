"""Lets go of what refers to itself, now and then.

Python does that by itself once enough objects have come together. It counts them and not their size, and there is the
trouble: an ended TLS connection is some dozen objects in a circle, and a buffer of 256 KiB. With the thresholds that
suit many short messages (`run`) hundreds of them would lie about.
"""

import gc

from relay.model import Clock

EVERY = 30.0
"""Seconds. It takes some milliseconds: what was there when the relay started is not looked at (`gc.freeze`)."""


async def collect(clock: Clock) -> None:
    """Do it every now and then, until cancelled."""
    while True:
        await clock.sleep(EVERY)
        gc.collect()
