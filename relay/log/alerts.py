"""What the log says about what runs out, and about telling people of it."""

import logging

from relay.log.writing import duration, event


def raised(name: str, level: str, text: str, action: str, *, kind: str, subject: str) -> None:
    """The alert itself: it is here whoever else hears of it."""
    severity = logging.ERROR if level == "error" else logging.WARNING
    event(severity, name, f"{text.rstrip('.')}. {action}", kind=kind, name=subject, action=action)


def told(channel: str, key: str) -> None:
    event(logging.INFO, "alert sent", f"alert {key}: told by {channel}", channel=channel, alert=key)


def not_told(channel: str, key: str, reason: str, seconds: float | None) -> None:
    """The channel failed; tried again in `seconds`, or given up."""
    again = "given up" if seconds is None else f"tried again in {duration(seconds)}"
    level = logging.ERROR if seconds is None else logging.WARNING
    text = f"alert {key}: could not be told by {channel}, {again}: {reason}"
    event(level, "alert failed", text, channel=channel, alert=key, reason=reason)


def unreadable(subject: str, reason: str) -> None:
    text = f"nobody knows when {subject} ends: {reason}"
    event(logging.WARNING, "expiry unknown", text, subject=subject, reason=reason)


def state_lost(file: str, reason: str) -> None:
    text = f"{file}: what was said before is not known, so that alerts may be repeated: {reason}"
    event(logging.WARNING, "alerts state", text, file=file, reason=reason)
