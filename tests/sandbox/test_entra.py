"""The token endpoint: Entra's answers, in status, form and words."""

import base64
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2
import pytest

from relay.sandbox import Fault, Sandbox
from tests.sandbox.conftest import RecordingClock, Start, client_of
from tests.sandbox.token_requests import CLIENT, EXCHANGE, FORM, SECRET, check_error, claims, path

WRONG_SECRET = (
    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the"
    f" client secret ID, for a secret added to app '{CLIENT}'."
)
EXPIRED_SECRET = (
    f"The provided client secret keys for app '{CLIENT}' are expired. Visit the Azure portal to create new keys for"
    " your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security:"
    " https://aka.ms/certCreds."
)
NOT_DEFAULT = (
    "The provided value for scope https://outlook.office365.com/SMTP.SendAsApp is not valid. Client credential flows"
    " must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
)
TWO_SCOPES = (
    "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is"
    f" not valid. The scope {EXCHANGE} https://graph.microsoft.com/.default is not valid."
)
NO_TENANT = (
    "Tenant 'other.onmicrosoft.com' not found. Check to make sure you have the correct tenant ID and are signing into"
    " the correct cloud. Check with your subscription administrator, this may happen if there are no active"
    " subscriptions for the tenant."
)


async def ask(http: httpx2.AsyncClient, sandbox: Sandbox, **changes: Any) -> httpx2.Response:
    """A token request with parameters replaced, or left out where the change is None."""
    form = {name: value for name, value in (FORM | changes).items() if value is not None}
    return await http.post(path(sandbox), data=form)


@pytest.mark.parametrize(
    ("scope", "audience", "roles"),
    [
        ("https://outlook.office365.com/.default", "https://outlook.office365.com", ["SMTP.SendAsApp"]),
        ("https://outlook.office.com/.default", "https://outlook.office.com", ["SMTP.SendAsApp"]),
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com", ["Mail.Send", "Mail.ReadWrite"]),
    ],
)
async def test_a_token(start: Start, scope: str, audience: str, roles: list[str]) -> None:
    clock = RecordingClock()
    sandbox = await start(clock, http=True)
    async with client_of(sandbox) as http:
        answer = await ask(http, sandbox, scope=scope)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert "no-store" in answer.headers["cache-control"]
    body = answer.json()
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert (body["token_type"], body["expires_in"], body["ext_expires_in"]) == ("Bearer", 3599, 3599)
    told = claims(body["access_token"])
    assert (told["aud"], told["roles"], told["appid"]) == (audience, roles, CLIENT)
    assert (told["tid"], told["oid"]) == (sandbox.settings.tenant_id, sandbox.settings.service_principal_id)
    assert told["iss"] == f"https://sts.windows.net/{told['tid']}/"
    assert (told["iat"], told["nbf"], told["exp"]) == (clock.now - 300, clock.now - 300, clock.now + 3600)


async def test_the_tenant_by_its_id(web: Sandbox, http: httpx2.AsyncClient) -> None:
    answer = await http.post(f"/{web.settings.tenant_id}/oauth2/v2.0/token", data=FORM)
    assert answer.status_code == 200


async def test_without_consent_there_is_a_token_all_the_same(start: Start) -> None:
    sandbox = await start(http=True, graph_roles=())
    async with client_of(sandbox) as http:
        answer = await ask(http, sandbox, scope="https://graph.microsoft.com/.default")
    assert "roles" not in claims(answer.json()["access_token"])


NOT_INSTALLED = (
    " This can happen if the application has not been installed by the administrator of the tenant or consented to by"
    " any user in the tenant. You may have sent your authentication request to the wrong tenant."
)


