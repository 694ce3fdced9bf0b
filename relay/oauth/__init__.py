"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

from collections.abc import Awaitable, Callable

from relay.config.user_grants import USER_GRANTS
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import choices
from relay.oauth.access_token import Granted, Token
from relay.oauth.errors import TokenError
from relay.oauth.jwt import claims
from relay.oauth.refresh import SignedIn
from relay.oauth.request import ClientAuthentication, Grant, TokenEndpoint
from relay.oauth.settings import OAuthSettings
from relay.oauth.store import ConsentStore
from relay.oauth.token_source import TokenSource

__all__ = [
    "ConsentStore",
    "OAuthSettings",
    "Token",
    "TokenError",
    "TokenSource",
    "asker",
    "authentication",
    "claims",
    "source",
]


def source(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, store: ConsentStore | None = None
) -> TokenSource:
    """The tokens of account `name`; `store` has the sign-ins of users, for the grants that begin with one.

    Raises ValueError for settings that a checked configuration cannot have.
    """
    ask = asker(name, oauth, http, clock)
    if oauth.grant not in USER_GRANTS:
        grant = _grant(name, oauth)
        return TokenSource(name, lambda: ask(grant), clock, refresh_margin=oauth.refresh_margin)
    if store is None:
        raise ValueError(f"accounts.{name}.oauth.grant: {oauth.grant} needs the store of sign-ins")
    signed_in = SignedIn(
        name,
        store,
        ask,
        client_id=oauth.client_id,
        token_endpoint=oauth.token_endpoint,
        scopes=oauth.scopes,
        scope_delimiter=oauth.scope_delimiter,
        clock=clock,
    )
    return TokenSource(name, signed_in.fetch, clock, refresh_margin=oauth.refresh_margin)


def asker(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock) -> Callable[[Grant], Awaitable[Granted]]:
    """Makes one request to the token endpoint of account `name`, with any grant. Raises ValueError as `source` does."""
    proof = authentication(name, oauth, clock)

    async def ask(grant: Grant) -> Granted:
        endpoint = TokenEndpoint(
            name,
            oauth.token_endpoint,
            grant=grant,
            authentication=proof,
            extra_parameters=oauth.extra_parameters,
            http=http,
            clock=clock,
        )
        return await endpoint.fetch()

    return ask


def authentication(name: str, oauth: OAuthSettings, clock: Clock | None = None) -> ClientAuthentication:
    """How the client of account `name` proves who it is. Raises ValueError as `source` does."""
    try:
        return choices.authentication(oauth, clock or Clock())
    except ValueError as error:
        raise ValueError(f"accounts.{name}.oauth.{error}") from None


def _grant(name: str, oauth: OAuthSettings) -> Grant:
    try:
        return choices.grant(oauth)
    except ValueError as error:
        raise ValueError(f"accounts.{name}.oauth.{error}") from None
