"""The applications that are registered at the foreign server, and what the relay's parts need to be one of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.config import Secret
from relay.model import Clock
from relay.oauth import TokenError, TokenSource
from tests.oauth.foreign.grants import ASSERTION, DEVICE
from tests.oauth.foreign.records import Client
from tests.oauth.foreign.server import Foreign
from tests.support import keys

SECRET = "s&c=r%e+t: ä/?#"
USER_GRANTS = ("authorization_code", "refresh_token", DEVICE)


class Hurried(Clock):
    """A clock whose sleeps cost no time."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        self._ahead += seconds
        await asyncio.sleep(0)


def register(foreign: Foreign) -> None:
    """One application for each way to prove itself; all but the first have users."""
    public = keys.public_pem(keys.rsa_key()).decode()
    everything = ("client_credentials", *USER_GRANTS)
    foreign.records.add(
        Client("basic", ["client_secret_basic"], everything, {SECRET}),
        Client("post", ["client_secret_post"], everything, {SECRET}),
        Client("key", [ASSERTION], everything, public_key=public),
        Client("public", ["none"], USER_GRANTS),
    )


def client(name: str, folder: Path) -> dict[str, Any]:
    """The keys of the oauth table by which the application `name` proves itself."""
    if name == "public":
        return {"client_id": Secret(name), "token_endpoint_auth_method": "none"}
    if name == "key":
        file = folder / "client.pem"
        file.write_bytes(keys.pem(keys.rsa_key()))
        return {"client_id": Secret(name), "token_endpoint_auth_method": "private_key_jwt", "private_key_file": file}
    method = f"client_secret_{name}"
    return {"client_id": Secret(name), "token_endpoint_auth_method": method, "client_secret": Secret(SECRET)}


Account = Callable[..., TokenSource]
"""Makes the token source of an account whose application has a name, with these keys."""


async def refusal_of(asked: Awaitable[object]) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await asked
    return caught.value
