"""The foreign server with its applications, and the relay's own parts pointed at it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from relay.config import Http, OAuth
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import TokenSource, source
from tests.oauth.foreign.parts import Account, client, register
from tests.oauth.foreign.server import Foreign


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Foreign]:
    with Foreign(tmp_path) as server:
        register(server)
        yield server


@pytest.fixture
async def http(foreign: Foreign) -> AsyncIterator[HttpClient]:
    client = HttpClient(Http(ca_file=foreign.ca_file))
    yield client
    await client.close()


@pytest.fixture
async def account(foreign: Foreign, http: HttpClient, tmp_path: Path) -> AsyncIterator[Account]:
    """Make the token source of an account whose application is `name`, with these keys."""
    async with AsyncExitStack() as stack:

        def account(name: str, clock: Clock | None = None, **changes: Any) -> TokenSource:
            given: dict[str, Any] = {"token_endpoint": foreign.endpoints["token_endpoint"], "scopes": ("mail",)}
            oauth = OAuth(**given | client(name, tmp_path) | changes)
            tokens = source("office", oauth, http, clock or Clock())
            stack.push_async_callback(tokens.close)
            return tokens

        yield account
