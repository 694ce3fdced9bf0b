"""Logging: its set-up, and one function for each thing that the relay tells.

The wording of every line that an administrator greps for has its home here, and so has the promise that none of them
carries a secret: what comes in are addresses, ids and replies, cleaned of control characters on the way out.
`format = "json"` writes one object a line with the same facts as fields.
"""

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

logger = logging.getLogger("relay")

# Everything below space, DEL, and the C1 controls: a log line stays one line, and no terminal obeys what a peer sent.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def clean(text: str) -> str:
    """`text` with control characters made visible, so that a peer can neither forge a line nor move a cursor."""
    return text.translate(_CONTROLS)


def event(level: int, name: str, text: str, /, **facts: Any) -> None:
    """Write one line: `text` for people, `name` and `facts` for `format = "json"`."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", text, extra={"event": name, "facts": facts})


class TextFormatter(logging.Formatter):
    """`2026-11-21 12:00:00.123 INFO  text`, in local time; a traceback follows on its own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        record.message = clean(record.message)
        return super().formatMessage(record)


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
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure(level: str = "INFO", style: Literal["text", "json"] = "text", file: Path | None = None) -> None:
    """Send the relay's lines to `file` (reopened when it is rotated away) or to standard error.

    Other libraries are heard from WARNING on. Raises OSError when the file cannot be opened.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logger.setLevel(level)
    # aiosmtpd writes every command, AUTH and DATA line; ours say the same without the secrets.
    logging.getLogger("mail.log").setLevel(logging.ERROR)


# --- spool


def message_queued(
    message_id: str, *, sender: str, recipients: Sequence[str], size: int, client: str, peer: str, account: str
) -> None:
    who = f"{client} ({peer})"
    text = f"{message_id}: queued {size:,} octets from <{sender}> for {_people(recipients)}, by {who}, to {account}"
    facts = {"id": message_id, "client": client, "peer": peer, "account": account, "size": size}
    event(logging.INFO, "queued", text, sender=sender, recipients=len(recipients), **facts)


def message_damaged(message_id: str, reason: str) -> None:
    text = f"{message_id}: set aside as corrupt: {reason}. It is kept and not tried again"
    event(logging.ERROR, "corrupt", text, id=message_id, reason=reason)


def message_expired(message_id: str, account: str, reason: str) -> None:
    text = f"{message_id}: failed: it waited longer than max_age. Last: {reason or 'no attempt was possible'}"
    event(logging.ERROR, "expired", text, id=message_id, account=account, reason=reason)


def _people(recipients: Sequence[str]) -> str:
    first = f"<{recipients[0]}>"
    return first if len(recipients) == 1 else f"{first} and {len(recipients) - 1} more"


# --- delivery


def attempt_ended(
    message_id: str,
    account: str,
    attempt: int,
    results: Sequence[tuple[str, str, str, str]],
    next_at: float | None,
    now: float,
) -> None:
    """One line for each different reply: (recipients, outcome, reply, hint)."""
    for people, outcome, reply, hint in results:
        again = f"; next try in {duration((next_at or now) - now)}" if outcome == "deferred" else ""
        text = f"{message_id}: {outcome} to {people} by {account}: {reply}{again}{f'. {hint}' if hint else ''}"
        level = {"sent": logging.INFO, "deferred": logging.WARNING}.get(outcome, logging.ERROR)
        facts = {"id": message_id, "account": account, "attempt": attempt, "recipients": people, "reply": reply}
        event(level, outcome, text, hint=hint, **facts)


def identity_paused(identity: str, seconds: float, reason: str) -> None:
    text = f"{identity}: paused for {duration(seconds)}, its mail waits: {reason}"
    event(logging.WARNING, "paused", text, identity=identity, seconds=round(seconds), reason=reason)


def identity_recovered(identity: str) -> None:
    event(logging.INFO, "recovered", f"{identity}: works again", identity=identity)


def draining(attempts: int, seconds: float) -> None:
    event(logging.INFO, "draining", f"waiting up to {duration(seconds)} for {attempts} deliveries", attempts=attempts)


def storage_trouble(reason: str) -> None:
    event(logging.ERROR, "storage", f"the queue cannot be written: {reason}", reason=reason)


def internal_error(text: str, error: BaseException) -> None:
    """A mistake of ours: the traceback goes to the log, never to a client."""
    logger.error("%s", text, exc_info=error, extra={"event": "internal error", "facts": {}})


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


# --- listener


def listening(name: str, places: Sequence[str], tls: str) -> None:
    text = f"listener {name}: {', '.join(places)}{f' with {tls} TLS' if tls != 'off' else ''}"
    event(logging.INFO, "listening", text, listener=name, places=list(places))


def logged_in(client: str, login: str, peer: str) -> None:
    event(
        logging.INFO, "login", f"{peer} logged in as {login} (client {client})", client=client, login=login, peer=peer
    )


def login_refused(login: str, peer: str) -> None:
    text = f"login refused: user <{login}> from [{peer}]"
    event(logging.WARNING, "login refused", text, login=login, peer=peer)


def sender_refused(peer: str, argument: str, reply: str) -> None:
    event(logging.WARNING, "refused", f"{peer}: MAIL {argument} refused: {reply}", peer=peer, reply=reply)


def recipient_refused(peer: str, address: str, reply: str) -> None:
    text = f"{peer}: RCPT <{address}> refused: {reply}"
    event(logging.WARNING, "refused", text, peer=peer, recipient=address, reply=reply)


def message_refused(client: str, peer: str, sender: str, reply: str) -> None:
    text = f"{client} ({peer}): message from <{sender}> refused: {reply}"
    event(logging.WARNING, "refused", text, client=client, peer=peer, sender=sender, reply=reply)


def client_vanished(peer: str, sender: str) -> None:
    text = f"{peer}: gone before the end of its message from <{sender}>; nothing was kept, the client knows of no 250"
    event(logging.WARNING, "vanished", text, peer=peer, sender=sender)


def connection_refused(peer: str, key: str, limit: int) -> None:
    event(logging.WARNING, "limit", f"{peer}: connection refused: {key} = {limit} is reached", peer=peer, limit=key)


def http_refused(peer: str) -> None:
    text = (
        f"{peer}: sent an HTTP request to an SMTP port; it was refused. The web page is at web.bind"
    )
    event(logging.WARNING, "http", text, peer=peer)


def tls_failed(peer: str, reason: str) -> None:
    event(logging.WARNING, "tls", f"{peer}: the TLS handshake failed: {reason}", peer=peer, reason=reason)
