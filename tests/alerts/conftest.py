"""A radar with a clock that is turned by hand, and somebody at the other end of both ways to people."""

import json
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from relay import config
from relay.alerts import Radar
from relay.alerts.radar import Credential
from relay.config import Settings
from relay.http import HttpClient
from relay.model import LaneStatus
from relay.oauth import ConsentStore, TokenError, TokenSource
from relay.oauth.access_token import Granted
from tests.support.clock import FakeClock
from tests.support.stored import database, store
from tests.support.web import web

NOW = 1_800_000_000.0
DAY = 86400.0
ACCOUNT = """
[accounts.office]
provider = "microsoft"
tenant = "contoso.onmicrosoft.com"
mailbox = "noreply@contoso.com"
[accounts.office.oauth]
client_id = "11111111-2222-3333-4444-555555555555"
"""
SECRET = f'{ACCOUNT}client_secret = "the~Value"\n'


@dataclass
class Listener:
    """A web server that takes alerts, or answers with the next of `statuses`."""

    address: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 300:
            self.heard.append(json.loads(await request.body()))
            self.kinds.append(request.headers["content-type"])
        return Response("busy", status)

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.heard]


@dataclass
class Tower:
    """What a radar needs, and the radar when it is asked for."""

    folder: Path
    listener: Listener
    store: ConsentStore
    http: HttpClient
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    lanes: list[LaneStatus] = field(default_factory=list)
    storage: list[str] = field(default_factory=list)
    credentials: dict[str, Credential] = field(default_factory=dict)

    def settings(self, text: str, alerts: str = "") -> Settings:
        file = self.folder / "relay.toml"
        told = alerts or f'webhook = "{self.listener.address}"'
        file.write_text(f'hostname = "relay.test"\nstate_folder = "{self.folder}"\n{text}\n[alerts]\n{told}\n')
        file.chmod(0o600)
        return config.load(file, {"HOME": str(self.folder)})

    def radar(self, text: str = "", alerts: str = "") -> Radar:
        """A radar as it is after a start of the relay."""
        return Radar(
            self.settings(text, alerts),
            credentials=self.credentials,
            store=self.store,
            lanes=lambda: self.lanes,
            http=self.http,
            clock=self.clock,
            storage=lambda: self.storage,
        )


@pytest.fixture
async def tower(tmp_path: Path) -> AsyncIterator[Tower]:
    listener = Listener()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(web(listener.answer))
        listener.address = f"http://127.0.0.1:{port}/hook?key=s3cret"
        base = await stack.enter_async_context(database(tmp_path))
        http = HttpClient()
        stack.push_async_callback(http.close)
        yield Tower(tmp_path, listener, store(base, tmp_path), http)


def program(folder: Path, text: str, name: str = "page-me") -> Path:
    """A program in Python."""
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def lane(identity: str = "microsoft/noreply@contoso.com", **changes: Any) -> LaneStatus:
    """How one mailbox is doing: well, unless told otherwise."""
    well: dict[str, Any] = {
        "identity": identity,
        "accounts": ("office",),
        "active": 0,
        "paused_until": 0.0,
        "trouble": "",
        "last_sent_at": None,
    }
    return LaneStatus(**(well | changes))


def events(listener: Listener) -> Sequence[str]:
    return [one["event"] for one in listener.heard]


def ending(day: str) -> str:
    return f"{SECRET}client_secret_expires = {day}\n"


def after(days: float) -> str:
    """A moment so many days from the clock's now, as TOML writes it."""
    return datetime.fromtimestamp(NOW + days * DAY, UTC).isoformat()


class Provider:
    """Gives a token, or refuses with the next of `errors`."""

    def __init__(self, *errors: TokenError) -> None:
        self.errors = list(errors)

    async def fetch(self) -> Granted:
        if self.errors:
            raise self.errors.pop(0)
        return Granted("token", 3600.0)


EXPIRED = TokenError(
    "office: the token endpoint refused",
    error="invalid_client",
    temporary=False,
    codes=(7000222,),
    hint="Make a new one.",
)


async def ask(source: TokenSource) -> None:
    try:
        await source.get()
    except TokenError:
        pass
