"""Users of the stand-in tenant: the grant `password`, and what the tokens of a user open."""

import base64
from typing import Any

import httpx2
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.conftest import Start, client_of
from tests.sandbox.raw import MESSAGE, connected
from tests.sandbox.token_requests import CLIENT, SECRET, claims, path

USER, OTHER = "noreply@sandbox.onmicrosoft.com", "ann@sandbox.onmicrosoft.com"
SMTP, GRAPH = "https://outlook.office.com/SMTP.Send", "https://graph.microsoft.com/Mail.Send"
FORM = {"grant_type": "password", "client_id": CLIENT, "username": USER, "password": "the-password", "scope": SMTP}


@pytest.fixture
async def sandbox(start: Start) -> Sandbox:
    return await start(http=True, user_password="the-password", more_mailboxes=(OTHER,))


async def ask(sandbox: Sandbox, at: str = "", **changes: Any) -> httpx2.Response:
    async with client_of(sandbox) as http:
        return await http.post(at or path(sandbox), data=FORM | changes)


@pytest.mark.parametrize("scope", [SMTP, f"{SMTP} offline_access", "https://outlook.office.com/.default"])
@pytest.mark.parametrize("secret", [{}, {"client_secret": SECRET}])
async def test_a_token(sandbox: Sandbox, scope: str, secret: dict[str, str]) -> None:
    answer = await ask(sandbox, scope=scope, username=USER.upper(), **secret)
    assert answer.status_code == 200
    told = claims(answer.json()["access_token"])
    assert (told["aud"], told["upn"], told["scp"]) == ("https://outlook.office.com", USER, "SMTP.Send")
    assert answer.json()["scope"] == SMTP


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"password": "wrong"}, 50126),
        ({"username": "nobody@example.com"}, 50034),
        ({"password": ""}, 900144),
        ({"client_secret": "wrong"}, 7000215),
        ({"scope": "https://outlook.office.com/Mail.Read"}, 65001),
        ({"scope": f"{SMTP} {GRAPH}"}, 70011),
        ({"scope": "https://example.com/Mail.Send"}, 500011),
    ],
)
async def test_refusals(sandbox: Sandbox, changes: dict[str, str], number: int) -> None:
    assert (await ask(sandbox, **changes)).json()["error_codes"] == [number]


async def test_nobody_signs_in_where_there_is_no_password(start: Start) -> None:
    sandbox = await start(http=True)
    assert (await ask(sandbox)).json()["error_codes"] == [50126]


@pytest.mark.parametrize(("tenant", "number"), [("common", 9001023), ("consumers", 9001023), ("organizations", None)])
async def test_tenants(sandbox: Sandbox, tenant: str, number: int | None) -> None:
    answer = await ask(sandbox, f"/{tenant}/oauth2/v2.0/token")
    assert answer.json().get("error_codes", [None]) == [number]


@pytest.mark.parametrize(("mailbox", "status"), [(USER, 202), (OTHER, 403)])
async def test_graph_opens_the_users_own_mailbox(sandbox: Sandbox, mailbox: str, status: int) -> None:
    token = (await ask(sandbox, scope=GRAPH)).json()["access_token"]
    headers = {"authorization": f"Bearer {token}", "content-type": "text/plain"}
    body = base64.b64encode(MESSAGE)
    async with client_of(sandbox) as http:
        answer = await http.post(f"/v1.0/users/{mailbox}/sendMail", content=body, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("mailbox", "scope", "reply"), [(USER, SMTP, "235 "), (OTHER, SMTP, "535 "), (USER, GRAPH, "535 ")]
)
async def test_exchange_opens_the_users_own_mailbox(sandbox: Sandbox, mailbox: str, scope: str, reply: str) -> None:
    token = (await ask(sandbox, scope=scope)).json()["access_token"]
    async with connected(sandbox) as client:
        await client.secure()
        assert (await client.sign_in(mailbox, token)).startswith(reply)


async def test_each_user_can_have_a_password_of_his_own(start: Start) -> None:
    own = {OTHER.upper(): "anns"}
    sandbox = await start(http=True, user_password="the-password", more_mailboxes=(OTHER,), mailbox_passwords=own)
    assert (await ask(sandbox)).status_code == 200
    assert (await ask(sandbox, username=OTHER)).json()["error_codes"] == [50126]
    assert (await ask(sandbox, username=OTHER, password="anns")).status_code == 200


async def test_a_second_factor(start: Start) -> None:
    sandbox = await start(http=True, user_password="the-password", second_factor=(USER,))
    assert (await ask(sandbox, password="wrong")).json()["error_codes"] == [50126]
    answer = (await ask(sandbox)).json()
    assert (answer["error"], answer["error_codes"]) == ("invalid_grant", [50076])


async def test_a_refresh_token_comes_where_it_was_asked_for(sandbox: Sandbox) -> None:
    assert "refresh_token" not in (await ask(sandbox)).json()
    first = (await ask(sandbox, scope=f"{SMTP} offline_access", username=OTHER)).json()
    form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": first["refresh_token"]}
    async with client_of(sandbox) as http:
        answer = await http.post(path(sandbox), data=form)
        assert claims(answer.json()["access_token"])["upn"] == OTHER
        sandbox.entra.sign_ins.revoke(OTHER)
        assert (await http.post(path(sandbox), data=form)).json()["error_codes"] == [50173]
