"""The set-up of logging, and what the lines of every part are made with.

`format = "json"` writes one object a line with the same facts as fields.
"""

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

logger = logging.getLogger("relay")

_MISTAKE = "internal error"
# Everything below space, DEL, and the C1 controls: a log line stays one line, and no terminal obeys what a peer sent.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def clean(text: str) -> str:
    """`text` with control characters made visible, so that a peer can neither forge a line nor move a cursor.

    Lone surrogates, which stand for octets that are no UTF-8, are made visible too: no file or database takes them.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode("utf-8")


def event(level: int, name: str, text: str, /, **facts: Any) -> None:
    """Write one line: `text` for people, `name` and `facts` for `format = "json"`."""
    if logger.isEnabledFor(level):
        # Made here: Logger.log() looks for the caller and goes through the facts one by one, at half the line's cost.
        record = logging.LogRecord(logger.name, level, "", 0, text, None, None)
        record.event, record.facts = name, facts
        logger.handle(record)


class TextFormatter(logging.Formatter):
    """`2026-11-21 12:00:00.123 INFO  text`, in local time; a traceback follows on its own lines."""

    def __init__(self) -> None:
        super().__init__()
        self._second = -1
        self._stamp = ""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        second = int(record.created)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._stamp}.{int(record.msecs):03d} {record.levelname:<7} {clean(record.message)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, RFC 3339), level, event, message and the event's facts."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {"time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        entry["event"] = getattr(record, "event", record.name)
        entry["message"] = record.getMessage()
        entry.update(getattr(record, "facts", {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode("utf-8")


def configure(level: str = "INFO", style: Literal["text", "json"] = "text", file: Path | None = None) -> None:
    """Send the relay's lines to `file` (reopened when it is rotated away) or to standard error.

    Other libraries are heard from WARNING on. Raises OSError when the file cannot be opened.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logger.setLevel(level)
    # What no line of ours says need not be found out for each (the logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # aiosmtpd writes every command, AUTH and DATA line; ours say the same without the secrets.
    logging.getLogger("mail.log").setLevel(logging.ERROR)


def only_mistakes() -> None:
    """For commands that tell everything themselves: only a mistake of ours, or a library's, is a line of the log."""
    configure("ERROR")
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: getattr(record, "event", _MISTAKE) == _MISTAKE)


def internal_error(text: str, error: BaseException) -> None:
    """A mistake of ours: the traceback goes to the log, never to a client."""
    logger.error("%s", text, exc_info=error, extra={"event": _MISTAKE, "facts": {}})


def duration(seconds: float) -> str:
    """Seconds as people say them: `45s`, `5m`, `2h10m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest}s" if rest and minutes < 5 else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m" if minutes else f"{hours}h"


def moment(seconds: float) -> str:
    """A time as people read it: local, to the second; "" for one that no clock can show."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return ""


def stamp(seconds: float) -> str:
    """A time as programs read it: RFC 3339, in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def octets(number: float) -> str:
    """A size as people say it: `512 B`, `9.8 MiB`, `10 GiB`."""
    amount, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}".replace(".0 ", " ")


def people(recipients: Sequence[str]) -> str:
    """The first of `recipients`, and how many more there are."""
    first = f"<{recipients[0]}>"
    return first if len(recipients) == 1 else f"{first} and {len(recipients) - 1} more"
