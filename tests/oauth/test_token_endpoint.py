"""Tokens over real HTTP: what reaches the server, and what its answers become."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from relay.config import OAuth, Secret
from relay.http import DefaultSettings, HttpClient
from relay.oauth import TokenError, TokenSource, source
from relay.oauth.client_secret import ClientSecretBasic, ClientSecretPost
from relay.oauth.request import TokenRequest
from tests.support.certificates import Authority
from tests.support.clock import FakeClock
from tests.support.web import web

ODD = [
    "plain",
    "a+b c",
    "100%",
    "%41%zz",
    "user:pass",
    "\"quoted\" 'too' <&>",
    "$HOME\\x",
    "pässwörd-ключ-鍵",
    " ",
    "=&;?#",
]


def settings_of(token_endpoint: str, **changes: Any) -> OAuth:
    """The settings of an account's tokens."""
    defaults: dict[str, Any] = {
        "token_endpoint": token_endpoint,
        "client_id": Secret("the-client"),
        "client_secret": Secret("the-secret"),
        "scopes": ("https://outlook.office365.com/.default",),
    }
    return OAuth(**(defaults | changes))


class Server:
    """A token endpoint that remembers what it was sent, decoded by its own means."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def answer(self, request: Request) -> Response:
        pairs = parse_qsl((await request.body()).decode("ascii"), keep_blank_values=True, strict_parsing=True)
        assert len(dict(pairs)) == len(pairs), "no parameter twice (RFC 6749 3.2)"
        self.forms.append(dict(pairs))
        self.headers.append(dict(request.headers))
        await self.hold.wait()
        if self.answers:
            return self.answers.pop(0)
        return JSONResponse({"token_type": "Bearer", "expires_in": 3599, "access_token": f"token-{len(self.forms)}"})

    def basic(self) -> tuple[str, str]:
        """User and password of the last request, as RFC 6749 2.3.1 has them."""
        scheme, pair = self.headers[-1]["authorization"].split(" ")
        assert scheme == "Basic"
        user, _, password = base64.b64decode(pair).decode("ascii").partition(":")
        return unquote_plus(user), unquote_plus(password)


Build = Callable[..., TokenSource]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def build(server: Server, clock: FakeClock) -> AsyncIterator[Build]:
    """Make the token source of an account `office` at the server."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(web(server.answer))
        http = HttpClient(clock=clock)
        stack.push_async_callback(http.close)

        def build(**changes: object) -> TokenSource:
            chosen = settings_of(f"http://127.0.0.1:{port}/tenant/oauth2/v2.0/token", **changes)
            return source("office", chosen, http, clock)

        yield build


async def error_of(tokens: TokenSource) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await tokens.get()
    assert "the-secret" not in f"{caught.value!r}{vars(caught.value)}"
    return caught.value


