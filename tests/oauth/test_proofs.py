"""`client_secret_next`: two secrets side by side while one takes the other's place."""

import base64
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay.config import Secret
from tests.oauth.conftest import Account, Provider, refusal
from tests.support.clock import FakeClock

OLD, NEW = "the-old-secret", "the-new-secret"
METHODS: dict[str, dict[str, Any]] = {
    "client_secret_post": {},
    "client_secret_basic": {},
    "client_secret_header": {"client_secret_header": "X-Secret"},
}
GO = "the first can go"


@dataclass
class Strict(Provider):
    """Gives tokens to whoever knows a secret that is `taken`, wherever it stands in the request."""

    taken: set[str] = field(default_factory=lambda: {OLD, NEW})
    shown: list[str] = field(default_factory=list)
    error: str = "invalid_client"
    refused: Response | None = None

    async def answer(self, request: Request) -> Response:
        answer = await super().answer(request)
        secret = self._secret(request)
        self.shown.append(secret)
        if secret in self.taken:
            return answer
        return self.refused or JSONResponse({"error": self.error, "error_description": f"not {secret}"}, 401)

    def _secret(self, request: Request) -> str:
        form = self.forms[-1].get("client_secret", "")
        return form or request.headers.get("x-secret", "") or _basic(request.headers.get("authorization", ""))


def _basic(field: str) -> str:

    return base64.b64decode(field.partition(" ")[2]).decode().partition(":")[2]


@pytest.fixture
def provider_type() -> type[Provider]:
    return Strict


def two(method: str = "client_secret_post", old: Secret | None = None, new: Secret | None = None) -> dict[str, Any]:
    return {
        "token_endpoint_auth_method": method,
        "client_secret": old or Secret(OLD),
        "client_secret_next": new or Secret(NEW),
        **METHODS[method],
    }


@pytest.mark.parametrize("method", METHODS)
async def test_the_next_is_used_when_the_first_is_refused(
    account: Account, provider: Strict, clock: FakeClock, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    tokens = account(**two(method))
    with caplog.at_level(logging.INFO, "relay"):
        token = await tokens.get()
        assert provider.shown == [OLD], "while the first is taken, the next is not shown to anybody"
        provider.taken = {NEW}
        clock.now += 100
        token = await tokens.replace(token)
        assert provider.shown == [OLD, OLD, NEW]
        assert caplog.text.count(GO) == 1
        clock.now += 100
        await tokens.replace(token)
    assert provider.shown[3:] == [NEW], "from then on it is the first choice"
    assert caplog.text.count(GO) == 1, "said once"
    assert OLD not in caplog.text
    assert NEW not in caplog.text


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (Response("Unauthorized", 401), "status 401"),
        (JSONResponse({"statusCode": 401, "message": "Access denied due to a wrong key."}, 401), "Access denied"),
        (JSONResponse({"error": "bad_key"}, 401), "bad_key"),
    ],
)
async def test_a_gateway_refuses_the_first_in_its_own_words(
    account: Account, provider: Strict, caplog: pytest.LogCaptureFixture, refused: Response, said: str
) -> None:
    provider.taken, provider.refused = {NEW}, refused
    with caplog.at_level(logging.INFO, "relay"):
        await account(**two("client_secret_header")).get()
    assert provider.shown == [OLD, NEW]
    assert GO in caplog.text
    provider.taken = set()
    error = await refusal(account(**two("client_secret_header")))
    assert (error.error, error.temporary) == ("invalid_client", False)
    assert said in error.text
    assert "accounts.office.oauth.client_id" in error.hint


async def test_other_refusals_are_not_the_secret_s(account: Account, provider: Strict) -> None:
    provider.taken, provider.error = set(), "unauthorized_client"
    error = await refusal(account(**two()))
    assert error.error == "unauthorized_client"
    assert provider.shown == [OLD]


async def test_both_refused(account: Account, provider: Strict, clock: FakeClock) -> None:
    provider.taken = set()
    tokens = account(**two())
    error = await refusal(tokens)
    assert (error.error, error.temporary) == ("invalid_client", False)
    assert "tried with client_secret and with client_secret_next" in str(error)
    assert OLD not in str(error)
    assert NEW not in str(error)
    await refusal(tokens)
    assert provider.shown == [OLD, NEW], "then the endpoint is left alone"
    clock.now += 31
    provider.taken = {OLD}
    await tokens.get()
    assert provider.shown[2:] == [OLD], "nothing has been learnt from two refusals"


async def test_one_secret_is_tried_once(account: Account, provider: Strict) -> None:
    provider.taken = set()
    error = await refusal(account(token_endpoint_auth_method="client_secret_post", client_secret=Secret(OLD)))
    assert "tried with" not in str(error)
    assert provider.shown == [OLD]


async def test_a_whole_exchange_on_disk(
    account: Account, provider: Strict, clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The steps of a person who follows the log, with files and without a restart."""
    first, following = tmp_path / "first", tmp_path / "next"
    first.write_text(OLD)
    following.write_text(NEW)
    tokens = account(**two(old=Secret(file=first), new=Secret(file=following)))
    token = await tokens.get()
    provider.taken = {NEW}
    clock.now += 100
    token = await tokens.replace(token)
    assert GO in caplog.text
    first.write_text(NEW)
    following.unlink()
    caplog.clear()
    clock.now += 100
    token = await tokens.replace(token)
    assert provider.shown == [OLD, OLD, NEW, NEW]
    assert "takes client_secret and not client_secret_next" in caplog.text
    first.write_text("the-third-secret")
    provider.taken = {"the-third-secret"}
    clock.now += 100
    await tokens.replace(token)
    assert provider.shown[4:] == ["the-third-secret"], "read anew"


async def test_a_first_secret_that_is_gone(account: Account, provider: Strict, tmp_path: Path) -> None:
    tokens = account(**two(old=Secret(file=tmp_path / "absent")))
    await tokens.get()
    assert provider.shown == [NEW]


async def test_neither_can_be_read(account: Account, provider: Strict, tmp_path: Path) -> None:
    absent = Secret(file=tmp_path / "absent")
    error = await refusal(account(**two(old=absent, new=absent)))
    assert error.error == "secret_unreadable"
    assert provider.shown == []


async def test_a_refusal_of_something_else_shows_that_the_next_is_known(
    account: Account, provider: Strict, caplog: pytest.LogCaptureFixture
) -> None:
    """invalid_client to the first and invalid_grant to the next: the client was recognised by the next."""
    provider.taken = {NEW}
    provider.answers = [JSONResponse({}), JSONResponse({"error": "invalid_grant"}, 400)]
    error = await refusal(account(**two()))
    assert error.error == "invalid_grant"
    assert GO in caplog.text


async def test_trouble_with_the_server_shows_nothing(
    account: Account, provider: Strict, caplog: pytest.LogCaptureFixture
) -> None:
    provider.taken = {NEW}
    provider.answers = [JSONResponse({}), JSONResponse({"error": "server_error"}, 503)]
    error = await refusal(account(**two()))
    assert (error.error, error.temporary) == ("server_error", True)
    assert GO not in caplog.text
