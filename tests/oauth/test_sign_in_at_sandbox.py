"""A stored sign-in against the stand-in Entra ID: real HTTPS, rotation, revocation, a mailbox that takes the token."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay import oauth
from relay.config import Http, OAuth, Secret
from relay.database import Database
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import ConsentStore, TokenError, TokenSource
from relay.oauth.store import CONSENT_NEEDED, SignIn
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http
from tests.support import consent, stored

SCOPE = "https://outlook.office.com/SMTP.Send"


class Case:
    """The sandbox, a store with its mailbox's sign-in, and sources that use it."""

    def __init__(self, sandbox: Sandbox, database: Database, store: ConsentStore, http: HttpClient) -> None:
        self.sandbox = sandbox
        self.store = store
        self._database = database
        self._http = http
        self.settings = OAuth(
            grant="authorization_code",
            client_id=Secret(sandbox.settings.client_id),
            token_endpoint_auth_method="none",
            token_endpoint=sandbox.token_endpoint,
            scopes=(SCOPE,),
        )

    async def forget(self) -> None:
        """Take away the access token that the sources have in common: the next one asks with the sign-in."""
        await self._database.write(lambda connection: connection.execute("DELETE FROM access_token"))

    def source(self) -> TokenSource:
        return oauth.source("office", self.settings, self._http, Clock(), self.store)

    async def sign_in(self) -> str:
        token = await asyncio.to_thread(consent.refresh_token, self.sandbox)
        given = SignIn(
            "office", token, self.sandbox.settings.client_id, self.sandbox.token_endpoint, f"{SCOPE} offline_access"
        )
        await self.store.keep(given)
        return token

    async def kept(self) -> str:
        found = await self.store.find("office")
        assert found is not None
        return self.store.token_of(found)


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    settings = SandboxSettings(folder=tmp_path / "sandbox")
    async with Sandbox(settings, serve_http) as sandbox, stored.database(tmp_path) as database:
        http = HttpClient(Http(ca_file=sandbox.ca_file))
        yield Case(sandbox, database, stored.store(database, tmp_path), http)
        await http.close()


async def test_a_token_for_the_user_s_own_mailbox(case: Case) -> None:
    first = await case.sign_in()
    token = await case.source().get()
    claims = oauth.claims(token)
    assert (claims["scp"], claims["upn"]) == ("SMTP.Send", case.sandbox.settings.mailbox)
    assert await case.kept() != first, "the new refresh token is kept"
    assert (await case.source().get()).value == token.value
    assert case.sandbox.entra.requests == 2, "the second source uses what the first has fetched"
    await case.forget()
    await case.source().get()
    assert case.sandbox.entra.requests == 3


async def test_a_revoked_sign_in_waits_for_a_new_one(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    await case.sign_in()
    await case.source().get()
    await case.forget()
    case.sandbox.entra.sign_ins.revoke(case.sandbox.settings.mailbox)
    with caplog.at_level(logging.INFO, "relay"), pytest.raises(TokenError) as caught:
        await case.source().get()
    assert (caught.value.error, caught.value.codes, caught.value.temporary) == ("invalid_grant", (50173,), False)
    assert "relay authorize office" in caught.value.hint
    assert "office: its sign-in has ended" in caplog.text
    found = await case.store.find("office")
    assert found is not None
    assert found.state == CONSENT_NEEDED
    assert "AADSTS50173" in found.error
    asked = case.sandbox.entra.requests
    with pytest.raises(TokenError):
        await case.source().get()
    assert case.sandbox.entra.requests == asked, "it is left alone"
    await case.sign_in()
    await case.source().get()


async def test_trouble_at_the_endpoint_leaves_the_sign_in_as_it_is(case: Case) -> None:
    first = await case.sign_in()
    for fault in (Fault(kind="unavailable", times=1), Fault(kind="truncated_json", times=1)):
        case.sandbox.faults.add(fault)
        with pytest.raises(TokenError):
            await case.source().get()
        assert await case.kept() == first
        await case.forget()
    await case.source().get()


async def test_an_endpoint_that_quotes_the_token_does_not_get_it_into_the_log(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    token = await case.sign_in()
    body = f'{{"error": "invalid_grant", "error_description": "bad token {token}"}}'
    case.sandbox.faults.add(
        Fault(kind="http_reply", at="token", status=400, body=body, content_type="application/json", times=1)
    )
    with caplog.at_level(logging.DEBUG, "relay"), pytest.raises(TokenError) as caught:
        await case.source().get()
    assert token not in f"{caught.value} {caught.value.description} {caplog.text}"
    found = await case.store.find("office")
    assert token not in repr(found)
    assert token not in str(dataclasses.astuple(found) if found else "")
