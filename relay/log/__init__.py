"""Logging: its set-up, and one function for each thing that the relay tells, in a module for each part.

The wording of every line that an administrator greps for has its home here, and so has the promise that none of them
carries a secret: what comes in are addresses, ids and replies, cleaned of control characters on the way out.
"""

from relay.log import admin, alerts, delivery, listener, oauth, reports, sandbox, service, spool, upstream, web
from relay.log.writing import (
    clean,
    configure,
    duration,
    event,
    internal_error,
    logger,
    moment,
    octets,
    only_mistakes,
    people,
    stamp,
)

__all__ = [
    "admin",
    "alerts",
    "clean",
    "configure",
    "delivery",
    "duration",
    "event",
    "internal_error",
    "listener",
    "logger",
    "moment",
    "oauth",
    "octets",
    "only_mistakes",
    "people",
    "reports",
    "sandbox",
    "service",
    "spool",
    "stamp",
    "upstream",
    "web",
]
