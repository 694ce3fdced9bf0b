"""Managed identities: every place that hands one out, as the stand-in machine plays it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from relay.advice import managed_identity as advice
from relay.config import OAuth, Secret
from relay.http import DefaultSettings, HttpClient
from relay.oauth import TokenSource, source
from relay.oauth.azure_host import Arc, UnsupportedError, service
from relay.oauth.managed_identity import ManagedIdentity
from relay.sandbox import SandboxSettings
from relay.sandbox.azure_host import AzureHost
from relay.sandbox.tokens import EXCHANGE, Tokens
from relay.service import serve_http
from tests.oauth.conftest import refusal, refusal_of
from tests.support.clock import FakeClock

SCOPE = "https://outlook.office365.com/.default"
MINE, OTHER = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
NOWHERE = Arc(Path("/nowhere/agent"), Path("/nowhere/tokens"))


class Machine:
    """A machine in Azure, and accounts on it."""

    def __init__(self, stack: AsyncExitStack, clock: FakeClock, folder: Path) -> None:
        self._stack = stack
        self._clock = clock
        self._settings = SandboxSettings(folder=folder)
        self.tokens = Tokens(self._settings, clock)
        self.host: AzureHost

    async def start(self, **identities: Any) -> AzureHost:
        host = AzureHost(self._settings, self.tokens, serve_http, self._clock, **identities)
        self.host = await self._stack.enter_async_context(host)
        return self.host

    def http(self, **settings: Any) -> HttpClient:
        http = HttpClient(DefaultSettings(**settings))
        self._stack.push_async_callback(http.close)
        return http

    def account(self, place: str, http: HttpClient | None = None, **keys: Any) -> TokenSource:
        oauth = OAuth(**({"grant": "managed_identity", "scopes": (SCOPE,)} | keys))
        return source("office", oauth, http or self.http(), self._clock, environ=self.host.environ(place))

    def on_arc(self, **keys: Any) -> ManagedIdentity:
        arc = Arc(Path("/nowhere/agent"), self.host.arc_tokens)
        environ = self.host.environ("arc")
        chosen = keys.get("client_id")
        return ManagedIdentity("office", SCOPE, chosen, http=self.http(), clock=self._clock, environ=environ, arc=arc)


@pytest.fixture
async def machine(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Machine]:
    async with AsyncExitStack() as stack:
        made = Machine(stack, clock, tmp_path)
        await made.start()
        yield made


@pytest.mark.parametrize("place", ["imds", "app service", "ml"])
async def test_every_place_gives_a_token(machine: Machine, clock: FakeClock, place: str) -> None:
    token = await machine.account(place).get()
    assert machine.tokens.check(token.value, EXCHANGE)["aud"] == "https://outlook.office365.com"
    assert token.expires_at == clock.now + 86_400
    assert clock.now + 43_200 <= token.refresh_at <= clock.now + 43_200 * 1.1
    (request,) = machine.host.requests
    assert request.query_params["resource"] == "https://outlook.office365.com"
    assert set(request.query_params) == {"api-version", "resource"}


async def test_azure_arc_names_a_file(machine: Machine) -> None:
    granted = await machine.on_arc().fetch()
    assert machine.tokens.check(granted.value, EXCHANGE)
    assert [request.headers.get("authorization", "")[:6] for request in machine.host.requests] == ["", "Basic "]


@pytest.mark.parametrize(
    ("place", "parameter"), [("imds", "client_id"), ("app service", "client_id"), ("ml", "clientid")]
)
async def test_one_of_several_identities(machine: Machine, place: str, parameter: str) -> None:
    await machine.start(own=False, assigned=(MINE, OTHER))
    await machine.account(place, managed_identity_client_id=MINE).get()
    assert machine.host.requests[0].query_params[parameter] == MINE


@pytest.mark.parametrize(
    ("identities", "chosen", "part"),
    [
        ({"own": False, "assigned": (MINE, OTHER)}, None, "Write the Client ID of the one to use into accounts.office"),
        ({"own": False}, None, "Switch on the machine's own under Security > Identity"),
        ({"own": True}, OTHER, "Switch on the machine's own under Security > Identity"),
    ],
)
async def test_an_identity_that_is_not_there(
    machine: Machine, identities: dict[str, Any], chosen: str | None, part: str
) -> None:
    await machine.start(**identities)
    error = await refusal(machine.account("imds", managed_identity_client_id=chosen))
    assert (error.error, error.temporary) == ("invalid_request", False)
    assert part in error.hint
    if chosen:
        error = await refusal(machine.account("app service", managed_identity_client_id=chosen))
        assert part in error.hint


async def test_a_wrong_resource(machine: Machine) -> None:
    error = await refusal(machine.account("imds", scopes=("https://mail.example.com/.default",)))
    assert (error.error, error.codes) == ("invalid_resource", (500011,))
    assert "accounts.office.oauth.scopes" in error.hint


BODY = {"error": "temporary", "error_description": "Try again"}


@pytest.mark.parametrize(
    ("answer", "temporary"),
    [
        (JSONResponse(BODY, 404), True),
        (Response(status_code=404), True),
        (JSONResponse(BODY, 410), True),
        (JSONResponse(BODY, 429, {"retry-after": "90"}), True),
        (JSONResponse(BODY, 500), True),
        (HTMLResponse("<h1>Busy</h1>", 503), True),
        (JSONResponse({"error": "unknown_source", "error_description": "Unknown Source"}, 401), False),
        (JSONResponse({"error": "bad_request_102", "error_description": "Required metadata header"}, 400), False),
        (JSONResponse({"statusCode": 400, "message": "Bad"}, 400), False),
        (JSONResponse({"access_token": "t", "expires_on": "1000"}, 200), True),
    ],
    ids=lambda value: str(getattr(value, "status_code", value)),
)
async def test_what_passes_and_what_does_not(
    machine: Machine, clock: FakeClock, answer: Response, temporary: bool
) -> None:
    machine.host.answers = [answer]
    tokens = machine.account("imds")
    error = await refusal(tokens)
    assert error.temporary is temporary
    assert error.hint
    assert "token_endpoint" not in error.hint
    wait = 90.0 if answer.status_code == 429 else 30.0
    assert error.retry_after == wait
    await clock.advance(wait)
    await tokens.get()


async def test_it_is_never_asked_through_a_proxy(machine: Machine) -> None:
    """Not even where the service has another address than the metadata service's own."""
    http = machine.http(proxy=Secret("http://127.0.0.1:1"))
    asked = await http.request("GET", f"{machine.host.root}/x", direct=True)
    assert asked.status == 404
    assert (await machine.account("imds", http).get()).value


