"""What the Gmail API's answers to a harmless question mean."""

import json

import pytest
from starlette.requests import Request
from starlette.responses import Response

from relay.config import Account
from relay.doctor import gmail
from relay.http import HttpClient
from relay.oauth import Token
from tests.support.web import web

TOKEN = Token("the-token", 2_000_000_000.0, 1_999_999_000.0)


@pytest.mark.parametrize(
    ("status", "reason", "state", "says"),
    [
        (200, "", "ok", ""),
        (403, "insufficientPermissions", "ok", ""),
        (403, "accessNotConfigured", "fail", "enable it"),
        (401, "authError", "fail", "relay authorize g"),
        (400, "failedPrecondition", "fail", "accounts.g.oauth.subject"),
        (503, "backendError", "warn", ""),
    ],
)
async def test_answers(status: int, reason: str, state: str, says: str) -> None:
    asked: list[Request] = []

    async def answer(request: Request) -> Response:
        asked.append(request)
        error = {"error": {"message": "what\x1b it says", "errors": [{"reason": reason}]}}
        return Response(json.dumps(error) if reason else "{}", status)

    http = HttpClient()
    async with web(answer) as port:
        account = Account(provider="google", mailbox="a@b.c", mail_endpoint=f"http://127.0.0.1:{port}/")
        found = await gmail.examine("g", account, TOKEN, http)
        unasked = await gmail.examine("g", account, None, http)
    nobody = await gmail.examine("g", account, TOKEN, http)
    await http.close()
    assert (found.state.value, nobody.state.value) == (state, "fail")
    assert f"answers {status}" in found.text
    assert says in found.advice
    assert "\x1b" not in found.text
    assert TOKEN.value not in repr(found)
    request, other = asked
    assert (request.method, request.url.path) == ("GET", "/gmail/v1/users/me/profile"), "nothing is sent"
    assert request.headers["authorization"] == f"Bearer {TOKEN.value}"
    assert "authorization" not in other.headers
    assert unasked.text.endswith("asked without a token")
