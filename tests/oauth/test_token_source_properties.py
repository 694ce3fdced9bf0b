"""A token source under random lifetimes, failures, clocks and callers.

Whatever happens: never an expired token handed out, never two requests at once, never more requests than allowed,
and nobody turned away while a good token is at hand.
"""

import asyncio
import itertools
import math
from collections.abc import Awaitable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.oauth import Token, TokenError, TokenSource
from relay.oauth.access_token import Granted
from tests.support.clock import FakeClock

PAUSE = 30.0


class TwoClocks(FakeClock):
    """Its time of day can be set, as an administrator or NTP does; what passes for everybody else is `now`."""

    set_by = 0.0

    def time(self) -> float:
        return self.now + self.set_by


@dataclass(frozen=True)
class Plan:
    """What the endpoint does with one request: answer after `delay` with a token, or fail."""

    delay: float
    lifetime: float | None
    refresh_in: float | None
    retry_after: float | None


@dataclass
class World:
    """The endpoint, and what an onlooker knows: when tokens really end, when requests were made."""

    clock: TwoClocks
    plans: list[Plan]
    chance: float
    expires: dict[str, float] = field(default_factory=dict)
    """The true end of each token."""
    ripe: float = -math.inf
    """From when on the last token may be renewed without being rejected."""
    ask_at: float = -math.inf
    rejected: set[str] = field(default_factory=set)
    forced: list[float] = field(default_factory=list)
    running: int = 0
    last: str = ""
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    jumped: bool = False
    complaints: list[str] = field(default_factory=list)
    """Broken promises: collected, for an error raised in here would be taken for one of the endpoint's."""

    def moments(self) -> dict[str, float]:
        """When something will change."""
        end = self.expires.get(self.last, -math.inf)
        return {"to the end": end, "to the renewal": self.ripe, "to the next request": self.ask_at}

    def expect(self, kept: bool, otherwise: str) -> None:
        if not kept:
            self.complaints.append(otherwise)

    async def fetch(self) -> Granted:
        now = self.clock.now
        self.expect(self.running == 0, "two requests at once")
        self.expect(now >= self.ask_at, "a failing endpoint was asked too early")
        if now < self.ripe - 1e-3 and not self.jumped:
            self.expect(self.last in self.rejected, "a fresh token was renewed though nobody rejected it")
            self.forced.append(now)
            self.expect(all(b - a >= PAUSE for a, b in itertools.pairwise(self.forced)), "forced too often")
        self.running += 1
        plan = self.plans.pop(0) if self.plans else Plan(0.0, 3600.0, None, None)
        try:
            if plan.delay:
                await self.clock.sleep(plan.delay)
        finally:
            self.running -= 1
        return self._answer(plan)

    def _answer(self, plan: Plan) -> Granted:
        now = self.clock.now
        if plan.lifetime is None:
            self.ask_at = now + max(PAUSE, plan.retry_after or 0.0)
            raise TokenError("no", error="e", temporary=True, retry_after=plan.retry_after)
        self.last = f"token-{next(self.numbers)}"
        self.expires[self.last] = now + plan.lifetime
        margin = min(600.0, plan.lifetime / 5)
        self.ripe = now + plan.lifetime - margin * (1 + self.chance / 10)
        if plan.refresh_in is not None and plan.refresh_in < plan.lifetime - margin:
            self.ripe = now + min(plan.refresh_in * (1 + self.chance / 10), plan.lifetime - margin)
        return Granted(self.last, plan.lifetime, plan.refresh_in)

    async def watched(self, call: Awaitable[Token], *, replacing: str = "") -> Token | None:
        """One caller, who has rejected the token `replacing`. What it gets is checked at the moment it gets it."""
        renewing = self.running > 0
        good = self.moments()["to the end"] > self.clock.now and not self.jumped
        try:
            token = await call
        except TokenError as error:
            refusal = error
        else:
            self.expect(self.expires[token.value] > self.clock.now, "an expired token was handed out")
            new = not renewing or token.value != replacing
            self.expect(new, "the rejected token was handed out while a new one was on its way")
            return token
        self.expect(bool(replacing) or not good, "turned away though a good token is at hand")
        left = self.ask_at - self.clock.now
        self.expect(
            refusal.retry_after is not None and abs(refusal.retry_after - left) < 1e-3, "told to wait otherwise"
        )
        return None


