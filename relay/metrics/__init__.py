"""What the relay counts and measures, for Prometheus: every metric has its name and its meaning here.

Names of accounts and identities are labels; nothing secret ever is one.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# Beside each counter, when it was first counted: nobody asks for that.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_STATUS = re.compile(r"[245]\.\d{1,2}\.\d{1,3}")
REGISTRY = CollectorRegistry()
"""Of this process. The library's own registry would add what nobody asked for."""

EXPIRES = Gauge(
    "relay_expires_timestamp_seconds",
    "When a client secret, a certificate or an unused sign-in ends, in seconds since the epoch.",
    ("kind", "name"),
    registry=REGISTRY,
)
SIGN_IN_NEEDED = Gauge(
    "relay_sign_in_needed",
    "1 where the provider has ended a user's sign-in and the account's mail waits for a new one.",
    ("account",),
    registry=REGISTRY,
)
PAUSED = Gauge(
    "relay_identity_paused_seconds",
    "For how long a mailbox has been in trouble and its mail has waited; 0 when all is well.",
    ("identity",),
    registry=REGISTRY,
)
ALERTS = Counter(
    "relay_alerts",
    "Alerts by how they were told: channel is log, webhook or command, result told, failed or given_up.",
    ("channel", "result"),
    registry=REGISTRY,
)

ACCEPTED = Counter(
    "relay_accepted", "Messages that the queue took, by client and account.", ("client", "account"), registry=REGISTRY
)
ACCEPTED_OCTETS = Counter(
    "relay_accepted_bytes", "Octets of the messages that the queue took.", ("client", "account"), registry=REGISTRY
)
REFUSED = Counter(
    "relay_refused",
    "Commands and messages that a listener refused; reason is the reply's enhanced status code.",
    ("listener", "reason"),
    registry=REGISTRY,
)
LOGINS_REFUSED = Counter(
    "relay_login_refused", "Logins that a listener or the page did not accept.", ("listener",), registry=REGISTRY
)
CONNECTIONS = Gauge("relay_connections", "Open SMTP connections.", ("listener",), registry=REGISTRY)
CONNECTIONS_REFUSED = Counter(
    "relay_connections_refused",
    "SMTP connections that were turned away at a limit.",
    ("listener", "limit"),
    registry=REGISTRY,
)
SENT = Counter("relay_sent", "Recipients whose mail the upstream took.", ("account",), registry=REGISTRY)
DEFERRED = Counter(
    "relay_deferred",
    "Attempts for a recipient that are to be repeated; reason is the reply's enhanced status code.",
    ("account", "reason"),
    registry=REGISTRY,
)
FAILED = Counter(
    "relay_failed",
    "Recipients that were given up; reason is the reply's enhanced status code, or expired (then counted by message).",
    ("account", "reason"),
    registry=REGISTRY,
)
UPSTREAM_SECONDS = Histogram(
    "relay_upstream_seconds",
    "How long an attempt took, from the token to the last reply.",
    ("account",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
QUEUE = Gauge("relay_queue_messages", "Messages in the database, by state.", ("account", "state"), registry=REGISTRY)
QUEUE_AGE = Gauge(
    "relay_queue_age_messages",
    "Waiting messages by age: age is the upper end in seconds, +Inf for what is older than all others.",
    ("account", "age"),
    registry=REGISTRY,
)
QUEUE_OLDEST = Gauge(
    "relay_queue_oldest_timestamp_seconds", "When the oldest waiting message came.", ("account",), registry=REGISTRY
)
QUEUE_OCTETS = Gauge("relay_queue_bytes", "Octets of all messages whose content is kept.", registry=REGISTRY)
QUEUE_FULL = Gauge(
    "relay_queue_full", "1 while new mail is refused because there is no room for it, 0 when not.", registry=REGISTRY
)
STORAGE_TROUBLE = Gauge(
    "relay_storage_trouble", "1 while the queue cannot be written, 0 when it can.", registry=REGISTRY
)
DISK_FREE = Gauge("relay_disk_free_bytes", "Free octets of the disk that the queue is on.", registry=REGISTRY)
MEMORY = Gauge(
    "relay_memory_bytes",
    "Octets of mail in memory; direction is in (being received) or out (being sent).",
    ("direction",),
    registry=REGISTRY,
)
TOKEN_EXPIRES = Gauge(
    "relay_token_expires_timestamp_seconds", "When the token in use ends.", ("account",), registry=REGISTRY
)
TOKEN_GOOD = Gauge(
    "relay_token_good", "1 when the last request for a token gave one, 0 when not.", ("account",), registry=REGISTRY
)
CONFIGURATION_GOOD = Gauge(
    "relay_configuration_good",
    "0 when the configuration was read again and cannot be used, so that the old one runs; else 1.",
    registry=REGISTRY,
)
CONFIGURATION_READ = Gauge(
    "relay_configuration_read_timestamp_seconds",
    "When the configuration that runs was read, in seconds since the epoch.",
    registry=REGISTRY,
)
READY = Gauge("relay_ready", "1 while the relay can take and send mail, as /readyz says.", registry=REGISTRY)
TASKS = Gauge(
    "relay_tasks",
    "Tasks of the event loop. It follows the load; a number that only grows is a leak.",
    registry=REGISTRY,
)
STARTED = Gauge("relay_start_timestamp_seconds", "When the relay started.", registry=REGISTRY)


# To find a metric's part for some labels costs four times as much as to count: these are found once.


@lru_cache(maxsize=1024)
def _accepted(client: str, account: str) -> tuple[Counter, Counter]:
    return ACCEPTED.labels(client, account), ACCEPTED_OCTETS.labels(client, account)


@lru_cache(maxsize=1024)
def _sent(account: str) -> tuple[Histogram, Counter]:
    return UPSTREAM_SECONDS.labels(account), SENT.labels(account)


def accepted(client: str, account: str, octets: int) -> None:
    """Count a message that the queue took."""
    messages, size = _accepted(client, account)
    messages.inc()
    size.inc(octets)


def attempted(account: str, results: Iterable[tuple[str, str]], seconds: float) -> None:
    """Count what became of one attempt, which took so long: (outcome, enhanced status code) of each recipient."""
    duration, sent = _sent(account)
    duration.observe(max(0.0, seconds))
    for outcome, status in results:
        if outcome == "sent":
            sent.inc()
        else:
            counter = DEFERRED if outcome == "deferred" else FAILED
            counter.labels(account, reason_of(status)).inc()


def reason_of(status: str) -> str:
    """An enhanced status code as a label, "other" for what is none: a server must not be able to invent labels."""
    return status if _STATUS.fullmatch(status) else "other"


def page() -> bytes:
    """All metrics in Prometheus's text form, of the type `CONTENT_TYPE`."""
    return generate_latest(REGISTRY)
