"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

import functools
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from relay.config.settings import OAuth
from relay.config.user_grants import USER_GRANTS
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import choices
from relay.oauth.access_token import Granted, Token
from relay.oauth.bearer import Bearer
from relay.oauth.discovery import Discovery
from relay.oauth.errors import TokenError
from relay.oauth.fingerprint import fingerprint
from relay.oauth.gate import Gate
from relay.oauth.jwt import claims
from relay.oauth.key_set import KeySet
from relay.oauth.logins import MailboxLogins
from relay.oauth.mailboxes import MailboxTokens
from relay.oauth.managed_identity import ManagedIdentity
from relay.oauth.proofs import Proofs
from relay.oauth.refresh import SignedIn
from relay.oauth.request import Address, ClientAuthentication, Grant, TokenEndpoint
from relay.oauth.settings import OAuthSettings, WayOAuthSettings
from relay.oauth.shared import Shared
from relay.oauth.store import ConsentStore
from relay.oauth.token_source import TokenSource

__all__ = [
    "Bearer",
    "ConsentStore",
    "KeySet",
    "MailboxLogins",
    "MailboxTokens",
    "Mailboxes",
    "OAuthSettings",
    "Token",
    "TokenError",
    "TokenSource",
    "asker",
    "authentication",
    "claims",
    "discovery",
    "mailboxes",
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
    share: bool = True,
    way: str = "",
) -> TokenSource:
    """The tokens of account `name`; `store` has the sign-ins of users, for the grants that begin with one.

    `way` is the one that they are for, where another way of the account has tokens of its own. Without `share` nothing
    is used that another process has fetched: a diagnosis asks for itself. `environ`, the process's own when nothing is
    given, tells where a managed identity is found. Raises ValueError for settings that a checked configuration
    cannot have.
    """
    if oauth.grant == "managed_identity":
        fetch = _managed_identity(name, oauth, http, clock, os.environ if environ is None else environ)
    elif oauth.grant in USER_GRANTS:
        fetch = _signed_in(name, oauth, http, clock, store)
    else:
        ask, grant = asker(name, oauth, http, clock), _grant(name, oauth, clock)

        async def fetch() -> Granted:
            return await ask(grant)

    # A managed identity is the machine's: another one that shares the database may have another.
    if share and store is not None and oauth.grant != "managed_identity":
        fetch = _shared(name, oauth, fetch, clock, store, way=way)
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
            # Each in a place of its own among the tokens that processes share, or one would push the other out.
            by_scopes[scopes] = source(name, settings, http, clock, store, way=way if by_scopes else "")
        found[way] = by_scopes[scopes]
    return found


def _shared(
    name: str, oauth: OAuthSettings, fetch: Fetch, clock: Clock, store: ConsentStore, mailbox: str = "", way: str = ""
) -> Fetch:
    """`fetch` for all processes that share the database of `store`."""

    async def asked_with() -> str:
        signed_in = await store.find(name, mailbox)
        return fingerprint(oauth, str(signed_in.obtained_at) if signed_in is not None else "")

    return Shared(
        name, store.tokens, fetch, asked_with, clock, mailbox=mailbox or way, refresh_margin=oauth.refresh_margin
    ).fetch


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """What an account that acts as whoever sends works with; `logins` where its users show their own passwords."""

    tokens: MailboxTokens
    logins: MailboxLogins | None = None


def mailboxes(name: str, oauth: OAuth, http: HttpClient, clock: Clock, store: ConsentStore | None) -> Mailboxes:
    """The tokens of account `name`, whose mailbox is that of whoever sends. Raises ValueError as `source` does."""
    if oauth.grant == "password":
        if store is None:
            raise ValueError(f"accounts.{name}.oauth.grant: password needs the store of sign-ins")
        return _with_logins(name, oauth, http, clock, store)
    if oauth.grant == "jwt_bearer":
        gate = Gate(asker(name, oauth, http, clock), clock)

        def of_user(mailbox: str) -> TokenSource:
            own = oauth.model_copy(update={"subject": mailbox})
            fetch: Fetch = functools.partial(gate.ask, _grant(name, own, clock))
            if store is not None:
                fetch = _shared(name, own, fetch, clock, store, mailbox)
            return TokenSource(f"{name} ({mailbox})", fetch, clock, refresh_margin=oauth.refresh_margin)

        return Mailboxes(MailboxTokens(of_user))
    shared = source(name, oauth, http, clock, store)
    return Mailboxes(MailboxTokens(lambda _: shared))


