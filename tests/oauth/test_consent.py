"""Signing in at the stand-in Entra ID, the whole way: browser, pasted link, device code; and what must not be kept."""

import asyncio
import base64
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from relay import oauth
from relay.config import Http, OAuth, Secret
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import ConsentStore
from relay.oauth.access_token import Granted
from relay.oauth.consent import ConsentError, Parts, sign_in
from relay.oauth.request import Grant
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http
from tests.support import stored
from tests.support.consent import Browser

MAILBOX = "noreply@sandbox.onmicrosoft.com"
OTHER = "other@sandbox.onmicrosoft.com"
SCOPE = "https://outlook.office.com/SMTP.Send"


class Terminal:
    """A person whose browser, pasting and answers a test decides."""

    def __init__(self, browser: Browser | None, *, pastes: bool = False, confirms: bool = False) -> None:
        self.browser = browser
        self.pastes = pastes
        self.confirms = confirms
        self.said: list[str] = []
        self.questions: list[str] = []
        self.names: list[str] = []
        self.link = ""
        self.seen: list[httpx2.Response] = []
        self.counted: list[float] = []
        self._visit: asyncio.Task[None] | None = None

    def say(self, text: str) -> None:
        self.said.append(text)
        typed = re.search(r"open (\S+) in a browser on any machine and enter the code (\w+)", text)
        if typed and self.browser:
            self._visit = asyncio.create_task(asyncio.to_thread(self.browser.type_code, typed[1], typed[2]))

    def countdown(self, seconds: float) -> None:
        self.counted.append(seconds)

    async def open(self, link: str) -> bool:
        self.link = link
        if self.pastes or self.browser is None:
            return False
        self._visit = asyncio.create_task(self._go(self.browser, link))
        return True

    async def _go(self, browser: Browser, link: str) -> None:
        async with httpx2.AsyncClient(trust_env=False) as http:
            address = await asyncio.to_thread(browser.consent, link)
            state = parse_qs(urlsplit(address).query)["state"][0]
            for wrong in (address.replace(state, f"not-{state}"), address.replace("?", "/other?")):
                self.seen.append(await http.get(wrong))
            self.seen.append(await http.get(address))

    async def paste(self) -> str:
        if self.browser is None:
            return "I do not know"
        if not self.said[-1].startswith("that is not"):
            return "http://127.0.0.1/?code=made-up&state=made-up"
        return await asyncio.to_thread(self.browser.consent, self.link)

    async def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.confirms

    async def ask(self, question: str) -> str:
        self.questions.append(question)
        return self.names.pop(0) if self.names else ""

    async def ended(self) -> None:
        if self._visit is not None:
            await self._visit


class Case:
    def __init__(self, sandbox: Sandbox, store: ConsentStore, http: HttpClient) -> None:
        self.sandbox = sandbox
        self.store = store
        self.http = http

    def parts(self, grant: str = "authorization_code", mailbox: str = MAILBOX, **changes: Any) -> Parts:
        at = self.sandbox.token_endpoint.removesuffix("/token")
        settings: dict[str, Any] = {
            "grant": grant,
            "client_id": Secret(self.sandbox.settings.client_id),
            "token_endpoint_auth_method": "none",
            "token_endpoint": f"{at}/token",
            "authorization_endpoint": f"{at}/authorize",
            "device_authorization_endpoint": f"{at}/devicecode",
            "issuer": f"{at.removesuffix('/oauth2/v2.0')}/v2.0",
            "scopes": (SCOPE,),
            "entra": True,
        }
        made = OAuth(**settings | changes)
        ask = oauth.asker("office", made, self.http, Clock())
        proof = oauth.authentication("office", made)
        return Parts("office", mailbox, made, ask, proof, self.http, Clock(), self.store)

    async def works(self, parts: Parts) -> str:
        """The user whose token the stored sign-in gives."""
        settings = parts.oauth
        token = await oauth.source("office", settings, self.http, Clock(), self.store).get()
        return str(oauth.claims(token)["upn"])


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    settings = SandboxSettings(folder=tmp_path / "sandbox", more_mailboxes=(OTHER,), device_code_interval=1)
    async with Sandbox(settings, serve_http) as sandbox, stored.database(tmp_path) as database:
        http = HttpClient(Http(ca_file=sandbox.ca_file))
        yield Case(sandbox, stored.store(database, tmp_path), http)
        await http.close()


async def signed_in(case: Case, parts: Parts, person: Terminal) -> str:
    try:
        async with asyncio.timeout(30):
            return await sign_in(parts, person)
    finally:
        await person.ended()
        if person.browser:
            person.browser.close()


async def refused(case: Case, parts: Parts, person: Terminal) -> str:
    with pytest.raises(ConsentError) as caught:
        await signed_in(case, parts, person)
    assert await case.store.find("office") is None
    return str(caught.value)


