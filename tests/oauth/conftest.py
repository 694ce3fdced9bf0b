"""A token endpoint that remembers what it was sent, and the token sources of an account `office` at it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay.config import OAuth, Secret
from relay.http import HttpClient
from relay.oauth import TokenError, TokenSource, source
from tests.support.clock import FakeClock
from tests.support.web import web


@dataclass
class Provider:
    """Gives tokens, or the next of `answers`."""

    url: str = ""
    answers: list[Response] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    forms: list[Mapping[str, str]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.requests.append(request)
        sent = (await request.body()).decode("ascii") or request.url.query
        self.forms.append(dict(parse_qsl(sent, keep_blank_values=True, strict_parsing=True) if sent else ()))
        if self.answers:
            return self.answers.pop(0)
        return JSONResponse({"token_type": "Bearer", "expires_in": 3599, "access_token": f"token-{len(self.forms)}"})


Account = Callable[..., TokenSource]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider_type() -> type[Provider]:
    """The kind of provider that is to run; a test file may have another."""
    return Provider


@pytest.fixture
async def provider(provider_type: type[Provider]) -> AsyncIterator[Provider]:
    running = provider_type()
    async with web(running.answer) as port:
        running.url = f"http://127.0.0.1:{port}/token"
        yield running


@pytest.fixture
async def account(provider: Provider, clock: FakeClock) -> AsyncIterator[Account]:
    """Make the token source of an account at `provider` with these keys."""
    async with AsyncExitStack() as stack:
        http = HttpClient(clock=clock)
        stack.push_async_callback(http.close)

        def account(**keys: Any) -> TokenSource:
            tokens = source("office", settings(**({"token_endpoint": provider.url} | keys)), http, clock)
            stack.push_async_callback(tokens.close)
            return tokens

        yield account


def settings(**keys: Any) -> OAuth:
    """The settings of an account's tokens, as a checked configuration holds them."""
    defaults: dict[str, Any] = {"client_id": Secret("the-client"), "scopes": ("mail",)}
    return OAuth(**(defaults | keys))


async def refusal(tokens: TokenSource) -> TokenError:
    return await refusal_of(tokens.get())


async def refusal_of(asked: Awaitable[object]) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await asked
    return caught.value