@pytest.mark.parametrize(
    ("changes", "status", "error", "number", "text"),
    [
        (
            {"client_secret": "wrong"},
            401,
            "invalid_client",
            7000215,
            WRONG_SECRET,
        ),
        (
            {"client_secret": None},
            401,
            "invalid_client",
            7000216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        ),
        (
            {"client_id": "11111111-2222-3333-4444-555555555555"},
            400,
            "unauthorized_client",
            700016,
            "Application with identifier '11111111-2222-3333-4444-555555555555' was not found in the directory"
            " 'sandbox.onmicrosoft.com'." + NOT_INSTALLED,
        ),
        (
            {"grant_type": None},
            400,
            "invalid_request",
            900144,
            "The request body must contain the following parameter: 'grant_type'.",
        ),
        (
            {"client_id": None},
            400,
            "invalid_request",
            900144,
            "The request body must contain the following parameter: 'client_id'.",
        ),
        (
            {"scope": ""},
            400,
            "invalid_request",
            900144,
            "The request body must contain the following parameter: 'scope'.",
        ),
        (
            {"grant_type": "magic"},
            400,
            "unsupported_grant_type",
            70003,
            "The app requested an unsupported grant type 'magic'.",
        ),
        (
            {"scope": "https://outlook.office365.com/SMTP.SendAsApp"},
            400,
            "invalid_scope",
            1002012,
            NOT_DEFAULT,
        ),
        (
            {"scope": f"{EXCHANGE} https://graph.microsoft.com/.default"},
            400,
            "invalid_scope",
            70011,
            TWO_SCOPES,
        ),
        (
            {"scope": "https://outlook.ofice365.com/.default"},
            400,
            "invalid_resource",
            500011,
            "The resource principal named https://outlook.ofice365.com was not found in the tenant named"
            " sandbox.onmicrosoft.com." + NOT_INSTALLED.replace("may have", "might have"),
        ),
    ],
)
async def test_errors(
    web: Sandbox, http: httpx2.AsyncClient, changes: dict[str, Any], status: int, error: str, number: int, text: str
) -> None:
    answer = await ask(http, web, **changes)
    check_error(answer, status, error, number, text)


@pytest.mark.parametrize(
    ("tenant", "number", "text"),
    [
        (
            "other.onmicrosoft.com",
            90002,
            NO_TENANT,
        ),
        (
            "my company",
            900023,
            "Specified tenant identifier 'my company' is neither a valid DNS name, nor a valid external domain.",
        ),
        *(
            (
                name,
                50059,
                "No tenant-identifying information found in either the request or implied by any provided credentials.",
            )
            for name in ("common", "organizations", "consumers")
        ),
    ],
)
async def test_tenants(http: httpx2.AsyncClient, tenant: str, number: int, text: str) -> None:
    answer = await http.post(f"/{quote(tenant)}/oauth2/v2.0/token", data=FORM)
    check_error(answer, 400, "invalid_request", number, text)


async def test_what_is_no_form_has_no_parameters(web: Sandbox, http: httpx2.AsyncClient) -> None:
    text = "The request body must contain the following parameter: 'grant_type'."
    check_error(await http.post(path(web), json=FORM), 400, "invalid_request", 900144, text)


