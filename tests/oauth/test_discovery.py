"""Discovery: which issuers are taken for the one that was asked, how long it is remembered, and what else can come."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay.http import HttpClient, HttpResponse
from relay.oauth import TokenError
from relay.oauth.discovery import KEPT, Discovery, is_issuer
from tests.oauth.conftest import Account, Provider, refusal
from tests.support.clock import FakeClock

ROOT = "https://login.microsoftonline.com"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@pytest.mark.parametrize(
    ("asked", "said", "entra", "same"),
    [
        ("https://idp.example.com", "https://idp.example.com", False, True),
        ("https://idp.example.com/", "https://idp.example.com", False, True),
        ("https://idp.example.com", "https://idp.example.com/", False, True),
        ("https://accounts.google.com", "accounts.google.com", False, True),
        ("accounts.google.com", "https://accounts.google.com", False, True),
        ("https://IDP.example.com/a", "https://idp.example.com/a", False, True),
        ("https://idp.example.com/a", "https://idp.example.com/A", False, False),
        ("https://idp.example.com/a", "https://idp.example.com/b", False, False),
        ("https://idp.example.com/a", "https://idp.example.com", False, False),
        ("https://idp.example.com", "https://idp.example.com.evil.example", False, False),
        ("https://idp.example.com", "http://idp.example.com", False, False),
        ("https://idp.example.com", "https://idp.example.com:8443", False, False),
        ("https://idp.example.com", "https://idp.example.com?a=b", False, False),
        ("https://idp.example.com", "", False, False),
        ("https://idp.example.com", "https://[", False, False),
        (f"{ROOT}/common/v2.0", f"{ROOT}/{{tenantid}}/v2.0", False, True),
        (f"{ROOT}/common/v2.0", f"{ROOT}/{{tenantid}}", False, False),
        (f"{ROOT}/common/v2.0", "https://evil.example/{tenantid}/v2.0", True, False),
        (f"{ROOT}/contoso.com/v2.0", f"{ROOT}/{TENANT}/v2.0", True, True),
        (f"{ROOT}/contoso.com/v2.0", f"{ROOT}/{TENANT}/v2.0", False, False),
        (f"{ROOT}/consumers/v2.0", f"{ROOT}/{TENANT}/v2.0", True, True),
        (f"{ROOT}/{TENANT}/v2.0", f"{ROOT}/{TENANT[::-1]}/v2.0", True, False),
        (f"{ROOT}/contoso.com/v2.0", f"{ROOT}/fabrikam.com/v2.0", True, False),
        (f"{ROOT}/contoso.com", f"https://sts.windows.net/{TENANT}/", True, False),
    ],
)
def test_whose_metadata_they_are(asked: str, said: str, entra: bool, same: bool) -> None:
    assert is_issuer(asked, said, entra=entra) is same


@given(st.text(), st.text(), st.booleans())
def test_anything_may_be_said(asked: str, said: str, entra: bool) -> None:
    assert is_issuer(asked, asked)
    assert is_issuer(asked, said, entra=entra) in (True, False)


class Idp(Provider):
    """A provider that publishes its metadata, or something else."""

    def __init__(self) -> None:
        super().__init__()
        self.published: Response | None = None
        self.asked = 0

    @property
    def issuer(self) -> str:
        return self.url.removesuffix("/token")

    async def answer(self, request: Request) -> Response:
        if request.url.path != "/.well-known/openid-configuration":
            return await super().answer(request)
        self.asked += 1
        return self.published or JSONResponse({"issuer": self.issuer, "token_endpoint": self.url})


@pytest.fixture
def provider_type() -> type[Provider]:
    return Idp


@pytest.fixture
def idp(provider: Provider) -> Idp:
    assert isinstance(provider, Idp)
    return provider


ALONE = {"token_endpoint": None, "token_endpoint_auth_method": "none"}


async def test_an_issuer_alone_is_enough(account: Account, idp: Idp, clock: FakeClock) -> None:
    tokens = account(**ALONE, issuer=idp.issuer)
    assert (await tokens.get()).value == "token-1"
    for _ in range(30):
        await clock.advance(3600)
        await tokens.get()
    assert len(idp.forms) > 25
    assert idp.asked == 2, "once a day"


async def test_an_old_document_is_better_than_none(
    account: Account, idp: Idp, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = account(**ALONE, issuer=f"{idp.issuer}/")
    await tokens.get()
    idp.published = Response(status_code=503)
    await clock.advance(KEPT)
    assert (await tokens.get()).value == "token-2"
    assert "what the issuer said before is used on" in caplog.text


@pytest.mark.parametrize(
    ("published", "temporary", "part"),
    [
        (Response("no", 404), False, "answered status 404 and no provider metadata"),
        (Response("no", 503, {"retry-after": "120"}), True, "answered status 503"),
        (Response(status_code=302, headers={"location": "/elsewhere"}), False, "answered status 302"),
        (Response("<html>", 200), False, "no provider metadata"),
        (JSONResponse(["issuer"]), False, "no provider metadata"),
        (JSONResponse({"token_endpoint": "https://evil.example/token"}), False, 'is the metadata of ""'),
        (
            JSONResponse({"issuer": "https://evil.example", "token_endpoint": "https://evil.example/token"}),
            False,
            'is the metadata of "https://evil.example"',
        ),
        (JSONResponse({"issuer": f"https://sts.windows.net/{TENANT}/"}), False, "an issuer ends in /v2.0"),
        (JSONResponse({"issuer": 3, "token_endpoint": {}}), False, 'is the metadata of ""'),
    ],
)
async def test_what_else_can_come(account: Account, idp: Idp, published: Response, temporary: bool, part: str) -> None:
    idp.published = published
    error = await refusal(account(**ALONE, issuer=idp.issuer))
    assert (error.error, error.temporary) == ("no_metadata", temporary)
    assert part in str(error)
    assert idp.forms == []
    if temporary:
        assert error.retry_after == 120
    else:
        assert "Correct accounts.office.oauth.issuer, or write token_endpoint in its place" in error.hint


@pytest.mark.parametrize(
    ("endpoint", "error", "part"),
    [
        (None, "no_metadata", "names no token_endpoint"),
        ("file:///etc/passwd", "no_metadata", "names no token_endpoint"),
        ("http://192.0.2.1/token", "insecure_endpoint", "without TLS"),
    ],
)
async def test_where_nothing_is_sent(account: Account, idp: Idp, endpoint: str | None, error: str, part: str) -> None:
    idp.published = JSONResponse({"issuer": idp.issuer, "token_endpoint": endpoint})
    refused = await refusal(account(**ALONE, issuer=idp.issuer))
    assert refused.error == error
    assert part in str(refused)


async def test_nobody_answers(account: Account) -> None:
    error = await refusal(account(**ALONE, issuer="http://127.0.0.1:1"))
    assert (error.error, error.temporary) == ("unreachable", True)


SAID = st.text(max_size=20) | st.sampled_from(["https://idp.example.com", "https://evil.example/token"])
JSON = SAID | st.none() | st.integers() | st.floats() | st.lists(SAID, max_size=2)
FIELDS = st.dictionaries(st.sampled_from(["issuer", "token_endpoint", "jwks_uri", "other"]), JSON)


BODIES = st.binary(max_size=50) | FIELDS.map(lambda document: json.dumps(document).encode())


# On a busy machine the first examples take their time.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BODIES, st.sampled_from([200, 204, 302, 500]))
def test_hostile_metadata(body: bytes, status: int) -> None:
    """Nothing that comes raises anything but a TokenError, and no other provider's addresses are believed."""
    discovery = Discovery("office", "https://idp.example.com", HttpClient(), FakeClock())
    try:
        found = discovery._read("https://idp.example.com/x", HttpResponse(status, {}, body))
    except TokenError:
        return
    assert is_issuer("https://idp.example.com", found.issuer)


async def test_get_as_token_request_method(account: Account, provider: Provider) -> None:
    keys = {"token_request_method": "GET", "token_endpoint_auth_method": "none"}
    await account(**keys, extra_parameters={"a": "x y&z"}).get()
    (request,) = provider.requests
    assert (request.method, request.headers.get("content-length")) == ("GET", None)
    sent = {"client_id": "the-client", "grant_type": "client_credentials", "scope": "mail"}
    assert dict(request.query_params) == {"a": "x y&z", **sent}
    provider.url += "?realm=mail"
    await account(**keys).get()
    assert dict(provider.requests[1].query_params) == {"realm": "mail", **sent}
