"""AUTH (RFC 4954): whether it may begin, and how it ends; who may in is decided by the policy and the checker."""

import hmac
from functools import partial
from typing import TYPE_CHECKING

from relay import log
from relay.config import SecretError
from relay.listener import bearer_login, credentials, mailbox_login, mechanisms, trouble
from relay.listener.authentication import Attempt, Verdict
from relay.listener.credentials import Known
from relay.listener.login_reply import TOO_MANY, accept, postpone, refuse
from relay.listener.mechanisms import Dialogue, Proof, Refused
from relay.listener.reception import Parts
from relay.listener.secrecy import ENCRYPT_FIRST
from relay.policy import ClientPolicy

if TYPE_CHECKING:
    from relay.listener.login_session import LoginSession

__all__ = ["Dialogue", "Refused", "decide", "dialogue", "not_now"]


def not_now(session: "LoginSession", parts: Parts) -> str:
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
    return ENCRYPT_FIRST


def dialogue(argument: str, parts: Parts) -> Dialogue:
    """One AUTH exchange, from the command's argument on. Raises Refused."""
    return mechanisms.dialogue(argument, parts.policy.mechanisms(parts.name), parts.hostname)


def decide(session: "LoginSession", parts: Parts, proof: Proof) -> None:
    """Answer the exchange: at once where the answer is known, else when the password has been checked."""
    try:
        known = credentials.find(parts, proof.login, session.peer)
    except SecretError as error:
        log.listener.password_unreadable(str(error))
        postpone(session)
        return
    session.claims_to_be(known.client)
    strike = trouble.due(parts, known.client, "auth")
    if strike is None:
        _decide(session, parts, known, proof)
    else:
        session.meet("auth", strike, lambda: _decide(session, parts, known, proof))


def _decide(session: "LoginSession", parts: Parts, known: Known, proof: Proof) -> None:
    client = known.client
    if client is not None and client.any_login:
        # The built-in client of a first try: whoever may connect may send, the login is only a name.
        accept(session, client, proof.login)
    elif proof.challenge:
        session.wait_for(_cram_md5(session, parts, client, proof, known.plain))
    elif proof.bearer and (client is None or client.is_real):
        session.wait_for(bearer_login.decide(session, parts, proof))
    elif client is not None and client.authenticate is not None:
        session.wait_for(mailbox_login.decide(session, parts, client, proof.login, proof.password))
    else:
        # A sink's client may also show its password as a token.
        others = partial(credentials.everybodys, parts)
        attempt = Attempt(proof.login, proof.password, session.peer, known.hashed, known.plain, others)
        _password(session, parts, client, attempt, proof.bearer)


def _password(
    session: "LoginSession", parts: Parts, client: ClientPolicy | None, attempt: Attempt, bearer: str
) -> None:
    verdict = parts.checker.at_once(attempt)
    if verdict is None:
        session.wait_for(_check(session, parts, client, attempt, bearer))
    else:
        _answer(session, client, attempt.login, verdict, bearer)


async def _cram_md5(
    session: "LoginSession", parts: Parts, client: ClientPolicy | None, proof: Proof, plain: str | None
) -> None:
    """RFC 2195: the digest of the challenge, keyed with the password."""
    if parts.checker.is_barred(session.peer):
        _answer(session, client, proof.login, Verdict.BUSY)
        return
    # Somebody whom nobody knows costs as much as a wrong digest.
    digest = hmac.new((plain or "").encode(), proof.challenge, "md5").hexdigest().encode()
    if hmac.compare_digest(digest, proof.password) and client is not None and plain is not None:
        accept(session, client, proof.login)
        return
    await parts.checker.failed(proof.login, session.peer)
    refuse(session, proof.login, reason="" if plain is not None else "no client has this login with a plain password")


async def _check(
    session: "LoginSession", parts: Parts, client: ClientPolicy | None, attempt: Attempt, bearer: str
) -> None:
    _answer(session, client, attempt.login, await parts.checker.check(attempt), bearer)


def _answer(
    session: "LoginSession", client: ClientPolicy | None, name: str, verdict: Verdict, bearer: str = ""
) -> None:
    if verdict is Verdict.BUSY:
        postpone(session, TOO_MANY)
    elif verdict is Verdict.RIGHT and client is not None:
        accept(session, client, name)
    else:
        refuse(session, name, bearer=bearer)
