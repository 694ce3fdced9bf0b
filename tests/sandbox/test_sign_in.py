"""Users who sign in at the stand-in Entra ID: pages, codes, refresh tokens, devices, and what discovery tells."""

import base64
import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest

from relay.sandbox import Fault, FaultError, Sandbox
from tests.sandbox.conftest import RecordingClock, Start, client_of
from tests.sandbox.raw import MESSAGE, connected
from tests.sandbox.token_requests import CLIENT

MAILBOX = "noreply@sandbox.onmicrosoft.com"
SEND = "https://outlook.office.com/SMTP.Send"
# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REDIRECT = "http://127.0.0.1:51234"
ASK = {
    "client_id": CLIENT,
    "response_type": "code",
    "redirect_uri": REDIRECT,
    "scope": f"{SEND} openid email offline_access",
    "state": "s t&te",
    "nonce": "once",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def url(sandbox: Sandbox, name: str) -> str:
    return f"/{sandbox.settings.tenant}/oauth2/v2.0/{name}"


async def sign_in(http: httpx2.AsyncClient, sandbox: Sandbox, answer: str = "accept", **changes: str) -> dict[str, str]:
    """Open the page, press a button: what comes back to the application."""
    page = await http.get(url(sandbox, "authorize"), params=ASK | changes)
    assert page.status_code == 200, page.text
    fields = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    }
    done = await http.post(url(sandbox, "authorize"), data={**fields, "user": MAILBOX, "answer": answer})
    assert done.status_code == 302
    place = urlsplit(done.headers["location"])
    assert f"{place.scheme}://{place.netloc}" == (ASK | changes)["redirect_uri"].rstrip("/")
    return {name: values[0] for name, values in parse_qs(place.query).items()}


async def redeem(http: httpx2.AsyncClient, sandbox: Sandbox, **form: str) -> httpx2.Response:
    return await http.post(url(sandbox, "token"), data={"client_id": CLIENT, **form})


async def exchange(http: httpx2.AsyncClient, sandbox: Sandbox, code: str, **changes: str) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    return await redeem(http, sandbox, **(form | changes))


async def refresh(http: httpx2.AsyncClient, sandbox: Sandbox, token: str, **changes: str) -> httpx2.Response:
    return await redeem(http, sandbox, **({"grant_type": "refresh_token", "refresh_token": token} | changes))


async def signed_in(http: httpx2.AsyncClient, sandbox: Sandbox) -> dict[str, Any]:
    body: dict[str, Any] = (await exchange(http, sandbox, (await sign_in(http, sandbox))["code"])).json()
    return body


def error(answer: httpx2.Response) -> tuple[str, int]:
    assert answer.status_code in (400, 401), answer.text
    return answer.json()["error"], answer.json()["error_codes"][0]


async def test_a_whole_sign_in(http: httpx2.AsyncClient, web: Sandbox) -> None:
    back = await sign_in(http, web)
    assert back["state"] == "s t&te"
    answer = await exchange(http, web, back["code"])
    body = answer.json()
    assert set(body) >= {"access_token", "refresh_token", "id_token", "expires_in", "token_type"}
    assert body["scope"] == f"{SEND} openid email"
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert (claims["scp"], claims["upn"], claims["aud"]) == ("SMTP.Send", MAILBOX, "https://outlook.office.com")
    assert "roles" not in claims


async def test_the_id_token_is_signed_with_a_published_key(http: httpx2.AsyncClient, web: Sandbox) -> None:
    """Checked by a library that shares no code with the sandbox."""
    body = await signed_in(http, web)
    found = (await http.get(f"/{web.settings.tenant}/v2.0/.well-known/openid-configuration")).json()
    assert found["token_endpoint"] == web.token_endpoint
    keys = jwt.PyJWKSet.from_dict((await http.get(found["jwks_uri"])).json())
    key = keys[jwt.get_unverified_header(body["id_token"])["kid"]]
    claims = jwt.decode(body["id_token"], key, ["RS256"], audience=CLIENT, issuer=found["issuer"])
    assert (claims["nonce"], claims["preferred_username"], claims["email"]) == ("once", MAILBOX, MAILBOX)
    assert claims["tid"] == web.settings.tenant_id