async def test_other_malformed_requests(web: Sandbox, http: httpx2.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    malformed = "Invalid request. Request is malformed or invalid."
    for body in (b"client_id=%FF", b"a=\xff", b"x" * 70_000, b"&".join(b"a%d=1" % n for n in range(101))):
        answer = await http.post(path(web), content=body, headers=headers)
        check_error(answer, 400, "invalid_request", 9002313, malformed)
    answer = await http.post(path(web), content=b"scope=a&scope=b", headers=headers)
    text = "The request is not properly formatted. The parameter 'scope' is duplicated."
    check_error(answer, 400, "invalid_request", 9000411, text)
    text = "The endpoint only accepts POST requests. Received a GET request."
    check_error(await http.get(path(web)), 400, "invalid_request", 900561, text)


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.mark.parametrize("secret", ["a+b%c:d &=ü~", SECRET], ids=["odd", "plain"])
async def test_client_secret_basic_is_form_encoded(start: Start, secret: str) -> None:
    """RFC 6749 section 2.3.1: each half is encoded before the two are joined."""
    sandbox = await start(http=True, client_secret=secret)
    form = {"grant_type": "client_credentials", "scope": EXCHANGE}
    async with client_of(sandbox) as http:
        answer = await http.post(path(sandbox), data=form, headers=basic(CLIENT, quote_plus(secret)))
        assert answer.status_code == 200
        answer = await http.post(path(sandbox), data=form, headers=basic(CLIENT, secret))
        assert answer.status_code == (200 if secret == SECRET else 401)


async def test_client_secret_basic_errors(web: Sandbox, http: httpx2.AsyncClient) -> None:
    form = {"grant_type": "client_credentials", "scope": EXCHANGE}
    answer = await http.post(path(web), data=form, headers=basic(CLIENT, "wrong"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Basic")
    assert answer.json()["error_codes"] == [7000215]
    for headers, extra in (
        ({"authorization": "Basic !!!"}, {}),
        ({"authorization": "Basic YQ=="}, {}),
        (basic(CLIENT, "%FF"), {}),
        (basic(CLIENT, SECRET), {"client_secret": SECRET}),
        (basic(CLIENT, SECRET), {"client_id": "other"}),
    ):
        answer = await http.post(path(web), data=form | extra, headers=headers)
        assert answer.json()["error_codes"] == [9002313]
    answer = await http.post(path(web), data=form | {"client_id": CLIENT}, headers=basic(CLIENT, SECRET))
    assert answer.status_code == 200


async def test_the_callers_correlation_id_is_kept(web: Sandbox, http: httpx2.AsyncClient) -> None:
    headers = {"client-request-id": "0f0f0f0f-0000-4000-8000-000000000000"}
    answer = await http.post(path(web), data={}, headers=headers)
    assert answer.json()["correlation_id"] == headers["client-request-id"]


@pytest.mark.parametrize(
    ("kind", "status", "error", "number", "text"),
    [
        (
            "expired_secret",
            401,
            "invalid_client",
            7000222,
            EXPIRED_SECRET,
        ),
        (
            "wrong_secret",
            401,
            "invalid_client",
            7000215,
            WRONG_SECRET,
        ),
    ],
)
async def test_secret_faults(
    web: Sandbox, http: httpx2.AsyncClient, kind: str, status: int, error: str, number: int, text: str
) -> None:
    web.faults.add(Fault(kind=kind, times=1))
    check_error(await ask(http, web), status, error, number, text)
    assert (await ask(http, web)).status_code == 200
    assert web.entra.requests == 2


@pytest.mark.parametrize(
    ("wait", "header"), [(60, "60"), (2.128, "2.128"), ("Fri, 31 Dec 1999 23:59:59 GMT",) * 2, (None, None)]
)
async def test_throttled(web: Sandbox, http: httpx2.AsyncClient, wait: float | str | None, header: str | None) -> None:
    web.faults.add(Fault(kind="throttled", times=1, retry_after=wait))
    answer = await ask(http, web)
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, header)
    assert answer.json()["error_codes"] == [90055]


async def test_other_faults(web: Sandbox, http: httpx2.AsyncClient) -> None:
    web.faults.add(Fault(kind="unavailable", at="token", times=1, retry_after=5))
    answer = await ask(http, web)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "<h2>Service Unavailable</h2>" in answer.text
    web.faults.add(Fault(kind="truncated_json", times=1))
    answer = await ask(http, web)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()
    web.faults.add(Fault(kind="no_roles", times=1))
    assert "roles" not in claims((await ask(http, web)).json()["access_token"])
    fields = {"expires_in": "3599", "refresh_in": 1800, "ext_expires_in": None}
    web.faults.add(Fault(kind="token_fields", times=1, fields=fields))
    body = (await ask(http, web)).json()
    assert (body["expires_in"], body["refresh_in"], "ext_expires_in" in body) == ("3599", 1800, False)
    web.faults.add(Fault(kind="http_reply", at="token", times=1, status=200, body="<p>proxy</p>"))
    answer = await ask(http, web)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        200,
        "<p>proxy</p>",
        "text/html; charset=utf-8",
    )
    assert (await ask(http, web)).status_code == 200


async def test_a_dropped_connection(web: Sandbox, http: httpx2.AsyncClient) -> None:
    web.faults.add(Fault(kind="disconnect", at="token", times=1))
    with pytest.raises(httpx2.TransportError):
        await ask(http, web)
    assert (await ask(http, web)).status_code == 200
