"""A user's sign-in at the foreign server, through its pages: PKCE, id_token, refresh with rotation, device code."""

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest

from relay import oauth
from relay.config import OAuth, Secret
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import ConsentStore, TokenSource
from relay.oauth.consent import ConsentError, Parts, sign_in
from relay.oauth.consent.browser import AuthorizationCode
from relay.oauth.request import Grant
from tests.oauth.foreign.browser import Browser
from tests.oauth.foreign.parts import Hurried, client, refusal_of
from tests.oauth.foreign.server import Foreign
from tests.support import stored

USER = "noreply@example.com"


class Person:
    """Somebody who signs in with `browser`; a code is typed in the moment it is shown, or, without one, never."""

    def __init__(self, browser: Browser | None) -> None:
        self.browser = browser
        self.said: list[str] = []
        self.link = ""
        self._visit: asyncio.Task[object] | None = None

    def say(self, text: str) -> None:
        self.said.append(text)
        typed = re.search(r"open (\S+) in a browser on any machine and enter the code (\S+)", text)
        if typed and self.browser:
            self._visit = asyncio.create_task(asyncio.to_thread(self.browser.type_code, typed[1], typed[2]))

    def countdown(self, seconds: float) -> None:
        assert seconds > 0

    async def open(self, link: str) -> bool:
        assert self.browser is not None
        self.link = link
        self._visit = asyncio.create_task(asyncio.to_thread(self._go, self.browser, link))
        return True

    def _go(self, browser: Browser, link: str) -> None:
        # What the loopback listener says of a refusal has a status of its own.
        try:
            browser.visit(browser.sign_in(link))
        except HTTPError as error:
            with error:
                self.said.append(error.read().decode())

    async def paste(self) -> str:
        raise AssertionError("there is a browser")

    async def confirm(self, question: str) -> bool:
        raise AssertionError(question)

    async def ask(self, question: str) -> str:
        raise AssertionError(question)

    async def ended(self) -> None:
        if self._visit is not None:
            await self._visit


class Case:
    """An account at the foreign server, its sign-in and its tokens."""

    def __init__(self, foreign: Foreign, http: HttpClient, store: ConsentStore, folder: Path) -> None:
        self.foreign = foreign
        self.http = http
        self.store = store
        self.folder = folder
        self.clock = Hurried()

    def settings(self, name: str, grant: str, **changes: Any) -> OAuth:
        given: dict[str, Any] = {"grant": grant, "scopes": ("mail", "offline_access"), **self.foreign.endpoints}
        return OAuth(**given | client(name, self.folder) | changes)

    def parts(self, settings: OAuth, ask: Any = None) -> Parts:
        return Parts(
            account="office",
            mailbox=USER,
            oauth=settings,
            ask=ask or oauth.asker("office", settings, self.http, self.clock),
            authentication=oauth.authentication("office", settings),
            http=self.http,
            clock=self.clock,
            store=self.store,
        )

    async def sign_in(self, settings: OAuth, answer: str = "accept", ask: Any = None) -> tuple[str, Person]:
        person = Person(Browser(self.foreign.ca_file, USER, answer))
        try:
            async with asyncio.timeout(30):
                return await sign_in(self.parts(settings, ask), person), person
        finally:
            await person.ended()

    def tokens(self, settings: OAuth, clock: Clock | None = None) -> TokenSource:
        return oauth.source("office", settings, self.http, clock or self.clock, self.store)