class TestRequest:
    async def test_client_secret_post(self, build: Build, server: Server, clock: FakeClock) -> None:
        token = await build().get()
        assert (token.value, token.expires_at) == ("token-1", clock.now + 3599)
        assert server.forms == [
            {
                "grant_type": "client_credentials",
                "scope": "https://outlook.office365.com/.default",
                "client_id": "the-client",
                "client_secret": "the-secret",
            }
        ]
        assert "authorization" not in server.headers[0]
        assert server.headers[0]["content-type"] == "application/x-www-form-urlencoded"
        assert server.headers[0]["accept"] == "application/json"

    async def test_client_secret_basic(self, build: Build, server: Server) -> None:
        await build(token_endpoint_auth_method="client_secret_basic").get()
        assert server.basic() == ("the-client", "the-secret")
        assert set(server.forms[0]) == {"grant_type", "scope"}, "a client proves itself in one way only (RFC 6749 2.3)"

    @pytest.mark.parametrize("secret", ODD)
    async def test_odd_secrets_arrive_intact(self, build: Build, server: Server, secret: str) -> None:
        client_id = f"id {secret}"
        both = {"client_id": Secret(client_id), "client_secret": Secret(secret)}
        await build(**both).get()
        assert (server.forms[-1]["client_id"], server.forms[-1]["client_secret"]) == (client_id, secret)
        await build(**both, token_endpoint_auth_method="client_secret_basic").get()
        assert server.basic() == (client_id, secret)

    async def test_scopes_and_extra_parameters(self, build: Build, server: Server) -> None:
        await build(
            scopes=("a", "b"), scope_delimiter=",", extra_parameters={"audience": "x y", "grant_type": "no"}
        ).get()
        assert server.forms[0]["scope"] == "a,b"
        assert server.forms[0]["audience"] == "x y"
        assert server.forms[0]["grant_type"] == "client_credentials"
        await build(scopes=(), extra_parameters={"resource": "r"}).get()
        assert "scope" not in server.forms[1]
        assert server.forms[1]["resource"] == "r"

    async def test_a_secret_changed_on_disk_is_used_at_the_next_request(
        self, build: Build, server: Server, tmp_path: Path
    ) -> None:
        file = tmp_path / "secret"
        file.write_text("old\n")
        tokens = build(client_secret=Secret(file=file))
        token = await tokens.get()
        file.write_text("new\n")
        await tokens.get()
        assert len(server.forms) == 1, "a good token is not renewed for that"
        await tokens.replace(token)
        assert [form["client_secret"] for form in server.forms] == ["old", "new"]

    async def test_id_and_secret_of_one_file_are_one_snapshot(
        self, build: Build, server: Server, tmp_path: Path
    ) -> None:
        file = tmp_path / "app.json"
        file.write_text(json.dumps({"id": "app-1", "secret": "secret-1"}))
        pointers = {
            "client_id": Secret(file=file, pointer="/id"),
            "client_secret": Secret(file=file, pointer="/secret"),
        }
        tokens = build(**pointers)
        token = await tokens.get()
        file.write_text(json.dumps({"id": "app-2", "secret": "secret-2"}))
        await tokens.replace(token)
        sent = [(form["client_id"], form["client_secret"]) for form in server.forms]
        assert sent == [("app-1", "secret-1"), ("app-2", "secret-2")]

    async def test_callers_share_one_request(self, build: Build, server: Server) -> None:
        server.hold.clear()
        tokens = build()
        callers = [asyncio.create_task(tokens.get()) for _ in range(20)]
        while not server.forms:
            await asyncio.sleep(0.001)
        callers[0].cancel()
        server.hold.set()
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert [getattr(result, "value", result) for result in results[1:]] == ["token-1"] * 19
        assert len(server.forms) == 1

    async def test_tls_with_the_configured_authority(self, server: Server, clock: FakeClock, tmp_path: Path) -> None:
        authority = Authority.make(tmp_path)
        async with web(server.answer, tls=authority.server()) as port:
            url = f"https://localhost:{port}/token"
            http = HttpClient(DefaultSettings(ca_file=authority.file))
            assert (await source("office", settings_of(url), http, clock).get()).value == "token-1"
            await http.close()
            plain = HttpClient()
            error = await error_of(source("office", settings_of(url), plain, clock))
            await plain.close()
        assert (error.error, error.temporary) == ("unreachable", True)
        assert "the certificate of localhost is not trusted" in str(error)
        assert "[http] ca_file" in error.hint
        assert len(server.forms) == 1, "nothing is sent to a server that is not trusted"


class TestRefusal:
    async def test_an_expired_secret(self, build: Build, server: Server) -> None:
        document = {
            "error": "invalid_client",
            "error_description": "AADSTS7000222: The provided client secret keys for app x are expired.\r\nTrace ID: 1",
            "error_codes": [7000222],
            "trace_id": "t-1",
            "correlation_id": "c-1",
        }
        server.answers = [JSONResponse(document, 401)]
        error = await error_of(build())
        assert str(error) == (
            "office: the token endpoint 127.0.0.1 refused: AADSTS7000222 invalid_client: The provided client secret"
            " keys for app x are expired. — The client secret has expired. Create a new one under App registrations >"
            " Certificates & secrets and put its *Value* into accounts.office.oauth.client_secret."
        )
        assert (error.codes, error.temporary, error.retry_after) == ((7000222,), False, 30.0)
        assert error.trace == "trace t-1, correlation c-1"

    async def test_throttled(self, build: Build, server: Server, clock: FakeClock) -> None:
        tokens = build()
        document = {"error": "temporarily_unavailable"}
        server.answers = [JSONResponse(document, 429, {"retry-after": "60"})]
        error = await error_of(tokens)
        assert (error.temporary, error.retry_after) == (True, 60.0)
        await clock.advance(59)
        assert (await error_of(tokens)).retry_after == 1.0
        assert len(server.forms) == 1
        await clock.advance(1)
        assert (await tokens.get()).value == "token-2"

    async def test_a_page_in_place_of_an_answer(self, build: Build, server: Server) -> None:
        server.answers = [HTMLResponse("<h1>Service unavailable</h1>", 503, {"retry-after": "120"})]
        error = await error_of(build())
        assert (error.error, error.temporary, error.retry_after) == ("invalid_response", True, 120.0)
        assert "status 503" in str(error)

    async def test_a_redirect_is_not_followed(self, build: Build, server: Server) -> None:
        server.answers = [Response(status_code=307, headers={"location": "/elsewhere"})]
        error = await error_of(build())
        assert not error.temporary
        assert "redirect" in str(error)
        assert len(server.forms) == 1

    async def test_a_huge_answer(self, build: Build, server: Server) -> None:
        server.answers = [JSONResponse({"access_token": "x" * 300_000})]
        error = await error_of(build())
        assert (error.error, error.temporary) == ("unreachable", True)
        assert "larger than" in str(error)

    @pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
    async def test_a_server_that_quotes_what_it_was_sent(self, build: Build, server: Server, method: str) -> None:
        pair = base64.b64encode(b"the-client:the-secret").decode()
        said = f"I was sent client_secret=the-secret, Basic {pair}"
        server.answers = [JSONResponse({"error": "invalid_client", "error_description": said}, 400)]
        error = await error_of(build(token_endpoint_auth_method=method))
        assert "I was sent client_secret=***" in str(error)
        assert method == "client_secret_post" or pair not in f"{error}{error.description}"


