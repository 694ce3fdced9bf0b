"""A client, closed after each test."""

from collections.abc import AsyncIterator

import pytest

from relay.http import HttpClient


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()
