"""How callers share one token: a scripted endpoint and a clock that is turned by hand."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Coroutine

import pytest

from relay.oauth import Token, TokenError, TokenSource
from relay.oauth.access_token import Granted
from tests.support.clock import FakeClock

Answer = Granted | Exception


class Endpoint:
    """Gives the next of `answers` after `delay` seconds; after the last one, tokens of an hour without end."""

    def __init__(self, clock: FakeClock, *answers: Answer) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.delay = 0.0
        self.asked: list[float] = []
        self.running = 0
        self.most_running = 0

    async def fetch(self) -> Granted:
        self.asked.append(self.clock.now)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.delay:
                await self.clock.sleep(self.delay)
        finally:
            self.running -= 1
        answer = self.answers.pop(0) if self.answers else Granted(f"token-{len(self.asked)}", 3600.0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def begin(clock: FakeClock, *calls: Coroutine[None, None, Token]) -> list[asyncio.Task[Token]]:
    """Callers, each come as far as it can without time passing."""
    tasks = [asyncio.create_task(call) for call in calls]
    await clock.settle()
    return tasks


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def endpoint(clock: FakeClock) -> Endpoint:
    return Endpoint(clock)


@pytest.fixture
def source(clock: FakeClock, endpoint: Endpoint) -> TokenSource:
    return TokenSource("office", endpoint.fetch, clock, chance=lambda: 0.0)


def trouble(*, temporary: bool = True, retry_after: float | None = None) -> TokenError:
    return TokenError("office: trouble", error="e", temporary=temporary, retry_after=retry_after, trace="trace 1")


async def error_of(awaitable: Awaitable[Token]) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await awaitable
    return caught.value


async def test_a_token_is_kept(source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
    token = await source.get()
    assert token == Token("token-1", clock.now + 3600, clock.now + 3000)
    await clock.advance(2999)
    assert await source.get() is token
    assert len(endpoint.asked) == 1


async def test_it_is_renewed_in_the_background(source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
    await source.get()
    await clock.advance(3000)
    endpoint.delay = 5
    for _ in range(3):
        assert (await source.get()).value == "token-1", "nobody waits"
        await clock.advance(1)
    await clock.advance(5)
    assert (await source.get()).value == "token-2"
    assert len(endpoint.asked) == 2


async def test_at_its_end_callers_share_one_request(source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
    await source.get()
    await clock.advance(3600)
    endpoint.delay = 5
    callers = await begin(clock, *(source.get() for _ in range(50)))
    await clock.advance(4)
    callers += await begin(clock, *(source.get() for _ in range(50)))
    await clock.advance(2)
    assert {(await caller).value for caller in callers} == {"token-2"}
    assert len(endpoint.asked) == 2


async def test_a_renewal_that_outlasts_the_old_token(source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
    """It began in the background; whoever comes after the old token's end waits for it and starts no other."""
    await source.get()
    await clock.advance(3590)
    endpoint.delay = 20
    await source.get()
    await clock.settle()
    await clock.advance(11)
    [late] = await begin(clock, source.get())
    await clock.advance(10)
    assert (await late).value == "token-2"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("lifetime", [2.0, 20.0, 300.0])
async def test_short_lived_tokens(source: TokenSource, endpoint: Endpoint, clock: FakeClock, lifetime: float) -> None:
    endpoint.answers = [Granted(f"short-{number}", lifetime) for number in range(200)]
    step = lifetime / 10
    for _ in range(50):
        token = await source.get()
        assert token.expires_at > clock.now
        await clock.advance(step)
    assert len(endpoint.asked) == pytest.approx(50 / 8, abs=2)


async def test_a_token_that_ends_before_its_caller_wakes_is_not_handed_out(
    source: TokenSource, endpoint: Endpoint, clock: FakeClock
) -> None:
    endpoint.delay = 1.0
    endpoint.answers = [Granted("brief", 1.0)]
    [caller] = await begin(clock, source.get())
    # The answer comes and the token ends before the loop gets to the caller.
    for wake in list(clock._sleepers):
        wake[2].set_result(None)
    await asyncio.sleep(0)
    clock.now += 100
    await clock.settle()
    await clock.advance(2)
    assert (await caller).value == "token-2"


