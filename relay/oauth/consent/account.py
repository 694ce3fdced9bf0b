"""`relay authorize`: one sign-in from the settings to the store, and a token to show that it works."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay import oauth
from relay.config import Settings
from relay.config.user_grants import USER_GRANTS
from relay.database import StorageError
from relay.http import HttpClient
from relay.log import duration
from relay.model import Clock
from relay.oauth import TokenError, TokenSource
from relay.oauth.consent.errors import ConsentError
from relay.oauth.consent.sign_in import Parts, Person, sign_in
from relay.oauth.opening import opened
from relay.seal import SealError

TryOut = Callable[[TokenSource, Clock], Awaitable[bool]]
"""Finds out whether mail can be sent with these tokens, and tells the person. Raises TokenError."""


@dataclass(frozen=True, slots=True)
class Authorized:
    """A sign-in that is kept: who it was ("" when nobody can say), and whether mail can be sent with it."""

    user: str
    works: bool


async def authorize(settings: Settings, name: str, person: Person, try_out: TryOut | None = None) -> Authorized:
    """Have `person` sign in for account `name`, keep it, and see that it works. Raises ConsentError."""
    account = settings.accounts[name]
    if account.oauth is None or account.oauth.grant not in USER_GRANTS:
        grants = '"authorization_code" or "device_code"'
        raise ConsentError(f"accounts.{name} needs no sign-in of a user: only grant = {grants} begins with one")
    clock = Clock()
    http = HttpClient(settings.http, clock=clock)
    discovery = oauth.discovery(name, account.oauth, http, clock)
    try:
        async with opened(settings) as store:
            parts = Parts(
                account=name,
                mailbox=account.username or account.mailbox or "",
                oauth=account.oauth,
                ask=oauth.asker(name, account.oauth, http, clock, discovery),
                authentication=oauth.authentication(name, account.oauth, clock),
                http=http,
                clock=clock,
                store=store,
                discovery=discovery,
            )
            user = await sign_in(parts, person)
            person.say("the sign-in is kept; trying it")
            tokens = oauth.source(name, account.oauth, http, clock, store)
            try:
                token = await tokens.get()
                person.say(f"it gives a token, good for {duration(token.expires_at - clock.time())}")
                works = try_out is None or await try_out(tokens, clock)
            finally:
                await tokens.close()
            return Authorized(user, works)
    except (TokenError, SealError, StorageError, OSError) as error:
        raise ConsentError(str(error)) from None
    finally:
        await http.close()
