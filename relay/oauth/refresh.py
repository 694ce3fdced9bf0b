"""Tokens for an account on which a user has signed in: each is asked for with the stored refresh token (RFC 6749 6).

The order makes it safe. One process at a time asks (a lease in the database). What comes back in place of the refresh
token is on the disk before the access token is used: a crash in between costs one request and never the sign-in.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from relay import log
from relay.config.secret import Secret, SecretError
from relay.database import StorageError
from relay.model import Clock
from relay.oauth import errors
from relay.oauth.access_token import Granted
from relay.oauth.errors import TokenError
from relay.oauth.request import Address, Grant, TokenRequest, located
from relay.oauth.store import CONSENT_NEEDED, Consent, ConsentStore, LeasedError
from relay.seal import SealError

LEASE = 120.0
"""Seconds that one request may take, with all its time-outs, before another process may ask."""
PATIENCE = 60.0
"""Seconds to wait for another process that is asking."""
TRY_AGAIN = 3600.0
"""Seconds after which a refused sign-in is tried once more: what was refused by mistake mends itself."""

_OFFLINE = "offline_access"
_CONSENT_ENDS_IT = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})

Ask = Callable[[Grant], Awaitable[Granted]]


class RefreshToken:
    """The grant `refresh_token`. The scope may be narrower than what was consented to, never wider."""

    name = "refresh_token"
    pause_after_refusal = 0.0
    """`SignedIn` itself leaves a sign-in that has ended alone."""

    def __init__(self, token: str, scope: str) -> None:
        self._token = token
        self._scope = scope

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        form = {"grant_type": "refresh_token", "refresh_token": self._token}
        return request.adding(form=form | ({"scope": self._scope} if self._scope else {}), secrets=(self._token,))


class SignedIn:
    """Fetches tokens with the sign-in of `account`, or of one `mailbox` in it.

    `ask` makes one request with a grant and raises TokenError.
    """

    def __init__(
        self,
        account: str,
        store: ConsentStore,
        ask: Ask,
        *,
        client_id: Secret,
        token_endpoint: Address,
        scopes: Sequence[str],
        scope_delimiter: str,
        clock: Clock,
        mailbox: str = "",
    ) -> None:
        self._account = account
        self._store = store
        self._ask = ask
        self._client_id = client_id
        self._token_endpoint = token_endpoint
        self._scopes = tuple(scopes)
        self._delimiter = scope_delimiter
        self._clock = clock
        self._mailbox = mailbox
        self._owner = secrets.token_hex(8)
        self._unsaved: tuple[Consent, str] | None = None

    async def fetch(self) -> Granted:
        """A new access token; the sign-in is safe on the disk when this returns. Raises TokenError."""
        try:
            await self._save()
            endpoint = await located(self._token_endpoint)
            self._check(await self._store.find(self._account, self._mailbox), endpoint)
            consent = self._check(await self._leased(), endpoint)
            try:
                granted = await self._refreshed(consent)
            finally:
                if self._unsaved is None:
                    await self._store.release(consent, self._owner)
            await self._save()
        except StorageError as error:
            raise errors.not_stored(self._account, str(error)) from None
        except SealError as error:
            raise errors.sealed(self._account, str(error)) from None
        except SecretError as error:
            raise errors.secret_unreadable(self._account, error) from None
        return granted

    async def _leased(self) -> Consent | None:
        """The sign-in, for this process alone: what another one has just put there is used."""
        until = self._clock.monotonic() + PATIENCE
        while True:
            try:
                return await self._store.lease(self._account, self._mailbox, self._owner, LEASE)
            except LeasedError as held:
                if self._clock.monotonic() >= until:
                    raise errors.leased(self._account, held.seconds) from None
                await self._clock.sleep(min(1.0, max(0.05, held.seconds)))

    def _check(self, consent: Consent | None, endpoint: str) -> Consent:
        """`consent` if there is one that may be shown to the token endpoint now. Raises TokenError."""
        if consent is None:
            raise errors.consent_missing(self._account, self._mailbox)
        if consent.token_endpoint != endpoint or consent.client_id != self._client_id.read():
            raise errors.consent_elsewhere(self._account, consent.token_endpoint, self._mailbox)
        if consent.state == CONSENT_NEEDED and self._clock.time() - consent.used_at < TRY_AGAIN:
            raise errors.consent_needed(self._account, consent.error, self._mailbox)
        return consent

    async def _refreshed(self, consent: Consent) -> Granted:
        token = self._store.token_of(consent)
        scopes = self._scopes
        if _OFFLINE in consent.scope.split() and _OFFLINE not in scopes:
            # Microsoft gives a new refresh token only where this is asked for.
            scopes = (*scopes, _OFFLINE)
        try:
            granted = await self._ask(RefreshToken(token, self._delimiter.join(scopes)))
        except TokenError as error:
            raise await self._refused(consent, error) from None
        self._unsaved = (consent, granted.refresh_token if granted.refresh_token != token else "")
        return replace(granted, user=consent.user)

    async def _refused(self, consent: Consent, error: TokenError) -> TokenError:
        """What to tell of a refusal, once it is noted. The refresh token stays whatever was said."""
        ended = error.error in _CONSENT_ENDS_IT and not error.temporary
        state = CONSENT_NEEDED if ended else consent.state
        noted = await self._store.refused(consent, self._owner, error.text, state=state)
        if not ended:
            return error
        if noted and consent.state != CONSENT_NEEDED:
            log.oauth.consent_needed(self._account, error.text, self._mailbox)
        return errors.consent_ended(self._account, error, self._mailbox)

    async def _save(self) -> None:
        """Put what the last answer brought on the disk. It is kept in memory until that has worked."""
        if self._unsaved is None:
            return
        consent, rotated = self._unsaved
        if not await self._store.used(consent, self._owner, rotated):
            log.oauth.consent_replaced(self._account)
        self._unsaved = None
