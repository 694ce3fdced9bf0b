"""The token endpoint gives a token to the right client only."""

import base64
from urllib.parse import urlencode

import pytest

from benchmarks.token_endpoint import Tokens


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


def form(**changes: str) -> str:
    return urlencode({"grant_type": "client_credentials", "client_id": "bench", **changes})


def basic(login: str, password: str) -> str:
    credentials = base64.b64encode(f"{login}:{password}".encode()).decode("ascii")
    return f"POST /token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}"


def test_the_secret_may_come_in_the_form(tokens: Tokens) -> None:
    status, answer = tokens.answer("POST /token HTTP/1.1", form(client_secret=tokens.client_secret))
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 3600)
    assert tokens.is_token(str(answer["access_token"]).encode())


def test_the_secret_may_come_in_the_header(tokens: Tokens) -> None:
    status, _ = tokens.answer(basic("bench", tokens.client_secret), form())
    assert status == 200


@pytest.mark.parametrize(
    ("head", "body", "error"),
    [
        ("", form(client_secret="wrong"), "invalid_client"),
        (basic("bench", "wrong"), form(), "invalid_client"),
        ("", form(), "invalid_client"),
        ("", form(grant_type="password"), "unsupported_grant_type"),
    ],
)
def test_anything_else_is_refused(tokens: Tokens, head: str, body: str, error: str) -> None:
    status, answer = tokens.answer(head, body)
    assert status in {400, 401}
    assert answer["error"] == error
    assert not tokens.is_token(b"")


def test_requests_are_counted(tokens: Tokens) -> None:
    tokens.answer("", form())
    tokens.answer("", form(client_secret=tokens.client_secret))
    assert tokens.requests == 2