async def test_the_token_sends_as_its_own_user_only(start: Start) -> None:
    web = await start(http=True, more_mailboxes=("other@sandbox.onmicrosoft.com",))
    async with client_of(web) as http:
        token = (await signed_in(http, web))["access_token"]
    async with connected(web) as client:
        await client.secure()
        other = base64.b64encode(f"user=other@sandbox.onmicrosoft.com\1auth=Bearer {token}\1\1".encode()).decode()
        assert (await client.say(f"AUTH XOAUTH2 {other}")).startswith("535 ")
        own = base64.b64encode(f"user={MAILBOX}\1auth=Bearer {token}\1\1".encode()).decode()
        assert (await client.say(f"AUTH XOAUTH2 {own}")).startswith("235 ")


async def test_graph_takes_a_user_s_token(http: httpx2.AsyncClient, web: Sandbox) -> None:
    scope = "https://graph.microsoft.com/Mail.Send"
    code = (await sign_in(http, web, scope=scope))["code"]
    token = (await exchange(http, web, code)).json()["access_token"]
    content = base64.b64encode(MESSAGE.replace(b"Subject", f"To: {MAILBOX}\r\nSubject".encode(), 1))
    headers = {"authorization": f"Bearer {token}", "content-type": "text/plain"}
    answer = await http.post(f"/v1.0/users/{MAILBOX}/sendMail", content=content, headers=headers)
    assert answer.status_code != 403, answer.text


async def test_a_user_who_declines(http: httpx2.AsyncClient, web: Sandbox) -> None:
    back = await sign_in(http, web, answer="cancel")
    assert (back["error"], back["state"]) == ("access_denied", "s t&te")
    assert "65004" in back["error_description"]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"redirect_uri": "https://evil.example"}, 50011),
        ({"redirect_uri": "http://127.0.0.1:1/other"}, 50011),
        ({"redirect_uri": ""}, 900144),
        ({"client_id": "11111111-2222-3333-4444-555555555555"}, 700016),
    ],
)
async def test_a_stranger_s_request_goes_back_to_nobody(
    http: httpx2.AsyncClient, web: Sandbox, changes: dict[str, str], number: int
) -> None:
    page = await http.get(url(web, "authorize"), params=ASK | changes)
    assert page.status_code == 400
    assert f"AADSTS{number}" in page.text


@pytest.mark.parametrize(
    "changes",
    [{"response_type": "token"}, {"scope": "openid"}, {"scope": f"{SEND} https://graph.microsoft.com/Mail.Send"}],
)
async def test_a_wrong_request_goes_back_as_an_error(
    http: httpx2.AsyncClient, web: Sandbox, changes: dict[str, str]
) -> None:
    answer = await http.get(url(web, "authorize"), params=ASK | changes)
    assert answer.status_code == 302
    assert "error=invalid" in answer.headers["location"]


async def test_a_page_shows_nothing_that_it_was_sent_as_html(http: httpx2.AsyncClient, web: Sandbox) -> None:
    page = await http.get(url(web, "authorize"), params=ASK | {"state": '"><script>alert(1)</script>'})
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code_verifier": "w" * 43}, ("invalid_grant", 501481)),
        ({"code_verifier": ""}, ("invalid_grant", 501481)),
        ({"redirect_uri": "http://127.0.0.1:1"}, ("invalid_client", 500112)),
        ({"code": "made up"}, ("invalid_request", 9002313)),
        ({"client_secret": "wrong"}, ("invalid_client", 7000215)),
    ],
)
async def test_a_code_is_redeemed_only_by_who_asked(
    http: httpx2.AsyncClient, web: Sandbox, changes: dict[str, str], expected: tuple[str, int]
) -> None:
    code = (await sign_in(http, web))["code"]
    assert error(await exchange(http, web, **({"code": code} | changes))) == expected


async def test_a_code_is_good_once_and_for_ten_minutes(start: Start) -> None:
    clock = RecordingClock()
    web = await start(clock, http=True)
    async with client_of(web) as http:
        code = (await sign_in(http, web))["code"]
        assert (await exchange(http, web, code)).status_code == 200
        assert error(await exchange(http, web, code)) == ("invalid_grant", 54005)
        late = (await sign_in(http, web))["code"]
        await clock.advance(600)
        assert error(await exchange(http, web, late)) == ("invalid_grant", 70008)


