"""What an account's trial shows without sending: at the stand-in Exchange and Graph."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay import oauth, upstream
from relay.config import Account, Http
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import TokenSource
from relay.oauth.access_token import Granted
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http
from tests.upstream.parts import GRAPH_SCOPE, SMTP_SCOPE, known_at


class Case:
    def __init__(self, sandbox: Sandbox, http: HttpClient) -> None:
        self.sandbox = sandbox
        self.http = http
        self.said: list[str] = []

    async def probe(self, tokens: TokenSource | None = None, **changes: object) -> bool:
        settings = self.sandbox.settings
        graph = changes.get("via") == ("graph",)
        scope = GRAPH_SCOPE if graph else SMTP_SCOPE
        table = known_at(self.sandbox, scope)
        values: dict[str, object] = {
            "provider": "microsoft",
            "mailbox": settings.mailbox,
            "host": self.sandbox.smtp[0],
            "port": self.sandbox.smtp[1],
            "ca_file": self.sandbox.ca_file,
            "oauth": table,
        }
        account = Account(**(values | changes))  # type: ignore[arg-type]
        tokens = tokens or oauth.source("office", table, self.http, Clock())
        try:
            return await upstream.probe(
                "office", account, tokens, hostname="relay.test", clock=Clock(), say=self.said.append
            )
        finally:
            await tokens.close()


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    async with Sandbox(SandboxSettings(folder=tmp_path), serve_http) as sandbox:
        http = HttpClient(Http(ca_file=sandbox.ca_file))
        yield Case(sandbox, http)
        await http.close()


async def test_by_smtp_up_to_mail(case: Case) -> None:
    assert await case.probe()
    assert "AUTH" in case.said[0]
    assert case.said[-1].endswith("accepted, and taken back: nothing was sent")
    assert case.sandbox.settings.mailbox in case.said[-1]
    assert list(case.sandbox.received) == []


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (Fault(kind="smtp_auth_disabled_mailbox"), "Set-CASMailbox"),
        (Fault(kind="reply", at="mail", reply="550 5.7.60 not you"), "5.7.60"),
        (Fault(kind="disconnect", at="mail"), "broke off"),
    ],
)
async def test_what_is_in_the_way_is_said_with_the_next_step(case: Case, fault: Fault, part: str) -> None:
    case.sandbox.faults.add(fault)
    assert not await case.probe()
    assert any(part in line for line in case.said), case.said


def opaque(scope: str, value: str = "opaque") -> TokenSource:
    async def fetch() -> Granted:
        return Granted(value, 3600.0, scope=scope)

    return TokenSource("office", fetch, Clock())


async def test_by_graph_what_the_token_allows(case: Case) -> None:
    assert await case.probe(via=("graph",))
    assert "allows Mail.Send" in case.said[0]
    case.sandbox.faults.add(Fault(kind="no_roles"))
    assert await case.probe(via=("graph",))
    assert "does not say what it allows" in case.said[1]


@pytest.mark.parametrize(
    ("scope", "good", "part"),
    [
        ("https://graph.microsoft.com/Mail.Send openid", True, "allows Mail.Send"),
        ("https://graph.microsoft.com/User.Read", False, "only User.Read"),
        ("", True, "only a message shows it"),
    ],
)
async def test_by_graph_what_a_token_that_cannot_be_read_was_given_for(
    case: Case, scope: str, good: bool, part: str
) -> None:
    assert await case.probe(opaque(scope), via=("graph",)) is good
    assert part in case.said[0]


@pytest.mark.parametrize("roles", [5, "Mail.Send", {"Mail.Send": 1}, [["Mail.Send"], None], None])
async def test_claims_of_the_wrong_kind_are_survived(case: Case, roles: object) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"roles": roles, "scp": ["x"]}).encode()).rstrip(b"=").decode()
    assert not await case.probe(opaque("", f"e30.{claims}.e30"), via=("graph",))
    assert "does not allow Mail.Send" in case.said[0]
