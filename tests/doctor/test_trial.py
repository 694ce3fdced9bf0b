"""What `relay authorize` and the page end with: at the stand-ins, and at APIs that say anything."""

import json

import pytest
from starlette.requests import Request
from starlette.responses import Response

from relay.config import Settings
from relay.doctor import trial_of
from relay.model import Clock
from relay.oauth import TokenSource
from relay.oauth.access_token import Granted
from tests.doctor.conftest import Practice
from tests.support.web import web


async def tried(settings: Settings, token: str, scope: str = "") -> tuple[bool, list[str]]:
    """How the trial with `token` ends, and what it says."""

    async def fetch() -> Granted:
        return Granted(token, 3600.0, scope=scope)

    said: list[str] = []
    source = TokenSource("office", fetch, Clock())
    try:
        return await trial_of(settings, "office", said.append)(source, Clock()), said
    finally:
        await source.close()


MAIL_SEND = "https://graph.microsoft.com/Mail.Send"


def issued(practice: Practice) -> str:
    """A token of the stand-in for Graph."""
    return practice.sandbox.tokens.issue("https://graph.microsoft.com")


async def test_graph_takes_the_token(practice: Practice) -> None:
    good, said = await tried(practice.graph(), issued(practice))
    assert good, said
    assert said == ["the token allows Mail.Send", "graph takes the token; more does not show without sending"]


async def test_graph_cannot_be_reached(practice: Practice, unused_port: int) -> None:
    settings = practice.graph(mail_endpoint=f'"https://127.0.0.1:{unused_port}"')
    good, said = await tried(settings, issued(practice))
    assert not good
    assert "refused the connection" in said[1]


async def test_smtp_goes_up_to_mail(practice: Practice) -> None:
    token = practice.sandbox.tokens.issue("https://outlook.office365.com")
    good, said = await tried(practice.settings(), token)
    assert good, said
    assert said[-1].endswith("accepted, and taken back: nothing was sent")


GMAIL = {"provider": "google", "via": ("gmail-api",)}
GRAPH = {"via": ("graph",)}


@pytest.mark.parametrize(
    ("way", "status", "code", "good"),
    [
        (GMAIL, 200, "", True),
        (GMAIL, 403, "accessNotConfigured", False),
        (GRAPH, 403, "Authorization_RequestDenied", True),
        (GRAPH, 401, "InvalidAuthenticationToken", False),
    ],
)
async def test_an_api_is_asked(practice: Practice, way: dict[str, object], status: int, code: str, good: bool) -> None:
    async def answer(_request: Request) -> Response:
        return Response(json.dumps({"error": {"message": "no", "code": code, "errors": [{"reason": code}]}}), status)

    async with web(answer) as port:
        account = practice.settings().accounts["office"]
        changed = account.model_copy(update={**way, "mail_endpoint": f"http://127.0.0.1:{port}"})
        settings = practice.settings().model_copy(update={"accounts": {"office": changed}})
        found, said = await tried(settings, "opaque", MAIL_SEND)
    assert found is good, said
    assert good or said[-1].startswith("what to do: ")
