"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

import os
from collections.abc import Awaitable, Callable, Mapping

from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import choices
from relay.oauth.access_token import Granted, Token
from relay.oauth.discovery import Discovery
from relay.oauth.errors import TokenError
from relay.oauth.jwt import claims
from relay.oauth.managed_identity import ManagedIdentity
from relay.oauth.request import TokenEndpoint
from relay.oauth.settings import OAuthSettings
from relay.oauth.token_source import TokenSource

__all__ = ["OAuthSettings", "Token", "TokenError", "TokenSource", "claims", "source"]


def source(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, *, environ: Mapping[str, str] | None = None
) -> TokenSource:
    """The tokens of account `name`. Raises ValueError for settings that a checked configuration cannot have.

    `environ`, the process's own when nothing is given, tells where a managed identity is found.
    """
    fetch = _fetch(name, oauth, http, clock, os.environ if environ is None else environ)
    return TokenSource(name, fetch, clock, refresh_margin=oauth.refresh_margin)


def _fetch(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, environ: Mapping[str, str]
) -> Callable[[], Awaitable[Granted]]:
    if oauth.grant == "managed_identity":
        chosen = oauth.managed_identity_client_id
        scope = choices.only_scope(oauth)
        return ManagedIdentity(name, scope, chosen, http=http, clock=clock, environ=environ).fetch
    address: str | Callable[[], Awaitable[str]]
    if oauth.token_endpoint is not None:
        address = oauth.token_endpoint
    elif oauth.issuer is not None:
        address = Discovery(name, oauth.issuer, http, clock, entra=oauth.entra).token_endpoint
    else:
        raise ValueError("token_endpoint is missing, and so is issuer")
    endpoint = TokenEndpoint(
        name,
        address,
        grant=choices.grant(oauth, clock),
        authentication=choices.authentication(oauth, clock),
        extra_parameters=oauth.extra_parameters,
        http=http,
        clock=clock,
        method=oauth.token_request_method,
    )
    return endpoint.fetch
