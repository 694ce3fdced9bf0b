"""One account's token, for everybody who sends with it: kept, renewed in time, and asked for by one request at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from relay import log
from relay.model import Clock
from relay.oauth import errors
from relay.oauth.access_token import Granted, Token
from relay.oauth.errors import TokenError
from relay.oauth.pacing import Moment, State, Step


class TokenSource:
    """Hands out tokens that are good, and never makes two requests at a time.

    `fetch` asks for a new token and raises TokenError. `refresh_margin` is in seconds, None for the default;
    `chance` gives numbers from 0 to 1. What happens when is decided in `pacing`.
    """

    def __init__(
        self,
        account: str,
        fetch: Callable[[], Awaitable[Granted]],
        clock: Clock,
        *,
        refresh_margin: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._account = account
        self._fetch = fetch
        self._clock = clock
        self._margin = refresh_margin
        self._chance = chance
        self._state = State()
        self._renewal: asyncio.Task[TokenError | None] | None = None

    @property
    def failure(self) -> TokenError | None:
        """Why the last request gave no token; None after one that did, and before the first."""
        return self._state.failure

    @property
    def works(self) -> bool:
        """Whether the last request gave a token."""
        return self._state.held is not None and self._state.failure is None

    @property
    def is_asking(self) -> bool:
        """Whether a request for a token is under way."""
        return self._renewal is not None and not self._renewal.done()

    @property
    def expires_at(self) -> float | None:
        """When the token in use ends, in seconds since the epoch; None while there is none."""
        return self._state.held.token.expires_at if self._state.held is not None else None

    async def get(self) -> Token:
        """A token that is good now. Raises TokenError.

        Once it is due for renewal the old one is still returned while a new one is fetched. After a failure the
        endpoint is left alone for a while, and everybody in between is told of that failure.
        """
        while True:
            now = self._now()
            step = self._state.step(now)
            if self._state.held is not None and step in (Step.USE, Step.RENEW):
                if step is Step.RENEW:
                    self._renew()
                return self._state.held.token
            if step is Step.REFUSE:
                raise self._refusal(now)
            # A token that ends while this caller waits for its turn to run is not handed out: look again.
            await self._renewed()

    async def replace(self, rejected: Token) -> Token:
        """Another token than `rejected`, which a mail server did not take. Raises TokenError.

        Makes one request, which everybody who rejects the same token shares; none if there is another token already.
        A source is forced at most once in 30 seconds: within that time the current token is returned, which can be
        the rejected one - a refusal by the server alone is no proof against a token.
        """
        held = self._state.held
        if held is None or held.token.value != rejected.value:
            return await self.get()
        if not self.is_asking:
            now = self._now()
            step = self._state.forced_step(now)
            if step is Step.REFUSE:
                raise self._refusal(now)
            if step is Step.USE:
                return await self.get()
            self._state = self._state.forced(now)
        await self._renewed()
        return await self.get()

    def accept(self, granted: Granted) -> None:
        """Use a token that came on another way, with a new sign-in; what failed before is forgotten."""
        self._state = self._state.granted(granted, self._now(), self._margin, self._chance())

    def begin_anew(self) -> None:
        """Ask again at the next need: somebody has signed in anew, whatever was said about the sign-in before."""
        self._state = State()

    async def close(self) -> None:
        """Give up a renewal that is under way; who waits for it gets a TokenError."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})

    def _now(self) -> Moment:
        return Moment(self._clock.time(), self._clock.monotonic())

    def _refusal(self, now: Moment) -> TokenError:
        return self._state.refusal(now) or errors.stopping(self._account)

    def _renew(self) -> "asyncio.Task[TokenError | None]":
        """The renewal that everybody shares: the one under way, or a new one."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._ask(), name=f"token {self._account}")
        return self._renewal

    async def _renewed(self) -> None:
        """Wait for the shared renewal. A caller who is cancelled does not take it along. Raises TokenError."""
        renewal = self._renew()
        await asyncio.wait({renewal})
        if renewal.cancelled():
            raise errors.stopping(self._account)
        if renewal.result() is not None:
            # Each caller gets an exception of its own: a shared one would collect everybody's traceback.
            raise self._refusal(self._now())

    async def _ask(self) -> TokenError | None:
        try:
            answer = await self._fetch()
        except TokenError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 (a mistake of ours must not become a request for each message)
            log.internal_error(f"{self._account}: asking for a token", error)
            return self._failed(errors.internal(self._account))
        self._state = self._state.granted(answer, self._now(), self._margin, self._chance())
        log.oauth.token_obtained(self._account, answer.lifetime)
        return None

    def _failed(self, error: TokenError) -> TokenError:
        now = self._now()
        self._state = self._state.failed(error, now)
        left = self._state.held.left(now) if self._state.held else 0.0
        if left > 0:
            log.oauth.token_kept(self._account, left, str(error), error.trace)
        else:
            log.oauth.token_refused(self._account, str(error), error.trace, temporary=error.temporary)
        return error
