"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence

from relay.config.user_grants import USER_GRANTS
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import choices
from relay.oauth.access_token import Granted, Token
from relay.oauth.discovery import Discovery
from relay.oauth.errors import TokenError
from relay.oauth.jwt import claims
from relay.oauth.managed_identity import ManagedIdentity
from relay.oauth.refresh import SignedIn
from relay.oauth.request import ClientAuthentication, Grant, TokenEndpoint
from relay.oauth.settings import OAuthSettings, WayOAuthSettings
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
    "sources",
]

Fetch = Callable[[], Awaitable[Granted]]


def source(
    name: str,
    oauth: OAuthSettings,
    http: HttpClient,
    clock: Clock,
    store: ConsentStore | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> TokenSource:
    """The tokens of account `name`; `store` has the sign-ins of users, for the grants that begin with one.

    `environ`, the process's own when nothing is given, tells where a managed identity is found. Raises ValueError for
    settings that a checked configuration cannot have.
    """
    if oauth.grant == "managed_identity":
        fetch = _managed_identity(name, oauth, http, clock, os.environ if environ is None else environ)
    elif oauth.grant in USER_GRANTS:
        fetch = _signed_in(name, oauth, http, clock, store)
    else:
        ask, grant = asker(name, oauth, http, clock), _grant(name, oauth, clock)

        async def fetch() -> Granted:
            return await ask(grant)

    return TokenSource(name, fetch, clock, refresh_margin=oauth.refresh_margin)


def sources(
    name: str,
    oauth: WayOAuthSettings,
    ways: Sequence[str],
    http: HttpClient,
    clock: Clock,
    store: ConsentStore | None = None,
) -> dict[str, TokenSource]:
    """The tokens of account `name` for each of its ways: one source where they ask for the same. Raises ValueError."""
    by_scopes: dict[tuple[str, ...], TokenSource] = {}
    found = {}
    for way in ways:
        settings = oauth.for_way(way)
        scopes = tuple(settings.scopes)
        if scopes not in by_scopes:
            by_scopes[scopes] = source(name, settings, http, clock, store)
        found[way] = by_scopes[scopes]
    return found


def asker(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock) -> Callable[[Grant], Awaitable[Granted]]:
    """Makes one request to the token endpoint of account `name`, with any grant. Raises ValueError as `source` does."""
    proof = authentication(name, oauth, clock)
    address = _address(name, oauth, http, clock)

    async def ask(grant: Grant) -> Granted:
        endpoint = TokenEndpoint(
            name,
            address,
            grant=grant,
            authentication=proof,
            extra_parameters=oauth.extra_parameters,
            http=http,
            clock=clock,
            method=oauth.token_request_method,
        )
        return await endpoint.fetch()

    return ask


def authentication(name: str, oauth: OAuthSettings, clock: Clock | None = None) -> ClientAuthentication:
    """How the client of account `name` proves who it is. Raises ValueError as `source` does."""
    try:
        return choices.authentication(oauth, clock or Clock())
    except ValueError as error:
        raise _of_account(name, error) from None


def _grant(name: str, oauth: OAuthSettings, clock: Clock) -> Grant:
    try:
        return choices.grant(oauth, clock)
    except ValueError as error:
        raise _of_account(name, error) from None


def _of_account(name: str, error: ValueError) -> ValueError:
    return ValueError(f"accounts.{name}.oauth.{error}")


def _address(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock) -> str | Callable[[], Awaitable[str]]:
    """Where the token endpoint is, or how it is found."""
    if oauth.token_endpoint is None and oauth.issuer is not None:
        return Discovery(name, oauth.issuer, http, clock, entra=oauth.entra).token_endpoint
    try:
        return choices.token_endpoint(oauth)
    except ValueError as error:
        raise _of_account(name, error) from None


def _managed_identity(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, environ: Mapping[str, str]
) -> Fetch:
    try:
        scope = choices.only_scope(oauth)
    except ValueError as error:
        raise _of_account(name, error) from None
    chosen = oauth.managed_identity_client_id
    return ManagedIdentity(name, scope, chosen, http=http, clock=clock, environ=environ).fetch


def _signed_in(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, store: ConsentStore | None) -> Fetch:
    if store is None:
        raise ValueError(f"accounts.{name}.oauth.grant: {oauth.grant} needs the store of sign-ins")
    return SignedIn(
        name,
        store,
        asker(name, oauth, http, clock),
        client_id=choices.client_id(oauth),
        token_endpoint=choices.token_endpoint(oauth),
        scopes=oauth.scopes,
        scope_delimiter=oauth.scope_delimiter,
        clock=clock,
    ).fetch