@pytest.fixture
async def case(foreign: Foreign, http: HttpClient, tmp_path: Path) -> AsyncIterator[Case]:
    async with stored.database(tmp_path) as database:
        yield Case(foreign, http, stored.store(database, tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["public", "basic", "post", "key"])
async def test_in_a_browser(case: Case, name: str) -> None:
    settings = case.settings(name, "authorization_code")
    user, person = await case.sign_in(settings)
    assert user == USER, "from the id_token, whose signature the published key verifies"
    assert f"signed in: {USER}" in person.said
    (code_request,) = case.foreign.records.asked
    assert code_request["grant_type"] == "authorization_code"
    assert case.foreign.records.codes == {}, "redeemed"
    token = await case.tokens(settings).get()
    assert case.foreign.records.issued[-1].access_token == token.value
    assert case.foreign.records.issued[-1].user == USER


async def test_the_verifier_is_really_compared(case: Case) -> None:
    """Authlib refuses another verifier: that the sign-in above works proves that ours is right."""
    settings = case.settings("public", "authorization_code")
    ask = oauth.asker("office", settings, case.http, case.clock)

    async def meddling(grant: Grant) -> Any:
        assert isinstance(grant, AuthorizationCode)
        grant._sign_in.verifier = grant._sign_in.verifier[::-1]
        return await ask(grant)

    with pytest.raises(ConsentError, match="invalid_grant: Code challenge failed"):
        await case.sign_in(settings, ask=meddling)
    assert await case.store.find("office") is None


async def test_who_declines_in_the_browser(case: Case) -> None:
    with pytest.raises(ConsentError, match="access_denied"):
        await case.sign_in(case.settings("public", "authorization_code"), "cancel")
    assert case.foreign.records.asked == []


@pytest.mark.parametrize("grant", ["authorization_code", "device_code"])
async def test_extra_parameters_go_with_every_request(case: Case, grant: str) -> None:
    """`audience` and `resource` are wanted by some servers at each step; a written `login_hint` wins."""
    extra = {"audience": "mail", "login_hint": "somebody@example.com"}
    settings = case.settings("public", grant, extra_parameters=extra)
    _, person = await case.sign_in(settings)
    if grant == "authorization_code":
        query = parse_qs(urlsplit(person.link).query)
        assert (query["audience"], query["login_hint"]) == (["mail"], ["somebody@example.com"])
    await case.tokens(settings).get()
    assert [each["audience"] for each in case.foreign.records.asked] == ["mail"] * len(case.foreign.records.asked)


async def test_refresh_tokens_are_rotated(case: Case, tmp_path: Path) -> None:
    """Each refresh token is good for one use: the chain holds only if each new one is kept."""
    settings = case.settings("public", "authorization_code")
    await case.sign_in(settings)
    seen = set()
    for _ in range(4):
        seen.add((await case.tokens(settings).get()).value)
        stored.forget_tokens(tmp_path)
    assert len(seen) == 4
    asked = [each["refresh_token"] for each in case.foreign.records.asked if each["grant_type"] == "refresh_token"]
    assert len(set(asked)) == 4
    found = await case.store.find("office")
    assert found is not None
    assert case.store.token_of(found) == case.foreign.records.issued[-1].refresh_token
    assert [each.revoked for each in case.foreign.records.issued] == [True] * 4 + [False]


async def test_a_sign_in_that_was_revoked(case: Case) -> None:
    settings = case.settings("public", "authorization_code")
    await case.sign_in(settings)
    case.foreign.records.revoke_all()
    error = await refusal_of(case.tokens(settings).get())
    assert (error.error, error.temporary) == ("invalid_grant", False)
    assert "relay authorize office" in error.hint
    found = await case.store.find("office")
    assert found is not None
    assert found.state == "consent_needed"
    assert case.store.token_of(found), "the refresh token stays"


@pytest.mark.parametrize("name", ["public", "basic", "key"])
async def test_with_a_device_code(case: Case, name: str) -> None:
    """The user answers while the relay asks; the server's page knows who it was, the device flow does not say."""
    settings = case.settings(name, "device_code")
    await case.sign_in(settings)
    await case.tokens(settings).get()
    assert case.foreign.records.issued[-1].user == USER


async def test_a_device_is_told_to_wait_and_to_slow_down(case: Case) -> None:
    case.foreign.records.impatient = 2
    settings = case.settings("public", "device_code")
    ask, waits = oauth.asker("office", settings, case.http, case.clock), [case.clock.monotonic()]

    async def asked(grant: Grant) -> Any:
        waits.append(case.clock.monotonic())
        if len(waits) == 6:
            device = next(iter(case.foreign.records.devices.values()))
            device.answer = (USER, True)
        return await ask(grant)

    await sign_in(case.parts(settings, asked), Person(None))
    pending = ["authorization_pending"] * 2
    assert case.foreign.records.errors == ["slow_down", "slow_down", *pending, ""]
    between = [later - earlier for earlier, later in pairwise(waits)]
    for wait, least in zip(between, [1, 6, 11, 11, 11], strict=True):
        assert least <= wait < least + 5


async def test_who_declines_the_device(case: Case) -> None:
    with pytest.raises(ConsentError, match="declined"):
        await case.sign_in(case.settings("public", "device_code"), "cancel")


async def test_a_device_code_that_has_expired(case: Case) -> None:
    settings = case.settings("public", "device_code")
    ask = oauth.asker("office", settings, case.http, case.clock)

    async def late(grant: Grant) -> Any:
        for device in case.foreign.records.devices.values():
            device.until = 0
        return await ask(grant)

    with pytest.raises(ConsentError, match="expired"):
        await case.sign_in(settings, ask=late)


async def test_a_device_that_may_not(case: Case) -> None:
    case.foreign.records.clients["public"].methods = ["client_secret_basic"]
    with pytest.raises(ConsentError, match=r"localhost refused: invalid_client: .*cannot authenticate"):
        await case.sign_in(case.settings("public", "device_code"))


async def test_a_device_whose_secret_was_exchanged(case: Case) -> None:
    secrets = case.foreign.records.clients["basic"].secrets
    secrets.clear()
    secrets.add("the-new-secret")
    settings = case.settings("basic", "device_code", client_secret_next=Secret("the-new-secret"))
    await case.sign_in(settings)
    await case.tokens(settings).get()
    assert case.foreign.records.issued[-1].user == USER