async def test_nothing_answers(machine: Machine, clock: FakeClock) -> None:
    environ = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}
    tokens = source("office", OAuth(grant="managed_identity", scopes=(SCOPE,)), machine.http(), clock, environ=environ)
    error = await refusal(tokens)
    assert (error.error, error.temporary) == ("unreachable", True)
    assert "works only inside Azure" in error.hint
    assert "accounts.office.oauth.private_key_file" in error.hint


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        (
            {"IDENTITY_ENDPOINT": "https://x", "IDENTITY_HEADER": "h", "IDENTITY_SERVER_THUMBPRINT": "t"},
            "Service Fabric is not supported",
        ),
        ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://mail.example.com"}, "without TLS on another network"),
        ({"IDENTITY_ENDPOINT": "http://8.8.8.8/x", "IDENTITY_HEADER": "the-header"}, "without TLS"),
    ],
)
async def test_places_that_are_not_asked(machine: Machine, environ: Mapping[str, str], part: str) -> None:
    identity = ManagedIdentity(
        "office", SCOPE, None, http=machine.http(), clock=FakeClock(), environ=environ, arc=NOWHERE
    )
    error = await refusal_of(identity.fetch())
    assert part in str(error)
    assert "the-header" not in str(error)


class TestArc:
    async def test_a_file_elsewhere_is_not_read(self, machine: Machine, tmp_path: Path) -> None:
        secret = tmp_path / "secret.key"
        secret.write_text("hunter2")
        for file in (secret, machine.host.arc_tokens / ".." / "secret.key", machine.host.arc_tokens / "shadow"):
            machine.host.challenge_file = file
            error = await refusal_of(machine.on_arc().fetch())
            assert (error.error, error.temporary) == ("no_identity", False)
            assert "names a file outside" in str(error)
        assert all("authorization" not in request.headers for request in machine.host.requests)

    @pytest.mark.parametrize(
        ("content", "part"), [(None, "Add the relay's user to the group himds"), ("x" * 5000, "larger")]
    )
    async def test_a_file_that_cannot_be_used(self, machine: Machine, content: str | None, part: str) -> None:
        machine.host.arc_tokens.mkdir()
        machine.host.challenge_file = machine.host.arc_tokens / "it.key"
        if content:
            machine.host.challenge_file.write_text(content)
        assert part in str(await refusal_of(machine.on_arc().fetch()))

    async def test_a_challenge_without_a_file(self, machine: Machine) -> None:
        machine.host.answers = [JSONResponse({}, 401, {"www-authenticate": "Basic"})]
        assert "update its agent" in str(await refusal_of(machine.on_arc().fetch()))

    async def test_it_has_one_identity(self, machine: Machine) -> None:
        error = await refusal_of(machine.on_arc(client_id=MINE).fetch())
        assert "remove accounts.office.oauth.managed_identity_client_id" in str(error)


