"""What the log says about clients, logins and refusals."""

import logging
from collections.abc import Iterable, Sequence

from relay.log.writing import duration, event


def listening(name: str, places: Sequence[str], tls: str) -> None:
    text = f"listener {name}: {', '.join(places)}{f' with {tls} TLS' if tls != 'off' else ''}"
    event(logging.INFO, "listening", text, listener=name, places=list(places))


def closing(name: str) -> None:
    """A listener is not in the configuration any more."""
    text = f"listener {name} is closed: who is sending a message there may end it"
    event(logging.INFO, "listener closed", text, listener=name)


def logged_in(client: str, login: str, peer: str) -> None:
    event(
        logging.INFO, "login", f"{peer} logged in as {login} (client {client})", client=client, login=login, peer=peer
    )


def login_refused(login: str, peer: str, reason: str = "") -> None:
    # The address stands last, where no user name and no reason can put another: fail2ban reads it there.
    text = f"login refused{f' ({reason})' if reason else ''}: user <{login}> from [{peer}]"
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


def tls_broken(peer: str, reason: str) -> None:
    event(
        logging.WARNING,
        "tls",
        f"{peer}: closed, for what it sent is no TLS any more: {reason}",
        peer=peer,
        reason=reason,
    )


def certificate_renewed(file: str) -> None:
    event(logging.INFO, "certificate", f"certificate {file}: changed; new connections get the new one", file=file)


def certificate_refused(file: str, reason: str) -> None:
    text = f"certificate {file}: changed, and cannot be used ({reason}): the old one stays in use until it is mended"
    event(logging.ERROR, "certificate", text, file=file, reason=reason)


def certificate_made(file: str) -> None:
    text = f"certificate {file}: made, signed by nobody; tell clients to trust it, or give certificate and key"
    event(logging.WARNING, "certificate", text, file=file)


def certificate_shown(peer: str, names: Iterable[str], client: str) -> None:
    who = f"is client {client}" if client else "is no client's certificate_subject"
    text = f"{peer} showed a certificate for {', '.join(sorted(names))}, which {who}"
    event(logging.INFO if client else logging.WARNING, "certificate", text, peer=peer, client=client)


def no_proxy_header(peer: str, reason: str) -> None:
    text = (
        f"{peer}: closed: {reason}. Its address is in proxy_protocol, so each connection from there has to begin with "
        "a PROXY header: turn that on in the load balancer, or take the address out of proxy_protocol"
    )
    event(logging.WARNING, "proxy", text, peer=peer, reason=reason)


def proxy_refused(peer: str, listener: str) -> None:
    text = (
        f"{peer}: sent a PROXY protocol header and is not trusted to; it was refused. If it is your load balancer, add "
        f'"{peer}" to listeners.{listener}.proxy_protocol; else turn the PROXY protocol off there'
    )
    event(logging.WARNING, "proxy", text, peer=peer, listener=listener)


def tls_refused(peer: str, listener: str, change: str) -> None:
    text = (
        f"{peer}: began with TLS on listener {listener}, which does not: it was refused. Turn TLS off in the client "
        f"(or choose STARTTLS, where it is offered), or {change}"
    )
    event(logging.WARNING, "tls", text, peer=peer, listener=listener)


def conversation(client: str, peer: str, line: str) -> None:
    event(logging.INFO, "conversation", f"{client} ({peer}) {line}", client=client, peer=peer, line=line)


def struck(peer: str, stage: str, reply: str, delay: float, *, disconnect: bool) -> None:
    """A fault that a test asked for."""
    what = [f"waits {delay:g}s"] if delay else []
    what += [f"says {reply}"] if reply else []
    what += ["hangs up"] if disconnect else []
    text = f"{peer}: a fault rule at {stage}: {', '.join(what)}"
    event(logging.INFO, "fault", text, peer=peer, stage=stage, reply=reply, delay=delay, disconnect=disconnect)


def refusals_untold(peer: str, count: int) -> None:
    text = f"{peer}: refused {count} times in one session; what is refused further is not told"
    event(logging.WARNING, "refused", text, peer=peer, count=count)


def too_slow(peer: str, seconds: float, octets: int) -> None:
    text = f"{peer}: closed: only {octets:,} octets of its message came in {duration(seconds)}"
    event(logging.WARNING, "too_slow", text, peer=peer, seconds=round(seconds), octets=octets)
