"""A login with an access token of an issuer that a client names (`issuer`): the token says who it is."""

from typing import TYPE_CHECKING

from relay import log
from relay.listener.login_reply import accept, postpone, refuse, turned_away
from relay.listener.mechanisms import Proof
from relay.listener.reception import Parts
from relay.oauth.logins import Answer, Verdict

if TYPE_CHECKING:
    from relay.listener.login_session import LoginSession


async def decide(session: "LoginSession", parts: Parts, proof: Proof) -> None:
    """Answer a shown token: the first client whose token it is, is the session's."""
    if turned_away(session, parts):
        return
    clients = parts.policy.clients_with_tokens(parts.name, session.peer)
    answers: list[Answer] = []
    session.answering = True
    try:
        for client in clients:
            answer = await parts.bearers[client.name].check(proof.login, proof.password)
            if answer.verdict is Verdict.RIGHT:
                accept(session, client, answer.user)
                return
            answers.append(answer)
    finally:
        session.answering = False
    later = next((answer for answer in answers if answer.verdict is Verdict.LATER), None)
    if later is not None:
        log.listener.login_unchecked(proof.login, session.peer, later.reason)
        postpone(session)
        return
    await parts.checker.failed(proof.login, session.peer)
    reasons = dict.fromkeys(answer.reason for answer in answers)
    issuers = {parts.bearers[client.name].issuer for client in clients}
    refuse(
        session,
        proof.login,
        reason="; ".join(reasons) or "tokens are taken by no client that may come from there",
        bearer=proof.bearer,
        issuer=issuers.pop() if len(issuers) == 1 else "",
    )
