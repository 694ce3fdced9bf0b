"""How long a server asks to wait. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float, *, most: float = 3600.0) -> float | None:
    """Seconds that the server asks to wait (RFC 9110 10.2.3), None when it says nothing usable; at most `most`.

    Fractions are seen from Microsoft Graph. A date is held against the answer's own `Date`, so that neither clock has
    to be right; `now` (seconds since the epoch) stands in where there is none.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):
        return min(float(value), most)
    until = _epoch(value)
    if until is None:
        return None
    said = _epoch(headers.get("date", ""))
    return min(max(0.0, until - (now if said is None else said)), most)


def _epoch(date: str) -> float | None:
    """An HTTP date (RFC 9110 5.6.7) as seconds since the epoch."""
    try:
        moment = parsedate_to_datetime(date)
        # A date without a zone is in UTC, as every HTTP date must be, not in this machine's local time.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
