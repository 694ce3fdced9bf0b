"""One request for a token among all processes that share a database: the others use what it brought.

What was refused is shared too: an endpoint in trouble is left alone by everybody. Where the database itself is in
trouble, each process asks for itself: mail matters more than a request too many.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from relay import log
from relay.config.secret import SecretError
from relay.database import StorageError
from relay.model import Clock
from relay.oauth.access_token import Granted, refresh_after
from relay.oauth.errors import TokenError
from relay.oauth.pacing import PAUSE
from relay.oauth.token_store import Stored, TokenStore
from relay.seal import SealError

LEASE = 6.0
"""Seconds after which a process that asks and says nothing is taken for gone."""
_SIGN_OF_LIFE = 2.0
_LOOK = 0.5
"""Seconds between two looks at what another process brings."""
_UNSHARED = frozenset({"stopping", "internal", "storage", "sealed", "busy"})
"""Failures of this process's own: the others may fare better."""

AskedWith = Callable[[], Awaitable[str]]


class Shared:
    """Fetches tokens for `account`, or one `mailbox` in it, through the store.

    `fetch` asks the endpoint and raises TokenError; `asked_with` is a fingerprint of what it asks with, so that
    nothing is used that was asked for with other settings, secrets or sign-ins.
    """

    def __init__(
        self,
        account: str,
        store: TokenStore,
        fetch: Callable[[], Awaitable[Granted]],
        asked_with: AskedWith,
        clock: Clock,
        *,
        mailbox: str = "",
        refresh_margin: float | None = None,
    ) -> None:
        self._place = (account, mailbox)
        self._store = store
        self._fetch = fetch
        self._asked_with = asked_with
        self._clock = clock
        self._margin = refresh_margin
        self._owner = secrets.token_hex(8)
        self._last = ""

    async def fetch(self) -> Granted:
        """A token that this source has not handed out before: another process's, or a new one. Raises TokenError."""
        try:
            came = await self._turn(await self._asked_with())
        except (StorageError, SealError) as error:
            log.oauth.not_shared(self._place[0], str(error))
            came = None
        except SecretError:
            came = None  # whoever asks says so
        granted = came.until(self._clock.monotonic()) if came is not None else await self._fetch()
        self._last = granted.value
        return granted

    async def _turn(self, asked_with: str) -> "_Came":
        """What another process has brought, or what is asked for now, in this process's turn."""
        while True:
            found = await self._found(asked_with)
            if isinstance(found, _Came):
                return found
            turn = await self._store.lease(*self._place, self._owner, LEASE)
            if not turn.wait:
                break
            await self._clock.sleep(min(_LOOK, turn.wait))
        ahead = turn.at - self._clock.monotonic()
        try:
            # Between the look and the lease somebody else may have been quicker.
            found = await self._found(asked_with)
            return found if isinstance(found, _Came) else await self._ask(found, asked_with, ahead)
        finally:
            with contextlib.suppress(StorageError):  # it ends by itself
                await self._store.release(*self._place, self._owner)

    async def _found(self, asked_with: str) -> "_Came | Stored":
        """The stored token if it is another than the last and good, else what is kept beside it.

        Raises the failure whose pause lasts.
        """
        at = self._clock.monotonic()
        stored = await self._store.find(*self._place)
        if stored is None or stored.asked_with != asked_with:
            return Stored(asked_with, {}, {})
        # While the endpoint is left alone, an old token is used to its end.
        until = max(stored.refresh_in, min(stored.ask_in, stored.expires_in))
        if stored.token and until > 0 and stored.token["value"] != self._last:
            return _Came(Granted(lifetime=stored.expires_in, refresh_in=until, **stored.token), at)
        if stored.failure and stored.ask_in > 0:
            raise _failure(stored.failure, stored.ask_in)
        return stored

    async def _ask(self, stored: Stored, asked_with: str, ahead: float) -> "_Came":
        """Ask the endpoint, and keep what came; the database's clock is `ahead` of the monotonic one."""
        began = self._clock.monotonic()
        try:
            granted = await self._fetch_leased()
        except TokenError as error:
            waited = self._clock.monotonic() - began
            if error.error not in _UNSHARED:
                pause = max(PAUSE, error.retry_after or 0.0)
                # Its times were read a moment ago: counted from then, the old token lives no longer than it does.
                await self._keep(replace(stored, failure=_told(error), ask_in=pause + waited), ahead + began)
            raise
        came = _Came(granted, self._clock.monotonic())
        token = {"value": granted.value, "scope": granted.scope, "user": granted.user}
        due = refresh_after(granted.lifetime, granted.refresh_in, self._margin, 0.0)
        await self._keep(Stored(asked_with, token, {}, granted.lifetime, due), ahead + came.at)
        return came

    async def _fetch_leased(self) -> Granted:
        """Ask, however long that takes, and let the others know meanwhile that this process has not gone."""
        alive = asyncio.create_task(self._stay(), name=f"lease of {self._place[0]}")
        try:
            return await self._fetch()
        finally:
            alive.cancel()
            await asyncio.wait({alive})

    async def _stay(self) -> None:
        while True:
            await self._clock.sleep(_SIGN_OF_LIFE)
            with contextlib.suppress(StorageError):  # then others may ask as well
                await self._store.lease(*self._place, self._owner, LEASE)

    async def _keep(self, what: Stored, now: float) -> None:
        """A token that cannot be shared is good all the same."""
        try:
            await self._store.keep(*self._place, self._owner, what, now)
        except (StorageError, SealError) as error:
            log.oauth.not_shared(self._place[0], str(error))


@dataclass(frozen=True, slots=True)
class _Came:
    """A token, and the moment from which its times count: saving and looking take a while, and it does not live longer
    for that.
    """

    granted: Granted
    at: float

    def until(self, now: float) -> Granted:
        """The token with the times that it has left at `now`."""
        gone, due = now - self.at, self.granted.refresh_in
        return replace(
            self.granted,
            lifetime=max(0.0, self.granted.lifetime - gone),
            refresh_in=None if due is None else max(0.001, due - gone),
        )


def _told(error: TokenError) -> dict[str, Any]:
    return {
        "text": error.text,
        "error": error.error,
        "temporary": error.temporary,
        "description": error.description,
        "codes": list(error.codes),
        "hint": error.hint,
        "trace": error.trace,
    }


def _failure(told: dict[str, Any], left: float) -> TokenError:
    rest = {**told, "codes": tuple(told["codes"]), "retry_after": left}
    return TokenError(rest.pop("text"), **rest)