async def test_a_confidential_application_needs_its_secret(start: Start) -> None:
    web = await start(http=True, public_client=False)
    async with client_of(web) as http:
        code = (await sign_in(http, web))["code"]
        assert error(await exchange(http, web, code)) == ("invalid_client", 7000218)
        assert (await exchange(http, web, code, client_secret="sandbox-secret")).status_code == 200


async def test_refresh_tokens_rotate_and_the_old_one_goes_on(http: httpx2.AsyncClient, web: Sandbox) -> None:
    first = (await signed_in(http, web))["refresh_token"]
    second = (await refresh(http, web, first)).json()["refresh_token"]
    assert second != first
    assert (await refresh(http, web, first)).status_code == 200
    assert (await refresh(http, web, second)).status_code == 200


async def test_without_offline_access_there_is_none(http: httpx2.AsyncClient, web: Sandbox) -> None:
    code = (await sign_in(http, web, scope=SEND))["code"]
    body = (await exchange(http, web, code)).json()
    assert "refresh_token" not in body
    assert "id_token" not in body


async def test_a_revoked_sign_in(http: httpx2.AsyncClient, web: Sandbox) -> None:
    token = (await signed_in(http, web))["refresh_token"]
    web.entra.sign_ins.revoke(MAILBOX)
    assert error(await refresh(http, web, token)) == ("invalid_grant", 50173)
    assert error(await refresh(http, web, "made up")) == ("invalid_request", 9002313)


@pytest.mark.parametrize(("code", "number"), [("", 700082), ("50173", 50173), ("70043", 70043)])
async def test_a_refresh_token_refused_by_order(http: httpx2.AsyncClient, web: Sandbox, code: str, number: int) -> None:
    token = (await signed_in(http, web))["refresh_token"]
    web.faults.add(Fault(kind="invalid_grant", code=code, times=1))
    assert error(await refresh(http, web, token)) == ("invalid_grant", number)
    assert (await refresh(http, web, token)).status_code == 200


def test_an_order_with_an_unknown_number() -> None:
    with pytest.raises(FaultError, match="knows the codes 700082"):
        Fault(kind="invalid_grant", code="1")


async def test_a_device_signs_in(http: httpx2.AsyncClient, web: Sandbox) -> None:
    begun = (await http.post(url(web, "devicecode"), data={"client_id": CLIENT, "scope": ASK["scope"]})).json()
    assert (begun["interval"], begun["expires_in"]) == (5, 900)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": begun["device_code"]}
    assert error(await redeem(http, web, **form)) == ("authorization_pending", 70016)
    page = urlsplit(begun["verification_uri"]).path
    assert 'name="user_code"' in (await http.get(page)).text
    wrong = await http.post(page, data={"user_code": "WRONG", "user": MAILBOX, "answer": "accept"})
    assert wrong.status_code == 400
    typed = {"user_code": begun["user_code"].lower(), "user": MAILBOX, "answer": "accept"}
    assert (await http.post(page, data=typed)).status_code == 200
    web.faults.add(Fault(kind="slow_down", times=1))
    assert error(await redeem(http, web, **form))[0] == "slow_down"
    body = (await redeem(http, web, **form)).json()
    assert jwt.decode(body["access_token"], options={"verify_signature": False})["upn"] == MAILBOX
    assert error(await redeem(http, web, **form)) == ("bad_verification_code", 70018)


async def test_a_device_that_is_declined_or_too_late(start: Start) -> None:
    clock = RecordingClock()
    web = await start(clock, http=True)
    async with client_of(web) as http:
        ask = {"client_id": CLIENT, "scope": ASK["scope"]}
        first, second = [(await http.post(url(web, "devicecode"), data=ask)).json() for _ in range(2)]
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
        await http.post("/devicelogin", data={"user_code": first["user_code"], "answer": "cancel"})
        declined = await redeem(http, web, **form, device_code=first["device_code"])
        assert error(declined) == ("authorization_declined", 65004)
        await clock.advance(900)
        late = await redeem(http, web, **form, device_code=second["device_code"])
        assert error(late) == ("expired_token", 70019)
        typed = {"user_code": second["user_code"], "answer": "accept"}
        assert (await http.post("/devicelogin", data=typed)).status_code == 400
