"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

from collections.abc import Awaitable, Callable

from relay.config.secret import Secret
from relay.config.user_grants import USER_GRANTS
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth.access_token import Granted, Token
from relay.oauth.client_credentials import ClientCredentials
from relay.oauth.client_secret import ClientSecretBasic, ClientSecretPost, PublicClient
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

_GRANTS: dict[str, Callable[[OAuthSettings], Grant]] = {
    "client_credentials": lambda oauth: ClientCredentials(oauth.scopes, oauth.scope_delimiter),
}
_AUTHENTICATIONS: dict[str, Callable[[OAuthSettings], ClientAuthentication]] = {
    "client_secret_post": lambda oauth: ClientSecretPost(oauth.client_id, _secret(oauth)),
    "client_secret_basic": lambda oauth: ClientSecretBasic(oauth.client_id, _secret(oauth)),
    "none": lambda oauth: PublicClient(oauth.client_id),
}


def source(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, store: ConsentStore | None = None
) -> TokenSource:
    """The tokens of account `name`; `store` has the sign-ins of users, for the grants that begin with one.

    Raises ValueError for settings that a checked configuration cannot have.
    """
    ask = asker(name, oauth, http, clock)
    if oauth.grant not in USER_GRANTS:
        if oauth.grant not in _GRANTS:
            raise ValueError(f"accounts.{name}.oauth.grant: no such grant: {oauth.grant}")
        grant = _GRANTS[oauth.grant](oauth)
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
    proof = authentication(name, oauth)

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


def authentication(name: str, oauth: OAuthSettings) -> ClientAuthentication:
    """How the client of account `name` proves who it is. Raises ValueError as `source` does."""
    if oauth.token_endpoint_auth_method not in _AUTHENTICATIONS:
        raise ValueError(f"accounts.{name}.oauth.token_endpoint_auth_method: not one that exists")
    return _AUTHENTICATIONS[oauth.token_endpoint_auth_method](oauth)


def _secret(oauth: OAuthSettings) -> Secret:
    if oauth.client_secret is None:
        raise ValueError("client_secret is missing")
    return oauth.client_secret