class TestNoAnswer:
    @pytest.mark.parametrize(
        ("url", "part"),
        [
            ("https://127.0.0.1:1/token", "127.0.0.1 port 1 refused the connection"),
            ("https://nothing.invalid/token", "nothing.invalid port 443 cannot be resolved"),
        ],
    )
    async def test_an_unreachable_endpoint(self, clock: FakeClock, url: str, part: str) -> None:
        http = HttpClient()
        error = await error_of(source("office", settings_of(url), http, clock))
        await http.close()
        assert (error.error, error.temporary, error.retry_after) == ("unreachable", True, 30.0)
        assert str(error).startswith("office: no token: ")
        assert part in str(error)

    async def test_a_secret_never_crosses_a_network_in_the_clear(self, clock: FakeClock) -> None:
        http = HttpClient()
        error = await error_of(source("office", settings_of("http://192.0.2.1/token"), http, clock))
        await http.close()
        assert (error.error, error.temporary) == ("insecure_endpoint", False)
        assert "https://" in error.hint
        assert "accounts.office.oauth.token_endpoint" in error.hint

    async def test_a_secret_that_cannot_be_read(self, build: Build, server: Server, tmp_path: Path) -> None:
        error = await error_of(build(client_secret=Secret(file=tmp_path / "absent")))
        assert (error.error, error.temporary) == ("secret_unreadable", False)
        assert f"{tmp_path / 'absent'}: does not exist" in str(error)
        assert server.forms == []

    @pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
    async def test_a_secret_that_is_no_text(self, build: Build, server: Server, tmp_path: Path, method: str) -> None:
        file = tmp_path / "s.json"
        file.write_text('{"s": "half a pair: \\ud83d"}')
        tokens = build(client_secret=Secret(file=file, pointer="/s"), token_endpoint_auth_method=method)
        error = await error_of(tokens)
        assert error.error == "secret_unreadable"
        assert "half a pair" not in str(error)
        assert server.forms == []


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [{"grant": "magic"}, {"grant": "password"}, {"token_endpoint_auth_method": "unknown"}, {"client_secret": None}],
    )
    async def test_what_a_checked_configuration_cannot_hold(self, build: Build, changes: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"grant|auth_method|client_secret|username"):
            build(**changes)

    async def test_the_configured_margin(self, build: Build, clock: FakeClock) -> None:
        token = await build(refresh_margin=1200.0).get()
        assert clock.now + 2399 - 120 <= token.refresh_at <= clock.now + 2399

    def test_requests_do_not_show_their_secrets(self) -> None:
        ways = [way(Secret("the-client"), Secret("the-secret")) for way in (ClientSecretPost, ClientSecretBasic)]
        for way in ways:
            request = way.add_to(TokenRequest("https://x.test/", {"a": "b"}))
            assert "the-secret" in request.secrets
            assert "the-secret" not in repr(request)
            assert "Basic" not in repr(request)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_id_and_secret_survive_basic(client_id: str, secret: str) -> None:
    request = ClientSecretBasic(Secret(client_id), Secret(secret)).add_to(TokenRequest("https://x.test/", {}))
    pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode("ascii")
    user, _, password = pair.partition(":")
    assert (unquote_plus(user), unquote_plus(password)) == (client_id, secret)