def _with_logins(name: str, oauth: OAuth, http: HttpClient, clock: Clock, store: ConsentStore) -> Mailboxes:
    address = _address(name, oauth, http, clock)
    gate = Gate(_asker(name, oauth, address, http, clock), clock)

    def of_user(mailbox: str) -> TokenSource:
        signed_in = SignedIn(
            name,
            store,
            gate.ask,
            client_id=choices.client_id(oauth),
            token_endpoint=address,
            scopes=oauth.scopes,
            scope_delimiter=oauth.scope_delimiter,
            clock=clock,
            mailbox=mailbox,
        )
        fetch = _shared(name, oauth, signed_in.fetch, clock, store, mailbox)
        return TokenSource(f"{name} ({mailbox})", fetch, clock, refresh_margin=oauth.refresh_margin)

    tokens = MailboxTokens(of_user)
    logins = MailboxLogins(
        name,
        store,
        gate.ask,
        client_id=choices.client_id(oauth),
        token_endpoint=address,
        scopes=choices.renewable(oauth),
        scope_delimiter=oauth.scope_delimiter,
        clock=clock,
        redeemed=tokens.redeemed,
    )
    return Mailboxes(tokens, logins)


def discovery(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock) -> Discovery | None:
    """What finds the provider's addresses by its issuer; None for an account that names none."""
    return None if oauth.issuer is None else Discovery(name, oauth.issuer, http, clock, entra=oauth.entra)


def asker(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, found: Discovery | None = None
) -> Callable[[Grant], Awaitable[Granted]]:
    """Makes one request to the token endpoint of account `name`, with any grant. Raises ValueError as `source` does.

    `found` is the account's discovery, where somebody else needs it as well.
    """
    return _asker(name, oauth, _address(name, oauth, http, clock, found), http, clock)


def _asker(
    name: str, oauth: OAuthSettings, address: Address, http: HttpClient, clock: Clock
) -> Callable[[Grant], Awaitable[Granted]]:
    proofs = authentication(name, oauth, clock)

    async def ask(grant: Grant) -> Granted:
        async def once(proof: ClientAuthentication) -> Granted:
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

        return await proofs.tried(once)

    return ask


def authentication(name: str, oauth: OAuthSettings, clock: Clock | None = None) -> Proofs:
    """How the client of account `name` proves who it is. Raises ValueError as `source` does."""
    try:
        return choices.proofs(name, oauth, clock or Clock())
    except ValueError as error:
        raise _of_account(name, error) from None


def _grant(name: str, oauth: OAuthSettings, clock: Clock) -> Grant:
    try:
        return choices.grant(oauth, clock)
    except ValueError as error:
        raise _of_account(name, error) from None


def _of_account(name: str, error: ValueError) -> ValueError:
    return ValueError(f"accounts.{name}.oauth.{error}")


def _address(
    name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock, found: Discovery | None = None
) -> Address:
    """Where the token endpoint is, or how it is found."""
    found = found or discovery(name, oauth, http, clock)
    if oauth.token_endpoint is None and found is not None:
        return found.token_endpoint
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
    address = _address(name, oauth, http, clock)
    return SignedIn(
        name,
        store,
        _asker(name, oauth, address, http, clock),
        client_id=choices.client_id(oauth),
        token_endpoint=address,
        scopes=oauth.scopes,
        scope_delimiter=oauth.scope_delimiter,
        clock=clock,
    ).fetch