HEADER = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi", "IDENTITY_HEADER": "h"}
OLD = {"MSI_ENDPOINT": "http://127.0.0.1:2/msi", "MSI_SECRET": "s"}


@pytest.mark.parametrize(
    ("environ", "agent", "name", "url"),
    [
        ({}, False, "Azure's metadata service", "http://169.254.169.254/metadata/identity/oauth2/token"),
        (HEADER, True, "App Service", "http://127.0.0.1:1/msi"),
        (HEADER | OLD, False, "App Service", "http://127.0.0.1:1/msi"),
        (OLD, True, "Azure ML", "http://127.0.0.1:2/msi"),
        ({"MSI_ENDPOINT": "http://127.0.0.1:2"}, False, "Azure's metadata service", None),
        ({}, True, "Azure Arc", "http://localhost:40342/metadata/identity/oauth2/token"),
        ({"IDENTITY_ENDPOINT": "http://a", "IMDS_ENDPOINT": "http://b"}, False, "Azure Arc", "http://a"),
        ({"IDENTITY_ENDPOINT": "http://a"}, False, "Azure's metadata service", None),
    ],
)
def test_the_order_of_places(tmp_path: Path, environ: dict[str, str], agent: bool, name: str, url: str | None) -> None:
    if agent:
        (tmp_path / "himds").touch()
    found = service(environ, Arc(tmp_path / "himds", tmp_path))
    assert (found.name, found.url) == (name, url or found.url)
    assert not re.search("'h'|'s'", repr(found))


def test_service_fabric_is_told_apart_first(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        service(HEADER | OLD | {"IDENTITY_SERVER_THUMBPRINT": "t"}, Arc(tmp_path / "himds", tmp_path))


def test_advice() -> None:
    def hint(error: str, *codes: int, temporary: bool = False) -> str:
        return advice.hint(error, codes, "", account="office", temporary=temporary)

    assert hint("unknown_source").startswith("The service does not answer to this process.")
    assert hint("whatever").startswith("The service does not answer as one for managed identities does.")
    assert "tries again by itself" in hint("whatever", temporary=True)
    assert hint("invalid_resource", 500011) == "", "the number says more"
