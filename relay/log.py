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
    """`text` with control characters made visible, so that a peer can neither forge a line nor move a cursor.

    Lone surrogates, which stand for octets that are no UTF-8, are made visible too: no file or database takes them.
    """
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode("utf-8")


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
    message_id: str, account: str, attempt: int, results: Sequence[tuple[str, str, str, str]], again: str
) -> None:
    """One line for each different reply: (recipients, outcome, reply, hint). `again` says when it is tried again."""
    for people, outcome, reply, hint in results:
        told = f"; {again}" if outcome == "deferred" else ""
        text = f"{message_id}: {outcome} to {people} by {account}: {reply}{told}{f'. {hint}' if hint else ''}"
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


def leases_lost(messages: int) -> None:
    text = f"{messages} messages were leased and forgotten: they are due again"
    event(logging.WARNING, "leases", text, messages=messages)


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


def password_unreadable(reason: str) -> None:
    event(logging.ERROR, "password", f"a login cannot be checked: {reason}", reason=reason)


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
    text = f"{peer}: sent an HTTP request to an SMTP port; it was refused. The web page is at web.bind"
    event(logging.WARNING, "http", text, peer=peer)


def tls_failed(peer: str, reason: str) -> None:
    event(logging.WARNING, "tls", f"{peer}: the TLS handshake failed: {reason}", peer=peer, reason=reason)


# --- service


def started(places: Sequence[str], accounts: Sequence[str]) -> None:
    text = f"ready: mail for {', '.join(accounts)} is taken at {', '.join(places) or 'no listener'}"
    event(logging.INFO, "started", text, places=list(places), accounts=list(accounts))


def warned(text: str) -> None:
    """A warning about the configuration."""
    event(logging.WARNING, "configuration", text)


def sandbox_about(lines: Sequence[str]) -> None:
    """Where the stand-in provider is, and how to look at what it received."""
    for line in lines:
        event(logging.INFO, "sandbox", line)


def page(addresses: Sequence[str]) -> None:
    event(logging.INFO, "page", f"page: {', '.join(addresses)}", addresses=list(addresses))


def held(messages: int) -> None:
    text = f"{messages} messages are held: their accounts are not in the configuration"
    event(logging.WARNING, "held", text, messages=messages)


def stopping() -> None:
    event(logging.INFO, "stopping", "stopping: no new mail is taken, deliveries under way are finished")


# --- sandbox


def sandbox_ready(smtp: str, token_endpoint: str, graph: str, ca_file: str) -> None:
    text = f"stand-in Microsoft: SMTP on {smtp}, tokens at {token_endpoint}, Graph at {graph}, trust {ca_file}"
    event(logging.INFO, "sandbox", text, smtp=smtp, token_endpoint=token_endpoint, graph=graph, ca_file=ca_file)


def sandbox_took(way: str, subject: str, sender: str, recipients: Sequence[str], size: int, reply: str) -> None:
    facts = {"way": way, "subject": subject, "sender": sender, "recipients": list(recipients), "size": size}
    text = f'{_stand_in(way)} took "{subject}" from {sender or "<>"} for {_whom(recipients)}: {reply}'
    event(logging.INFO, "sandbox took", text, reply=reply, **facts)


def sandbox_refused(way: str, sender: str, recipients: Sequence[str], reply: str) -> None:
    text = f"{_stand_in(way)} refused mail from {sender or '<>'}: {reply}"
    event(logging.INFO, "sandbox refused", text, way=way, sender=sender, recipients=list(recipients), reply=reply)


def sandbox_fault(kind: str, point: str) -> None:
    event(logging.INFO, "sandbox fault", f'the fault "{kind}" strikes at "{point}", as ordered', kind=kind, at=point)


def _stand_in(way: str) -> str:
    return "stand-in Graph" if way == "graph" else "stand-in Exchange"


def _whom(recipients: Sequence[str]) -> str:
    return recipients[0] if len(recipients) == 1 else f"{len(recipients)} recipients"


# --- upstream


def upstream_connected(account: str, where: str, address: str, tls: str) -> None:
    text = f"{account}: connected to {where} [{address}], {tls or 'without TLS'}"
    event(logging.DEBUG, "upstream connected", text, account=account, peer=address, tls=tls)


def upstream_authenticated(account: str, user: str, mechanism: str) -> None:
    text = f"{account}: logged in as {user} by {mechanism}"
    event(logging.DEBUG, "upstream authenticated", text, account=account, user=user, mechanism=mechanism)


def upstream_refused_login(account: str, user: str, reply: str) -> None:
    text = f"{account}: login as {user} refused: {reply}"
    event(logging.DEBUG, "upstream refused login", text, account=account, user=user, reply=reply)


def upstream_discarded(account: str, where: str, messages: int, reason: str) -> None:
    text = f"{account}: connection to {where} given up after {messages} messages: {reason}"
    event(logging.DEBUG, "upstream discarded", text, account=account, messages=messages, reason=reason)


# --- oauth


def token_obtained(account: str, lifetime: float) -> None:
    text = f"{account}: got a token, good for {duration(lifetime)}"
    event(logging.INFO, "token", text, account=account, lifetime=round(lifetime))


def metadata_kept(account: str, reason: str) -> None:
    text = f"what the issuer said before is used on: {reason}"
    event(logging.WARNING, "metadata kept", text, account=account, reason=reason)


def token_kept(account: str, left: float, reason: str, trace: str) -> None:
    text = f"no new token, the old one is good for {duration(left)} more: {reason}{f' [{trace}]' if trace else ''}"
    event(logging.WARNING, "token kept", text, account=account, left=round(left), reason=reason, trace=trace)


def token_refused(account: str, reason: str, trace: str, *, temporary: bool) -> None:
    level = logging.WARNING if temporary else logging.ERROR
    text = f"{reason}{f' [{trace}]' if trace else ''}"
    event(level, "token refused", text, account=account, reason=reason, trace=trace)


def consent_needed(account: str, reason: str) -> None:
    text = f"{account}: its sign-in has ended, its mail waits: {reason}. Sign in again: relay authorize {account}"
    event(logging.ERROR, "consent needed", text, account=account, reason=reason)


def consent_replaced(account: str) -> None:
    text = f"{account}: a newer sign-in was found and is kept"
    event(logging.INFO, "consent replaced", text, account=account)


def sink_took(
    message_id: str, account: str, sender: str, recipients: Sequence[str], subject: str, size: int, client: str
) -> None:
    people = ", ".join(f"<{recipient}>" for recipient in recipients[:10])
    more = f" and {len(recipients) - 10} more" if len(recipients) > 10 else ""
    text = f'{message_id}: {account} took "{subject}" from <{sender}> to {people}{more}, {size:,} octets, by {client}'
    facts = {"id": message_id, "account": account, "sender": sender, "recipients": list(recipients)}
    event(logging.INFO, "sink", text, subject=subject, size=size, client=client, **facts)


def sink_text(message_id: str, line: str) -> None:
    """One line of a message's text: each is a line of the log, so that none can forge another."""
    event(logging.INFO, "sink text", f"{message_id}: | {line}", id=message_id, text=line)


def discarded(message_id: str, account: str, recipients: Sequence[str], size: int) -> None:
    text = f"{message_id}: {account} discarded {size:,} octets for {_people(recipients)}"
    event(logging.DEBUG, "discarded", text, id=message_id, account=account, recipients=list(recipients), size=size)