async def test_in_a_browser(case: Case) -> None:
    person = Terminal(Browser(case.sandbox))
    parts = case.parts()
    assert await signed_in(case, parts, person) == MAILBOX
    assert await case.works(parts) == MAILBOX
    assert [answer.status_code for answer in person.seen] == [400, 404, 200], "only the real answer ends it"
    assert "You have signed in" in person.seen[-1].text
    assert person.seen[-1].headers["referrer-policy"] == "no-referrer"
    asked = {name: values[0] for name, values in parse_qs(urlsplit(person.link).query).items()}
    assert set(asked["scope"].split()) == {SCOPE, "openid", "email", "offline_access"}
    assert (asked["code_challenge_method"], asked["login_hint"]) == ("S256", MAILBOX)
    assert asked["redirect_uri"].startswith("http://localhost:")
    assert any("redirect URI http://localhost " in line for line in person.said)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(asked["redirect_uri"], trust_env=False)


async def test_on_127_0_0_1_with_a_path_of_its_own(case: Case) -> None:
    person = Terminal(Browser(case.sandbox))
    await signed_in(case, case.parts(redirect_uri="http://127.0.0.1"), person)
    assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A" in person.link


async def test_with_a_pasted_address(case: Case) -> None:
    person = Terminal(Browser(case.sandbox), pastes=True)
    parts = case.parts()
    assert await signed_in(case, parts, person) == MAILBOX
    assert any(person.link in line for line in person.said)
    assert await case.works(parts) == MAILBOX


class AtTheSameMachine(Terminal):
    """No browser was opened for her, so she opened the link herself, and waits for the rest: she pastes nothing."""

    async def open(self, link: str) -> bool:
        await super().open(link)
        return False

    async def paste(self) -> str:
        await asyncio.Event().wait()
        raise AssertionError


async def test_with_a_printed_link_that_was_opened_on_this_machine(case: Case) -> None:
    person = AtTheSameMachine(Browser(case.sandbox))
    parts = case.parts()
    assert await signed_in(case, parts, person) == MAILBOX
    assert any(person.link in line for line in person.said)
    assert "You have signed in" in person.seen[-1].text
    assert await case.works(parts) == MAILBOX


async def test_the_link_is_shown_beside_the_browser_that_was_opened(case: Case) -> None:
    """A browser that was started is not one that shows: on a server, or in another session."""
    person = Terminal(Browser(case.sandbox))
    await signed_in(case, case.parts(), person)
    assert any(person.link in line for line in person.said)


async def test_with_a_device_code(case: Case) -> None:
    person = Terminal(Browser(case.sandbox))
    parts = case.parts("device_code")
    assert await signed_in(case, parts, person) == MAILBOX
    assert await case.works(parts) == MAILBOX
    assert person.counted


@pytest.mark.parametrize("grant", ["authorization_code", "device_code"])
async def test_who_declines_is_told_and_nothing_is_kept(case: Case, grant: str) -> None:
    person = Terminal(Browser(case.sandbox, answer="cancel"))
    text = await refused(case, case.parts(grant), person)
    assert "declined" in text
    assert "relay authorize office" in text
    if person.seen:
        assert person.seen[-1].status_code == 400
        assert "User declined to consent" in person.seen[-1].text


async def test_somebody_else_is_a_question(case: Case) -> None:
    person = Terminal(Browser(case.sandbox, OTHER))
    text = await refused(case, case.parts(), person)
    assert f"Sign in as {MAILBOX}" in text
    assert OTHER in person.questions[0]
    agreeing = Terminal(Browser(case.sandbox, OTHER), confirms=True)
    assert await signed_in(case, case.parts(), agreeing) == OTHER
    found = await case.store.find("office")
    assert found is not None
    assert found.user == OTHER


async def test_an_id_token_for_another_sign_in_is_not_believed(case: Case) -> None:
    """The nonce: what a server (or somebody between) replays from an earlier sign-in."""
    earlier = Terminal(Browser(case.sandbox), pastes=True)
    replayed = ""

    parts = case.parts()

    async def ask(grant: Grant) -> Granted:
        nonlocal replayed
        granted = await parts.ask(grant)
        first, replayed = replayed, granted.id_token
        return (
            granted
            if not first
            else Granted(granted.value, granted.lifetime, refresh_token=granted.refresh_token, id_token=first)
        )

    watched = Parts("office", MAILBOX, parts.oauth, ask, parts.authentication, case.http, Clock(), case.store)
    await signed_in(case, watched, earlier)
    with pytest.raises(ConsentError, match="nonce"):
        await signed_in(case, watched, Terminal(Browser(case.sandbox), pastes=True))


DEEP = base64.urlsafe_b64encode(b"[" * 30_000).decode()
"""A header that no reader of JSON follows to its end."""


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id_token": "a.b.c"}, "the id_token is no JWT"),
        ({"id_token": "e30.e30."}, "not accepted: nobody knows whom. Nothing was kept: start over"),
        ({"id_token": f"{DEEP}.e30."}, "the id_token is no JWT"),
        ({"refresh_token": None}, "no refresh token"),
    ],
)
async def test_what_cannot_be_used_is_not_kept(case: Case, fields: dict[str, Any], text: str) -> None:
    case.sandbox.faults.add(Fault(kind="token_fields", fields=fields))
    assert text in await refused(case, case.parts(), Terminal(Browser(case.sandbox)))


