"""Whether an account can send, as far as that shows without sending anything."""

import asyncio
from collections.abc import Callable

from relay.config import Account
from relay.log import clean
from relay.model import Clock
from relay.oauth import Token, TokenSource, claims
from relay.upstream.address import is_safe
from relay.upstream.replies import Stage
from relay.upstream.smtp.session import Sessions
from relay.upstream.smtp.wire import BrokenError
from relay.upstream.trouble import AttemptError

Say = Callable[[str], None]

DEADLINE = 120.0
_GRAPH_PERMISSIONS = frozenset({"Mail.Send", "Mail.Send.Shared"})


async def probe(name: str, account: Account, tokens: TokenSource, *, hostname: str, clock: Clock, say: Say) -> bool:
    """Try account `name` up to where a message would begin, and `say` what was tried. Raises TokenError.

    By SMTP that is connection, AUTH and MAIL, taken back with RSET. Of Graph only the token is looked at, and of
    Gmail, whose tokens say nothing, that there is one.
    """
    token = await tokens.get()
    if account.via[0] == "graph":
        return _allows(token, say)
    if account.via[0] != "smtp":
        return True
    sender = account.own_address or token.user
    try:
        async with asyncio.timeout(DEADLINE):
            return await _session(Sessions(name, account, tokens, hostname, clock), account, sender, say)
    except AttemptError as error:
        result = error.result
        say(f"not accepted: {result.code} {result.status} {result.text}")
        if result.hint:
            say(f"what to do: {result.hint}")
    except BrokenError as error:
        say(f"the server broke off: {error}")
    except TimeoutError:
        say(f"the server did not come to an end in {DEADLINE:.0f} seconds")
    return False


async def _session(sessions: Sessions, account: Account, sender: str, say: Say) -> bool:
    connection = await sessions.open(None)
    try:
        say(f"connection and AUTH at {sessions.connector.where}: accepted")
        if not sender or not is_safe(sender):
            say("MAIL was not tried, as the account has no mailbox")
            return True
        reply = await connection.ask(f"MAIL FROM:<{sender}>".encode(), account.timeout)
        if reply.code // 100 != 2:
            raise AttemptError(sessions.connector.judge(Stage.MAIL, reply))
        await connection.reset(account.timeout)
    finally:
        await connection.quit()
    say(f"MAIL FROM:<{sender}>: accepted, and taken back: nothing was sent")
    return True


def _allows(token: Token, say: Say) -> bool:
    """Whether the token says that mail may be sent with it (`scp` for a user, `roles` for an application)."""
    told = claims(token)
    roles = told.get("roles")
    held = [str(role) for role in roles] if isinstance(roles, list) else []
    allowed = {*str(told.get("scp", "")).split(), *held} or set(token.scope.split())
    names = {clean(permission).rpartition("/")[2] for permission in allowed}
    if names & _GRAPH_PERMISSIONS:
        say("the token allows Mail.Send")
        return True
    if not names:
        say("the token does not say what it allows: only a message shows it")
        return True
    say(f"the token does not allow Mail.Send, only {', '.join(sorted(names))}")
    say("what to do: add the delegated permission under App registrations > API permissions, and sign in again")
    return False
