"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616): the dialogue; who may in is decided by the policy and the checker."""

import base64
import binascii
from collections.abc import Generator
from typing import TYPE_CHECKING

from relay import log
from relay.config import SecretError
from relay.listener import credentials, mailbox_login
from relay.listener.authentication import Attempt, Verdict
from relay.listener.login_reply import accept, refuse
from relay.listener.reception import Parts
from relay.listener.wire import LONGEST_AUTH_LINE
from relay.policy import ClientPolicy

if TYPE_CHECKING:
    from relay.listener.submission import SubmissionSession

Dialogue = Generator[str, bytes, tuple[str, bytes]]
"""An exchange: gives the prompts, takes the client's lines, ends in login and password."""


class Refused(Exception):  # noqa: N818 (carries a reply)
    """The exchange ends with this reply."""


def not_now(session: "SubmissionSession", parts: Parts) -> str:
    """The reply to an AUTH that cannot be begun here, or ""."""
    if not session.session.host_name:
        return "503 5.5.1 Send HELO or EHLO first"
    if session.client is not None:
        return "503 5.5.1 Already authenticated"
    if session.envelope.mail_from is not None:
        return "503 5.5.1 AUTH is not allowed in a mail transaction"
    if session.may_login:
        return ""
    if not parts.policy.offers_login(parts.name):
        return "502 5.5.1 This listener has no client with a login"
    return "538 5.7.11 Encryption required for authentication: issue STARTTLS first"


def dialogue(argument: str) -> Dialogue:
    """One AUTH exchange, from the command's argument on. Raises Refused."""
    mechanism, _, initial = argument.partition(" ")
    mechanism, initial = mechanism.upper(), initial.strip()
    if mechanism == "PLAIN":
        message = _decode(initial) if initial else (yield from _ask(""))
        parts = message.split(b"\0")
        if len(parts) != 3:
            raise Refused("501 5.5.2 PLAIN needs authorisation identity, login and password, with NULs between")
        return _text(parts[1]), parts[2]
    if mechanism == "LOGIN":
        # The two prompts in exactly these words: devices compare them.
        name = _decode(initial) if initial else (yield from _ask("Username:"))
        return _text(name), (yield from _ask("Password:"))
    raise Refused("504 5.5.4 Only AUTH PLAIN and AUTH LOGIN are offered")


def _ask(prompt: str) -> Generator[str, bytes, bytes]:
    line = yield f"334 {base64.b64encode(prompt.encode()).decode()}"
    if len(line) > LONGEST_AUTH_LINE:
        raise Refused("500 5.5.6 The authentication line is too long")
    if line == b"*":
        raise Refused("501 5.7.0 Authentication cancelled")
    return _decode(line.decode("ascii", "replace"))


def _decode(text: str) -> bytes:
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("501 5.5.2 This is not base64") from None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def decide(session: "SubmissionSession", parts: Parts, said: tuple[str, bytes]) -> None:
    """Answer the exchange: at once where the answer is known, else when the password has been checked."""
    name, password = said
    try:
        client, hashed, plain = credentials.find(parts, name, session.peer)
    except SecretError as error:
        log.listener.password_unreadable(str(error))
        session.push("454 4.7.0 Temporary authentication failure")
        return
    if client is not None and client.authenticate is not None:
        session.wait_for(mailbox_login.decide(session, parts, client, name, password))
        return
    if client is not None and client.any_login:
        # The built-in client of a first try: whoever may connect may send, the login is only a name.
        accept(session, client, name)
        return
    attempt = Attempt(name, password, session.peer, hashed, plain)
    verdict = parts.checker.at_once(attempt)
    if verdict is None:
        session.wait_for(_check(session, parts, client, attempt))
    else:
        _answer(session, client, name, verdict)


async def _check(session: "SubmissionSession", parts: Parts, client: ClientPolicy | None, attempt: Attempt) -> None:
    _answer(session, client, attempt.login, await parts.checker.check(attempt))


def _answer(session: "SubmissionSession", client: ClientPolicy | None, name: str, verdict: Verdict) -> None:
    if verdict is Verdict.BUSY:
        session.push("454 4.7.0 Too many logins, please try again later")
    elif verdict is Verdict.RIGHT and client is not None:
        accept(session, client, name)
    else:
        refuse(session, name)