async def test_without_an_id_token_nobody_knows_who_it_was(case: Case) -> None:
    case.sandbox.faults.add(Fault(kind="token_fields", fields={"id_token": None}))
    person = Terminal(Browser(case.sandbox))
    assert await signed_in(case, case.parts(), person) == ""
    assert "the provider does not say who has signed in" in person.said


GOOGLE: dict[str, Any] = {"authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth"}
NOWHERE: dict[str, Any] = {"authorization_endpoint": None, "device_authorization_endpoint": None}


@pytest.mark.parametrize("grant", ["authorization_code", "device_code"])
async def test_an_issuer_alone_is_enough(case: Case, grant: str) -> None:
    parts = case.parts(grant, token_endpoint=None, **NOWHERE)
    assert await signed_in(case, parts, Terminal(Browser(case.sandbox))) == MAILBOX
    assert await case.works(parts) == MAILBOX
    kept = await case.store.find("office")
    assert kept is not None
    assert kept.token_endpoint == case.sandbox.token_endpoint


@pytest.mark.parametrize(("grant", "key"), [("authorization_code", "authorization_"), ("device_code", "device_")])
async def test_nobody_says_where_to_sign_in(case: Case, grant: str, key: str) -> None:
    text = await refused(case, case.parts(grant, issuer=None, **NOWHERE), Terminal(None))
    assert f"Write accounts.office.oauth.{key}" in text


async def test_who_has_signed_in_is_who_sends_where_nobody_is_configured(case: Case) -> None:
    parts = case.parts(mailbox="")
    person = Terminal(Browser(case.sandbox, OTHER))
    assert await signed_in(case, parts, person) == OTHER
    assert person.questions == [], "it is no other than the configured one"
    source = oauth.source("office", parts.oauth, case.http, Clock(), case.store)
    assert (await source.get()).user == OTHER


async def test_without_an_id_token_the_name_is_asked_for(case: Case) -> None:
    case.sandbox.faults.add(Fault(kind="token_fields", fields={"id_token": None}, times=2))
    text = await refused(case, case.parts(mailbox=""), Terminal(Browser(case.sandbox)))
    assert "Write accounts.office.username" in text
    person = Terminal(Browser(case.sandbox))
    person.names = ["", "two words", f" {OTHER} "]
    assert await signed_in(case, case.parts(mailbox=""), person) == OTHER
    assert len(person.questions) == 3


async def test_an_address_that_is_registered_elsewhere_is_shown_whole(case: Case) -> None:
    parts = case.parts(redirect_uri="https://relay.example.com/signed-in")
    person = Terminal(None)
    await refused(case, parts, person)
    assert any(
        "redirect URI https://relay.example.com/signed-in (at Microsoft under Web)" in each for each in person.said
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"redirect_uri": "http://localhost:PORT/signed-in"},
            "http://localhost:PORT/signed-in (at Microsoft under Mob",
        ),
        ({"entra": False, "issuer": None}, "http://127.0.0.1, with any port"),
        ({"entra": False, "issuer": None, "redirect_uri": "http://127.0.0.1:PORT"}, "http://127.0.0.1:PORT"),
        ({"entra": False, "issuer": "https://accounts.google.com", **GOOGLE}, "http://127.0.0.1 (at Google: an OAuth"),
    ],
)
async def test_the_redirect_uri_is_shown_as_it_is_registered(case: Case, changes: dict[str, Any], told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    written = {key: value.replace("PORT", port) if key == "redirect_uri" else value for key, value in changes.items()}
    person = Terminal(None)
    await refused(case, case.parts(**written), person)
    assert any(f"the redirect URI {told.replace('PORT', port)}" in line for line in person.said), person.said


async def test_an_issuer_that_is_another(case: Case) -> None:
    """A tenant that names itself by another name is Microsoft's way; elsewhere it is somebody else."""
    parts = case.parts(entra=False, scopes=(SCOPE, "offline_access"))
    text = await refused(case, parts, Terminal(Browser(case.sandbox), pastes=True))
    assert "Correct accounts.office.oauth.issuer" in text


async def test_a_port_that_is_taken(case: Case) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = await refused(case, case.parts(redirect_uri=f"http://127.0.0.1:{port}"), Terminal(None))
    assert "redirect_uri" in text
    assert str(port) in text


async def test_google_is_asked_in_its_own_way(case: Case) -> None:
    google = "https://accounts.google.com/o/oauth2/v2/auth"
    scopes = ("https://mail.google.com/", "offline_access")
    parts = case.parts(entra=False, authorization_endpoint=google, scopes=scopes, issuer="https://accounts.google.com")
    person = Terminal(None)
    assert "no answer" in await refused(case, parts, person)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(person.link).query).items()}
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
    assert asked["scope"] == "https://mail.google.com/ openid email"
    assert any("offline_access is left out" in line for line in person.said)
