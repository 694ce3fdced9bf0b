"""The waiting for a device code to be used, by a clock that a test turns (RFC 8628 3.5)."""

import asyncio

import pytest

from relay.oauth import TokenError
from relay.oauth.access_token import Granted
from relay.oauth.consent import ConsentError
from relay.oauth.consent.device import DeviceCode, wait
from relay.oauth.request import Grant
from tests.support.clock import FakeClock


class Server:
    """Answers each request with the next error; then gives a token."""

    def __init__(self, clock: FakeClock, *errors: str) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.asked: list[float] = []

    async def ask(self, _grant: Grant) -> Granted:
        self.asked.append(self.clock.now - 1_800_000_000.0)
        if self.errors:
            error = self.errors.pop(0)
            raise TokenError(
                f"office: {error}", error=error, temporary=error in ("authorization_pending", "unreachable")
            )
        return Granted("access", 3600.0, refresh_token="refresh")


async def waited(server: Server, lifetime: float = 900.0, interval: float = 5.0) -> Granted:
    device = DeviceCode("device", "USER", "https://example.com", "", lifetime, interval)
    waiting = asyncio.create_task(wait("office", device, server.ask, server.clock, lambda _left: None))
    await server.clock.settle()
    while not waiting.done():
        await server.clock.advance(1)
    return await waiting


async def test_a_device_asks_at_the_interval_and_slower_for_good() -> None:
    pending, slow = "authorization_pending", "slow_down"
    server = Server(FakeClock(), pending, slow, pending, slow, pending)
    assert (await waited(server)).refresh_token == "refresh"
    assert server.asked == [5, 10, 20, 30, 45, 60]


async def test_a_device_backs_off_when_nobody_answers() -> None:
    server = Server(FakeClock(), "unreachable", "unreachable")
    await waited(server)
    assert server.asked == [5, 15, 35]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("authorization_declined", "declined"),
        ("access_denied", "declined"),
        ("expired_token", "expired"),
        ("bad_verification_code", "expired"),
        ("invalid_client", "office: invalid_client"),
    ],
)
async def test_a_device_stops_when_it_is_over(error: str, text: str) -> None:
    server = Server(FakeClock(), error)
    with pytest.raises(ConsentError, match=text):
        await waited(server)
    assert len(server.asked) == 1


async def test_a_device_s_code_ends() -> None:
    server = Server(FakeClock(), *["authorization_pending"] * 100)
    with pytest.raises(ConsentError, match="expired before the sign-in"):
        await waited(server, lifetime=60)
    assert server.asked[-1] <= 60