plans = st.builds(
    Plan,
    delay=st.sampled_from([0.0, 0.0, 0.5, 3.0, 29.0, 700.0]),
    lifetime=st.none() | st.sampled_from([1.0, 2.0, 20.0, 300.0, 3600.0, 86400.0]) | st.floats(1.0, 1e5),
    refresh_in=st.none() | st.floats(0.5, 1e5),
    retry_after=st.none() | st.sampled_from([0.0, 5.0, 31.0, 600.0]),
)
waits = st.sampled_from([0.0, 0.1, 1.0, 1.6, 2.0, 29.0, 30.0, 31.0, 240.0, 3000.0, 3600.0, 90000.0]) | st.floats(
    0, 4000
)
# The moments at which something changes, and those beside them.
beside = st.sampled_from([-1.0, -0.1, 0.0, 0.0, 0.1, 0.5, 1.0])
acts = st.one_of(
    st.tuples(st.just("wait"), waits),
    st.tuples(st.sampled_from(["to the end", "to the renewal", "to the next request"]), beside),
    st.tuples(st.just("get"), st.integers(1, 4)),
    st.tuples(st.just("replace"), st.integers(1, 3)),
    st.tuples(st.just("replace an older one"), st.integers(1, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
)
jumps = st.tuples(st.just("set the clock"), st.sampled_from([-1e8, -7200.0, -5.0, 5.0, 7200.0, 1e8]))


async def play(script: list[tuple[str, float]], scripted: list[Plan], chance: float) -> None:
    clock = TwoClocks()
    world = World(clock, list(scripted), chance)
    source = TokenSource("x", world.fetch, clock, chance=lambda: chance)
    callers: list[asyncio.Task[Token | None]] = []
    seen: Token | None = None
    older: Token | None = None
    for act, number in script:
        if act == "wait":
            await clock.advance(number)
        elif act in world.moments():
            await clock.advance(max(0.0, min(world.moments()[act] + number - clock.now, 1e6)))
        elif act == "set the clock":
            clock.set_by += number
            world.jumped = True
        elif act == "cancel" and int(number) < len(callers):
            callers.pop(int(number)).cancel()
        elif act == "get":
            new = [world.watched(source.get()) for _ in range(int(number))]
            callers += [asyncio.create_task(each) for each in new]
        elif act == "replace" and seen is not None:
            world.rejected.add(seen.value)
            new = [world.watched(source.replace(seen), replacing=seen.value) for _ in range(int(number))]
            callers += [asyncio.create_task(each) for each in new]
        elif act == "replace an older one" and older is not None and world.running == 0:
            # Somebody was slow to be refused: there is another token by now, and none is asked for.
            new = [world.watched(source.replace(older)) for _ in range(int(number))]
            callers += [asyncio.create_task(each) for each in new]
        await clock.settle()
        for caller in callers:
            if caller.done():
                # Who was cancelled by the script is no longer in the list: any other ends with an answer.
                given = caller.result() or seen
                older, seen = (seen, given) if seen and given and seen.value != given.value else (older, given)
        callers = [caller for caller in callers if not caller.done()]
    # Everything that was begun comes to an end, and afterwards there is a token for who asks.
    world.plans.clear()
    for _ in range(5):
        await clock.advance(700)
    assert all(caller.done() for caller in callers), "a caller waits for ever"
    await asyncio.gather(*callers)
    assert await world.watched(source.get()) is not None
    await source.close()
    assert world.complaints == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(acts, min_size=10, max_size=40),
    st.lists(plans, min_size=3, max_size=12),
    st.floats(0, 1, exclude_max=True),
)
def test_any_life(script: list[tuple[str, float]], scripted: list[Plan], chance: float) -> None:
    asyncio.run(play(script, scripted, chance))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(acts | jumps, min_size=10, max_size=40),
    st.lists(plans, min_size=3, max_size=12),
    st.floats(0, 1, exclude_max=True),
)
def test_any_life_with_a_clock_that_is_set(
    script: list[tuple[str, float]], scripted: list[Plan], chance: float
) -> None:
    asyncio.run(play(script, scripted, chance))
