"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616): the dialogue; who may in is decided by the policy and the checker."""

import base64
import binascii
from typing import TYPE_CHECKING

from relay import log
from relay.config import SecretError
from relay.listener import mailbox_login, trouble
from relay.listener.authentication import Verdict
from relay.listener.base import LONGEST_AUTH_LINE
from relay.listener.login_reply import accept, refuse
from relay.listener.reception import Parts

if TYPE_CHECKING:
    from relay.listener.submission import SubmissionSession


class _Refused(Exception):  # noqa: N818 (carries a reply)
    """The exchange ends with this reply."""


async def exchange(session: "SubmissionSession", parts: Parts, argument: str) -> None:
    """Lead one AUTH exchange and answer it."""
    refusal = _not_now(session, parts)
    if refusal:
        await session.push(refusal)
        return
    mechanism, _, initial = argument.strip().partition(" ")
    try:
        name, password = await _credentials(session, mechanism.upper(), initial.strip())
    except _Refused as refused:
        await session.push(str(refused))
        return
    await _decide(session, parts, name, password)


def _not_now(session: "SubmissionSession", parts: Parts) -> str:
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


async def _credentials(session: "SubmissionSession", mechanism: str, initial: str) -> tuple[str, bytes]:
    if mechanism == "PLAIN":
        message = _decode(initial) if initial else await _ask(session, "")
        parts = message.split(b"\0")
        if len(parts) != 3:
            raise _Refused("501 5.5.2 PLAIN needs authorisation identity, login and password, with NULs between")
        return _text(parts[1]), parts[2]
    if mechanism == "LOGIN":
        # The two prompts in exactly these words: devices compare them.
        name = _decode(initial) if initial else await _ask(session, "Username:")
        return _text(name), await _ask(session, "Password:")
    raise _Refused("504 5.5.4 Only AUTH PLAIN and AUTH LOGIN are offered")


async def _ask(session: "SubmissionSession", prompt: str) -> bytes:
    await session.push(f"334 {base64.b64encode(prompt.encode()).decode()}")
    line = await session.read_line(LONGEST_AUTH_LINE)
    if line is None:
        raise _Refused("500 5.5.6 The authentication line is too long")
    if line == b"*":
        raise _Refused("501 5.7.0 Authentication cancelled")
    return _decode(line.decode("ascii", "replace"))


def _decode(text: str) -> bytes:
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Refused("501 5.5.2 This is not base64") from None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


async def _decide(session: "SubmissionSession", parts: Parts, name: str, password: bytes) -> None:
    client = parts.policy.client_for_login(parts.name, name, session.peer)
    if await trouble.strikes(session, parts, client, "auth"):
        return
    if client is not None and client.authenticate is not None:
        await mailbox_login.decide(session, parts, client, name, password)
        return
    if client is not None and client.any_login:
        # The built-in client of a first try: whoever may connect may send, the login is only a name.
        verdict = Verdict.RIGHT
    else:
        try:
            hashed = client.password_hash.read() if client and client.password_hash else None
            plain = client.password.read() if client and client.password else None
        except SecretError as error:
            log.listener.password_unreadable(str(error))
            await session.push("454 4.7.0 Temporary authentication failure")
            return
        verdict = await parts.checker.check(
            login=name, password=password, address=session.peer, hashed=hashed, plain=plain
        )
    if verdict is Verdict.BUSY:
        await session.push("454 4.7.0 Too many logins, please try again later")
        return
    if verdict is Verdict.RIGHT and client is not None:
        await accept(session, client, name)
    else:
        await refuse(session, name)
