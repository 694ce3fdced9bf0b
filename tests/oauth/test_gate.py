"""One token endpoint for many mailboxes: in trouble it is left alone for all of them, and tried by one."""

import asyncio
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay import oauth
from relay.config import OAuth
from relay.http import HttpClient
from relay.oauth import TokenError
from relay.oauth.access_token import Granted
from relay.oauth.client_credentials import ClientCredentials
from relay.oauth.gate import Gate
from relay.oauth.pacing import PAUSE
from relay.oauth.request import Grant
from tests.support.clock import FakeClock
from tests.support.keys import rsa_key, service_account
from tests.support.web import web

GRANT = ClientCredentials((), " ")


class Endpoint:
    """Gives tokens, or while it is in trouble an error; each answer takes a second."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.error = ""
        self.asked = 0

    async def ask(self, _grant: Grant) -> Granted:
        self.asked += 1
        await self.clock.sleep(1.0)
        if self.error:
            raise TokenError("people: no", error=self.error, temporary=True)
        return Granted("token", 3600.0)


async def many(gate: Gate, clock: FakeClock) -> list[str]:
    """What ten who ask at once hear."""
    asking = [asyncio.create_task(gate.ask(GRANT)) for _ in range(10)]
    for _ in range(12):
        await clock.settle()
        await clock.advance(1.0)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    return [each.error if isinstance(each, TokenError) else "token" for each in answers]


async def test_after_a_failure_one_asks_for_all() -> None:
    clock = FakeClock()
    endpoint = Endpoint(clock)
    gate = Gate(endpoint.ask, clock)
    assert set(await many(gate, clock)) == {"token"}
    assert endpoint.asked == 10, "nobody waits for another while all is well"
    endpoint.error = "unreachable"
    await many(gate, clock)
    before = endpoint.asked
    assert set(await many(gate, clock)) == {"unreachable"}
    assert endpoint.asked == before, "it is left alone"
    await clock.advance(PAUSE)
    assert set(await many(gate, clock)) == {"unreachable"}
    assert endpoint.asked == before + 1, "one finds out that the trouble is not over"
    await clock.advance(PAUSE)
    endpoint.error = ""
    assert set(await many(gate, clock)) == {"token"}
    assert endpoint.asked == before + 11


async def test_a_user_s_own_trouble_is_nobody_else_s() -> None:
    clock = FakeClock()
    endpoint = Endpoint(clock)
    gate = Gate(endpoint.ask, clock)
    endpoint.error = "invalid_grant"
    assert set(await many(gate, clock)) == {"invalid_grant"}
    assert endpoint.asked == 10
    endpoint.error = "server_error"
    await many(gate, clock)
    await clock.advance(PAUSE)
    endpoint.error = "invalid_grant"
    assert set(await many(gate, clock)) == {"invalid_grant"}
    assert endpoint.asked == 30, "an answer about a user shows that the endpoint works"


async def test_the_mailboxes_of_a_service_account_share_one(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(service_account(rsa_key()))
    clock, asked = FakeClock(), 0

    async def answer(_request: Request) -> Response:
        nonlocal asked
        asked += 1
        return JSONResponse({"error": "server_error"}, 500)

    http = HttpClient()
    async with web(answer) as port:
        settings = OAuth(grant="jwt_bearer", private_key_file=key, token_endpoint=f"http://127.0.0.1:{port}")
        tokens = oauth.mailboxes("gmail", settings, http, clock, None).tokens
        for mailbox in ("a@example.com", "b@example.com", "c@example.com"):
            with pytest.raises(TokenError, match="server_error"):
                await tokens.of(mailbox).get()
        await tokens.close()
    await http.close()
    assert asked == 1
