"""A login with the user name and password of a mailbox (`authenticate = "upstream"`): its provider decides."""

from typing import TYPE_CHECKING

from relay import log, mime
from relay.listener.login_reply import accept, postpone, refuse, turned_away
from relay.listener.reception import Parts
from relay.oauth.logins import Verdict
from relay.policy import ClientPolicy
from relay.policy.patterns import fold

if TYPE_CHECKING:
    from relay.listener.login_session import LoginSession


async def decide(session: "LoginSession", parts: Parts, client: ClientPolicy, login: str, password: bytes) -> None:
    """Answer the login of one of the client's users; when it is right, the session is that user's."""
    if turned_away(session, parts):
        return
    mailbox = _mailbox(login)
    if mailbox is None:
        refuse(session, login, reason="the user name is no address of a mailbox")
        return
    session.answering = True
    try:
        answer = await parts.logins[client.account](mailbox, login, password)
    finally:
        session.answering = False
    if answer.verdict is Verdict.RIGHT:
        accept(session, client.used_by(mailbox), mailbox)
    elif answer.verdict is Verdict.LATER:
        log.listener.login_unchecked(login, session.peer, answer.reason)
        postpone(session)
    else:
        await parts.checker.failed(mailbox, session.peer)
        refuse(session, login, reason=answer.reason, advice=answer.advice)


def _mailbox(login: str) -> str | None:
    """The one form of a login that is an address; None for any other."""
    canonical = mime.canonical(login)
    try:
        return fold(canonical) if canonical is not None and canonical.encode() else None
    except UnicodeEncodeError:
        return None
