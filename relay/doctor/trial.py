"""What a sign-in ends with: whether mail can be sent with it, as far as that shows without sending anything."""

from collections.abc import Awaitable, Callable

from relay import upstream
from relay.config import Settings
from relay.doctor import gmail, graph
from relay.doctor.report import State
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import TokenSource

Trial = Callable[[TokenSource, Clock], Awaitable[bool]]
_API = {"graph": graph.examine, "gmail-api": gmail.examine}


def trial_of(settings: Settings, name: str, say: Callable[[str], None]) -> Trial:
    """The trial of account `name` with a source of its tokens: it says each step, and raises TokenError.

    By SMTP it goes up to MAIL, which is taken back. An API is asked about the mailbox: it says whether it takes the
    token, and the token says what it allows.
    """
    account = settings.accounts[name]

    async def trial(tokens: TokenSource, clock: Clock) -> bool:
        if not await upstream.probe(name, account, tokens, hostname=settings.hostname, clock=clock, say=say):
            return False
        if account.via[0] not in _API:
            return True
        http = HttpClient(settings.http, clock=clock)
        try:
            found = await _API[account.via[0]](name, account, await tokens.get(), http)
        finally:
            await http.close()
        if found.state is State.OK:
            say(f"{found.name} takes the token; more does not show without sending")
            return True
        say(f"not accepted: {found.text}")
        if found.advice:
            say(f"what to do: {found.advice}")
        return False

    return trial
