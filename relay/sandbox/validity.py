"""When an assertion is valid."""

from datetime import UTC, datetime

from relay.sandbox import jws
from relay.sandbox.aadsts import EntraError

SKEW = 300
"""Seconds by which a client's clock may be wrong."""


def check_times(signed: jws.Signed, now: float) -> None:
    """Raise EntraError when an assertion is not valid at `now`."""
    if "exp" not in signed.claims:
        raise jws.MalformedError("The claim 'exp' is missing.")
    begin, end = signed.time("nbf", 0), signed.time("exp", 0)
    if now > end + SKEW or now < begin - SKEW:
        raise EntraError(700024, now=_stamp(now), begin=_stamp(begin), end=_stamp(end))


def _stamp(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.0000000Z}"
    except (ValueError, OverflowError, OSError):
        return "unknown"
