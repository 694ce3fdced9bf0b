"""What the log says about clients, logins and refusals."""

import logging
from collections.abc import Sequence

from relay.log.writing import event


def listening(name: str, places: Sequence[str], tls: str) -> None:
    text = f"listener {name}: {', '.join(places)}{f' with {tls} TLS' if tls != 'off' else ''}"
    event(logging.INFO, "listening", text, listener=name, places=list(places))


def logged_in(client: str, login: str, peer: str) -> None:
    event(
        logging.INFO, "login", f"{peer} logged in as {login} (client {client})", client=client, login=login, peer=peer
    )


def login_refused(login: str, peer: str, reason: str = "") -> None:
    text = f"login refused: user <{login}> from [{peer}]{f': {reason}' if reason else ''}"
    event(logging.WARNING, "login refused", text, login=login, peer=peer, reason=reason)


def login_unchecked(login: str, peer: str, reason: str) -> None:
    text = f"the login of <{login}> from [{peer}] could not be checked: {reason}"
    event(logging.WARNING, "login unchecked", text, login=login, peer=peer, reason=reason)


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


def struck(peer: str, stage: str, reply: str, delay: float, *, disconnect: bool) -> None:
    """A fault that a test asked for."""
    what = [f"waits {delay:g}s"] if delay else []
    what += [f"says {reply}"] if reply else []
    what += ["hangs up"] if disconnect else []
    text = f"{peer}: a fault rule at {stage}: {', '.join(what)}"
    event(logging.INFO, "fault", text, peer=peer, stage=stage, reply=reply, delay=delay, disconnect=disconnect)
