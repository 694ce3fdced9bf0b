"""What Graph's answers to a harmless question mean."""

import json

import pytest
from starlette.requests import Request
from starlette.responses import Response

from relay.config import Account
from relay.doctor import graph
from relay.http import HttpClient
from relay.oauth import Token
from tests.support.web import web

TOKEN = Token("the-token", 2_000_000_000.0, 1_999_999_000.0)


@pytest.mark.parametrize(
    ("status", "code", "state", "says"),
    [
        (200, "", "ok", ""),
        (403, "Authorization_RequestDenied", "ok", ""),
        (404, "", "ok", ""),
        (401, "InvalidAuthenticationToken", "fail", "It has to be for Graph"),
        (404, "Request_ResourceNotFound", "fail", "accounts.office.mailbox"),
        (429, "TooManyRequests", "warn", ""),
        (503, "serviceNotAvailable", "warn", ""),
    ],
)
async def test_answers(status: int, code: str, state: str, says: str) -> None:
    asked: list[Request] = []

    async def answer(request: Request) -> Response:
        asked.append(request)
        return Response(json.dumps({"error": {"code": code, "message": "what\x1b it says"}}) if code else "{}", status)

    http = HttpClient()
    async with web(answer) as port:
        account = Account(provider="microsoft", mailbox="o'x@contoso.com", mail_endpoint=f"http://127.0.0.1:{port}/")
        found = await graph.examine("office", account, TOKEN, http)
        unasked = await graph.examine("office", account, None, http)
    await http.close()
    assert found.state.value == state
    assert f"answers {status}" in found.text
    assert says in found.advice
    assert "\x1b" not in found.text
    assert TOKEN.value not in repr(found)
    request, other = asked
    assert request.method == "GET", "nothing is sent"
    assert request.url.path == "/v1.0/users/o'x@contoso.com"
    assert request.headers["authorization"] == f"Bearer {TOKEN.value}"
    assert "authorization" not in other.headers
    assert unasked.text.endswith("asked without a token")
