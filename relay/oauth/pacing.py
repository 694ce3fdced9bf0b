"""When a token is used, renewed and waited for, and when the token endpoint is left alone. Pure: times are handed in.

A token's age is counted on both of the machine's clocks, and the greater age counts: the one that shows the time of
day can be set back, the other one stands still while the machine sleeps.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum, auto

from relay.oauth.access_token import Granted, Token, refresh_after
from relay.oauth.errors import TokenError

PAUSE = 30.0
"""Seconds for which a token endpoint is left alone after a failure, and between two forced renewals."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: seconds since the epoch, and seconds that never jump."""

    time: float
    monotonic: float


@dataclass(frozen=True, slots=True)
class Held:
    """The token in hand, and when it came."""

    token: Token
    since: Moment

    def age(self, now: Moment) -> float:
        return max(now.time - self.since.time, now.monotonic - self.since.monotonic)

    def left(self, now: Moment) -> float:
        """Seconds for which the token is still good."""
        return self.token.expires_at - self.since.time - self.age(now)

    def is_due(self, now: Moment) -> bool:
        return self.age(now) >= self.token.refresh_at - self.since.time


class Step(Enum):
    """What to do for somebody who wants a token."""

    USE = auto()
    """Hand out the one in hand."""
    RENEW = auto()
    """Hand out the one in hand and have a new one fetched meanwhile."""
    WAIT = auto()
    """Fetch a new one and hand that out."""
    REFUSE = auto()
    """There is none, and it is too early to ask again."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known about one account's token. `ask_at` and `forced_at` are on the clock that never jumps."""

    held: Held | None = None
    failure: TokenError | None = None
    ask_at: float = -math.inf
    forced_at: float = -math.inf

    def step(self, now: Moment) -> Step:
        """For `get`: a token that is good is handed out, whatever else happens."""
        may_ask = now.monotonic >= self.ask_at
        if self.held is None or self.held.left(now) <= 0:
            return Step.WAIT if may_ask else Step.REFUSE
        return Step.RENEW if may_ask and self.held.is_due(now) else Step.USE

    def forced_step(self, now: Moment) -> Step:
        """For `replace`, when nobody has renewed the rejected token yet."""
        if now.monotonic < self.ask_at:
            return Step.REFUSE
        return Step.USE if now.monotonic < self.forced_at + PAUSE else Step.WAIT

    def refusal(self, now: Moment) -> TokenError | None:
        """The last failure, with the seconds that its pause still has."""
        return self.failure.waiting(max(0.0, self.ask_at - now.monotonic)) if self.failure else None

    def forced(self, now: Moment) -> "State":
        return replace(self, forced_at=now.monotonic)

    def granted(self, answer: Granted, now: Moment, margin: float | None, chance: float) -> "State":
        refresh_at = now.time + refresh_after(answer.lifetime, answer.refresh_in, margin, chance)
        token = Token(answer.value, now.time + answer.lifetime, refresh_at, answer.scope, answer.user)
        return State(Held(token, now), forced_at=self.forced_at)

    def failed(self, error: TokenError, now: Moment) -> "State":
        pause = max(PAUSE, error.retry_after or 0.0)
        return replace(self, failure=error.waiting(pause), ask_at=now.monotonic + pause)
