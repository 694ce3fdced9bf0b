"""What the relay counts and measures, for Prometheus: every metric has its name and its meaning here.

Names of accounts and identities are labels; nothing secret ever is one.
"""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)

# Beside each counter, when it was first counted: nobody asks for that.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
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


def page() -> bytes:
    """All metrics in Prometheus's text form, of the type `CONTENT_TYPE`."""
    return generate_latest(REGISTRY)
