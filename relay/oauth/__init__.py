"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

from collections.abc import Callable

from relay.config.secret import Secret
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth.access_token import Token
from relay.oauth.client_credentials import ClientCredentials
from relay.oauth.client_secret import ClientSecretBasic, ClientSecretPost
from relay.oauth.errors import TokenError
from relay.oauth.jwt import claims
from relay.oauth.request import ClientAuthentication, Grant, TokenEndpoint
from relay.oauth.settings import OAuthSettings
from relay.oauth.token_source import TokenSource

__all__ = ["OAuthSettings", "Token", "TokenError", "TokenSource", "claims", "source"]

_GRANTS: dict[str, Callable[[OAuthSettings], Grant]] = {
    "client_credentials": lambda oauth: ClientCredentials(oauth.scopes, oauth.scope_delimiter),
}
_AUTHENTICATIONS: dict[str, Callable[[OAuthSettings], ClientAuthentication]] = {
    "client_secret_post": lambda oauth: ClientSecretPost(oauth.client_id, _secret(oauth)),
    "client_secret_basic": lambda oauth: ClientSecretBasic(oauth.client_id, _secret(oauth)),
}


def source(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock) -> TokenSource:
    """The tokens of account `name`. Raises ValueError for settings that a checked configuration cannot have."""
    if oauth.grant not in _GRANTS:
        raise ValueError(f"accounts.{name}.oauth.grant: no such grant: {oauth.grant}")
    if oauth.token_endpoint_auth_method not in _AUTHENTICATIONS:
        raise ValueError(f"accounts.{name}.oauth.token_endpoint_auth_method: not one that exists")
    endpoint = TokenEndpoint(
        name,
        oauth.token_endpoint,
        grant=_GRANTS[oauth.grant](oauth),
        authentication=_AUTHENTICATIONS[oauth.token_endpoint_auth_method](oauth),
        extra_parameters=oauth.extra_parameters,
        http=http,
        clock=clock,
    )
    return TokenSource(name, endpoint.fetch, clock, refresh_margin=oauth.refresh_margin)


def _secret(oauth: OAuthSettings) -> Secret:
    if oauth.client_secret is None:
        raise ValueError("client_secret is missing")
    return oauth.client_secret
