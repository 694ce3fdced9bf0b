"""One token endpoint for many mailboxes: when it is in trouble, it is left alone for all of them together."""

import asyncio
from collections.abc import Awaitable, Callable

from relay.model import Clock
from relay.oauth.access_token import Granted
from relay.oauth.errors import TokenError
from relay.oauth.pacing import PAUSE
from relay.oauth.request import Grant


class Gate:
    """Passes requests on to `ask`, except for a while after a failure that was no user's own.

    When that while is over, one request at a time finds out whether the trouble is: mailboxes by the hundred may wait.
    """

    def __init__(self, ask: Callable[[Grant], Awaitable[Granted]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._failure: TokenError | None = None
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def ask(self, grant: Grant) -> Granted:
        """One request, or the failure of the last one while its pause lasts. Raises TokenError."""
        while self._failure is not None:
            async with self._turn:
                if self._failure is None:
                    break
                left = self._until - self._clock.monotonic()
                if left > 0:
                    raise self._failure.waiting(left)
                return await self._once(grant)
        return await self._once(grant)

    async def _once(self, grant: Grant) -> Granted:
        try:
            granted = await self._ask(grant)
        except TokenError as error:
            if error.is_of_user:
                self._failure = None  # the endpoint works, and so does the application
                raise
            pause = max(PAUSE, error.retry_after or 0.0)
            self._failure, self._until = error.waiting(pause), self._clock.monotonic() + pause
            raise
        self._failure = None
        return granted