class TestFailure:
    async def test_the_old_token_is_kept(self, source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
        await source.get()
        await clock.advance(3000)
        endpoint.answers = [trouble(), trouble()]
        for _ in range(60):
            assert (await source.get()).value == "token-1"
            await clock.settle()
            await clock.advance(1)
        assert len(endpoint.asked) == 3, "once each 30 seconds"
        await source.get()
        await clock.settle()
        assert (await source.get()).value == "token-4"

    async def test_callers_in_between_hear_of_it(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock
    ) -> None:
        endpoint.answers = [trouble(temporary=False)]
        first = await error_of(source.get())
        assert (first.retry_after, first.temporary, str(first)) == (30.0, False, "office: trouble")
        await clock.advance(12)
        second = await error_of(source.get())
        assert second is not first
        assert (second.retry_after, second.trace, str(second)) == (18.0, "trace 1", "office: trouble")
        assert len(endpoint.asked) == 1
        await clock.advance(18)
        assert (await source.get()).value == "token-2"

    async def test_retry_after_is_honoured(self, source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
        endpoint.answers = [trouble(retry_after=600)]
        assert (await error_of(source.get())).retry_after == 600
        await clock.advance(599)
        assert (await error_of(source.get())).retry_after == 1
        await clock.advance(1)
        await source.get()
        assert len(endpoint.asked) == 2

    async def test_everybody_who_waits_hears_of_it(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock
    ) -> None:
        endpoint.delay = 5
        endpoint.answers = [trouble()]
        callers = await begin(clock, *(source.get() for _ in range(10)))
        await clock.advance(6)
        errors = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(error) for error in errors] == [TokenError] * 10
        assert len({id(error) for error in errors}) == 10
        assert len(endpoint.asked) == 1

    async def test_a_mistake_of_ours_is_logged_and_paced(
        self, source: TokenSource, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
    ) -> None:
        endpoint.answers = [ZeroDivisionError("oops")]
        error = await error_of(source.get())
        assert (error.error, error.temporary) == ("internal", True)
        assert "oops" not in str(error)
        assert "ZeroDivisionError" in caplog.text
        await error_of(source.get())
        assert len(endpoint.asked) == 1

    async def test_nobody_is_needed_for_a_failure(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock
    ) -> None:
        """A background renewal that fails unseen leaves nothing behind that Python would complain of."""
        await source.get()
        await clock.advance(3000)
        endpoint.answers = [ValueError("unseen")]
        await source.get()
        await clock.settle()
        assert (await source.get()).value == "token-1"


class TestReplace:
    async def test_one_request_for_all_who_reject(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock
    ) -> None:
        token = await source.get()
        endpoint.delay = 5
        first, second = await begin(clock, source.replace(token), source.replace(token))
        await clock.advance(6)
        assert (await first).value == (await second).value == "token-2"
        assert len(endpoint.asked) == 2

    async def test_a_token_that_was_replaced_already(self, source: TokenSource, endpoint: Endpoint) -> None:
        token = await source.get()
        new = await source.replace(token)
        assert await source.replace(token) is new
        assert len(endpoint.asked) == 2

    async def test_at_most_once_in_30_seconds(self, source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
        token = await source.replace(await source.get())
        for _ in range(29):
            await clock.advance(1)
            assert await source.replace(token) is token
        assert len(endpoint.asked) == 2
        await clock.advance(1)
        assert (await source.replace(token)).value == "token-3"

    async def test_a_failure_is_told(self, source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
        token = await source.get()
        endpoint.answers = [trouble()]
        assert (await error_of(source.replace(token))).retry_after == 30.0
        await clock.advance(10)
        assert (await error_of(source.replace(token))).retry_after == 20.0
        assert await source.get() is token, "a refusal by a mail server alone is no proof against a token"
        assert len(endpoint.asked) == 2
        await clock.advance(20)
        assert (await source.replace(token)).value == "token-3"

    async def test_a_renewal_under_way_is_enough(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock
    ) -> None:
        token = await source.get()
        await clock.advance(3000)
        endpoint.delay = 5
        await source.get()
        [replaced] = await begin(clock, source.replace(token))
        await clock.advance(6)
        assert (await replaced).value == "token-2"
        assert len(endpoint.asked) == 2

    async def test_before_the_first_token(self, source: TokenSource) -> None:
        stranger = Token("of another process", 0, 0)
        assert (await source.replace(stranger)).value == "token-1"

    async def test_an_endpoint_that_gives_the_same_token_again(self, source: TokenSource, endpoint: Endpoint) -> None:
        endpoint.answers = [Granted("same", 3600.0), Granted("same", 3600.0)]
        token = await source.get()
        assert (await source.replace(token)).value == "same"
        assert (await source.replace(token)).value == "same"
        assert len(endpoint.asked) == 2


class TestCancelled:
    async def test_a_caller_does_not_take_the_request_along(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock
    ) -> None:
        endpoint.delay = 5
        first, second = await begin(clock, source.get(), source.get())
        await clock.advance(1)
        first.cancel()
        await clock.advance(5)
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second).value == "token-1"
        assert len(endpoint.asked) == 1

    async def test_nobody_waits_any_more(self, source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
        endpoint.delay = 5
        [caller] = await begin(clock, source.get())
        await clock.advance(1)
        caller.cancel()
        await clock.advance(5)
        with contextlib.suppress(asyncio.CancelledError):
            await caller
        assert (await source.get()).value == "token-1"
        assert len(endpoint.asked) == 1

    async def test_closing_ends_the_wait(self, source: TokenSource, endpoint: Endpoint, clock: FakeClock) -> None:
        endpoint.delay = 5
        [caller] = await begin(clock, source.get())
        await clock.advance(1)
        await source.close()
        error = await error_of(caller)
        assert (error.error, error.temporary) == ("stopping", True)
        assert endpoint.running == 0
        await source.close()

    async def test_closing_what_never_began(self, source: TokenSource, endpoint: Endpoint) -> None:
        await source.close()
        assert endpoint.running == 0


class TestLog:
    async def test_what_is_told(
        self, source: TokenSource, endpoint: Endpoint, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "relay")
        endpoint.answers = [trouble(temporary=False), Granted("s3cr3t", 3600.0), trouble()]
        await error_of(source.get())
        await clock.advance(30)
        await source.get()
        await clock.advance(3000)
        await source.get()
        await clock.settle()
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("ERROR", "office: trouble [trace 1]"),
            ("INFO", "office: got a token, good for 1h"),
            ("WARNING", "no new token, the old one is good for 10m more: office: trouble [trace 1]"),
        ]
        assert "s3cr3t" not in repr(await source.get())
