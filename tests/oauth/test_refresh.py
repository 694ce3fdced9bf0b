"""Tokens from a stored sign-in: what is on the disk before what is used, and what a refusal does."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config import Secret, Store
from relay.database.sqlite import SqliteDatabase
from relay.oauth import TokenError
from relay.oauth.access_token import Granted
from relay.oauth.refresh import LEASE, TRY_AGAIN, SignedIn
from relay.oauth.request import Grant, TokenRequest
from relay.oauth.store import CONSENT_NEEDED, Consent, ConsentStore
from relay.seal import Sealer
from tests.support import stored
from tests.support.clock import FakeClock
from tests.support.stored import SIGN_IN, KilledError, Wrapped

ENDED = TokenError(
    "office: refused: AADSTS700082", error="invalid_grant", temporary=False, codes=(700082,), hint="Why."
)


class Endpoint:
    """A token endpoint that notes what it is shown, and rotates unless told otherwise."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.scopes: list[str] = []
        self.refusals: list[TokenError] = []
        self.rotates = True
        self.running = 0
        self.most_running = 0
        self.delay = 0.0

    async def ask(self, grant: Grant) -> Granted:
        form = (await grant.add_to(TokenRequest("https://login.example.com/token", {}))).form
        assert form["grant_type"] == "refresh_token"
        self.shown.append(form["refresh_token"])
        self.scopes.append(form.get("scope", ""))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self.delay)
        self.running -= 1
        if self.refusals:
            raise self.refusals.pop(0)
        number = len(self.shown)
        return Granted(f"access-{number}", 3600.0, refresh_token=f"refresh-{number + 1}" if self.rotates else "")


class Case:
    """One account whose user has signed in; `another()` is another process with the same database."""

    def __init__(self, database: Wrapped, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        database.now = str(self.clock.now)
        self.database = database
        self.endpoint = Endpoint()
        self.store = stored.store(database, folder)
        self.one = self.another(self.store)

    def another(self, store: ConsentStore, **changes: object) -> SignedIn:
        settings = {"client_id": Secret("the client"), "token_endpoint": SIGN_IN.token_endpoint} | changes
        return SignedIn(
            "office",
            store,
            self.endpoint.ask,
            scopes=("SMTP.Send",),
            scope_delimiter=" ",
            clock=self.clock,
            **settings,  # type: ignore[arg-type]
        )

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.database.now = str(self.clock.now)

    async def kept(self) -> Consent:
        found = await self.store.find("office")
        assert found is not None
        return found

    async def token(self) -> str:
        return self.store.token_of(await self.kept())

    async def error(self, one: SignedIn | None = None) -> TokenError:
        with pytest.raises(TokenError) as caught:
            await (one or self.one).fetch()
        return caught.value


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    async with stored.database(tmp_path) as database:
        found = Case(database, tmp_path)
        await found.store.keep(SIGN_IN)
        yield found


async def test_each_answer_s_refresh_token_is_shown_next(case: Case) -> None:
    for number in (1, 2, 3):
        assert (await case.one.fetch()).value == f"access-{number}"
        assert await case.token() == f"refresh-{number + 1}"
    assert case.endpoint.shown == ["refresh-1", "refresh-2", "refresh-3"]
    assert case.endpoint.scopes[0] == "SMTP.Send offline_access", "or Microsoft sends no new one"


async def test_an_answer_without_one_leaves_it_as_it_is(case: Case) -> None:
    case.endpoint.rotates = False
    await case.one.fetch()
    await case.one.fetch()
    assert case.endpoint.shown == ["refresh-1", "refresh-1"]


async def test_the_access_token_is_not_used_before_the_disk_has_the_other(case: Case) -> None:
    await case.one.fetch()
    case.endpoint.delay = 0.05
    fetching = asyncio.create_task(case.one.fetch())
    while len(case.endpoint.shown) < 2:
        await asyncio.sleep(0)
    case.database.before = 1
    with pytest.raises(TokenError) as caught:
        await fetching
    assert (caught.value.error, caught.value.temporary) == ("storage", True)
    assert "disk I/O error" in str(caught.value)
    assert await case.token() == "refresh-2"
    await case.one.fetch()
    assert case.endpoint.shown == ["refresh-1", "refresh-2", "refresh-3"], "what came then was not lost"


async def test_killed_once_the_new_one_is_on_the_disk(case: Case) -> None:
    case.database.after = 1  # the lease, then what came
    with pytest.raises(KilledError):
        await case.one.fetch()
    case.database.after = None
    assert await case.token() == "refresh-2"
    await case.another(case.store).fetch()
    assert case.endpoint.shown == ["refresh-1", "refresh-2"]


async def test_killed_before_the_new_one_is_on_the_disk(case: Case) -> None:
    """The old one is shown again, once the lease of the dead has run out: Entra goes on taking it."""
    case.database.killed_before = 1
    with pytest.raises(KilledError):
        await case.one.fetch()
    case.database.killed_before = None
    assert await case.token() == "refresh-1"
    waiting = asyncio.create_task(case.another(case.store).fetch())
    for _ in range(5):
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await case.pass_time(1)
    case.database.now = str(case.clock.now + LEASE)
    async with asyncio.timeout(20):
        while not waiting.done():
            await asyncio.sleep(0.005)
            await case.clock.advance(1)
        assert (await waiting).value == "access-2"
    assert case.endpoint.shown == ["refresh-1", "refresh-1"]


async def test_whoever_hangs_is_not_waited_for_without_end(case: Case) -> None:
    await case.store.lease("office", "", "somebody", 100_000)
    waiting = asyncio.create_task(case.one.fetch())
    async with asyncio.timeout(30):
        while not waiting.done():
            await asyncio.sleep(0.005)
            await case.clock.advance(10)
    with pytest.raises(TokenError, match="another relay process") as caught:
        await waiting
    assert caught.value.temporary
    assert case.endpoint.shown == []


async def test_two_processes_never_ask_at_once(case: Case, tmp_path: Path) -> None:
    """Each has a connection of its own, as a command beside a serving relay."""
    async with contextlib.AsyncExitStack() as stack:
        databases = [SqliteDatabase(tmp_path / "relay.db", migrate=False) for _ in range(2)]
        for database in databases:
            stack.push_async_callback(database.close)
        sealer = Sealer(Store(), tmp_path / "store.key")
        processes = [case.another(ConsentStore(database, sealer)) for database in databases]
        case.endpoint.delay = 0.02
        for round_ in range(3):
            fetches = [asyncio.create_task(process.fetch()) for process in processes]
            async with asyncio.timeout(30):
                while not all(fetch.done() for fetch in fetches):
                    await asyncio.sleep(0.005)
                    await case.clock.advance(1)
            assert {(await fetch).value for fetch in fetches} == {
                f"access-{2 * round_ + 1}",
                f"access-{2 * round_ + 2}",
            }
    assert case.endpoint.most_running == 1
    assert case.endpoint.shown == [f"refresh-{number}" for number in range(1, 7)]


async def test_a_refusal_asks_for_consent_and_deletes_nothing(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.endpoint.refusals = [ENDED]
    with caplog.at_level(logging.INFO, "relay"):
        error = await case.error()
    assert not error.temporary
    assert error.hint == "Why. Sign in again: relay authorize office"
    assert "its mail waits" in caplog.text
    kept = await case.kept()
    assert (kept.state, kept.error) == (CONSENT_NEEDED, ENDED.text)
    assert await case.token() == "refresh-1"


async def test_a_refused_sign_in_is_tried_once_an_hour(case: Case) -> None:
    case.endpoint.refusals = [ENDED, ENDED]
    await case.error()
    for _ in range(3):
        await case.pass_time(TRY_AGAIN / 4)
        error = await case.error()
        assert "relay authorize office" in error.hint
        assert "AADSTS700082" in error.text
    assert len(case.endpoint.shown) == 1
    await case.pass_time(TRY_AGAIN / 4)
    await case.error()
    await case.pass_time(TRY_AGAIN)
    assert (await case.one.fetch()).value == "access-3", "what was refused by mistake mends itself"
    assert (await case.kept()).state == "ok"


async def test_a_new_sign_in_is_used_at_once(case: Case) -> None:
    case.endpoint.refusals = [ENDED]
    await case.error()
    await case.store.keep(dataclasses.replace(SIGN_IN, refresh_token="new"))
    await case.one.fetch()
    assert case.endpoint.shown == ["refresh-1", "new"]


@pytest.mark.parametrize(
    "refusal",
    [
        TokenError("office: loop", error="invalid_grant", temporary=True, codes=(50196,)),
        TokenError("office: no", error="unreachable", temporary=True),
        TokenError("office: secret", error="invalid_client", temporary=False),
    ],
)
async def test_other_trouble_is_not_about_consent(case: Case, refusal: TokenError) -> None:
    case.endpoint.refusals = [refusal]
    assert await case.error() is refusal
    assert ((await case.kept()).state, (await case.kept()).error) == ("ok", refusal.text)
    assert (await case.one.fetch()).value == "access-2", "the lease has ended"


async def test_nobody_has_signed_in(case: Case, tmp_path: Path) -> None:
    missing = SignedIn(
        "other",
        case.store,
        case.endpoint.ask,
        client_id=Secret("the client"),
        token_endpoint=SIGN_IN.token_endpoint,
        scopes=(),
        scope_delimiter=" ",
        clock=case.clock,
    )
    error = await case.error(missing)
    assert (error.temporary, error.hint) == (False, "Sign in: relay authorize other")


@pytest.mark.parametrize(
    "changes", [{"token_endpoint": "https://evil.example/token"}, {"client_id": Secret("another client")}]
)
async def test_the_sign_in_is_shown_to_nobody_else(case: Case, changes: dict[str, object]) -> None:
    error = await case.error(case.another(case.store, **changes))
    assert "relay authorize office" in error.hint
    assert case.endpoint.shown == []


async def test_with_the_wrong_key_nothing_is_asked(case: Case, tmp_path: Path) -> None:
    wrong = ConsentStore(case.database, Sealer(Store(key=Secret("0f" * 32)), tmp_path / "unused"))
    error = await case.error(case.another(wrong))
    assert (error.error, error.temporary) == ("sealed", False)
    assert "key_previous_file" in str(error)
    assert case.endpoint.shown == []
    assert (await case.one.fetch()).value == "access-1", "the lease has ended, the row is as it was"


async def test_a_cancelled_request_lets_others_ask(case: Case) -> None:
    case.endpoint.delay = 60
    fetching = asyncio.create_task(case.one.fetch())
    while not case.endpoint.shown:
        await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    case.endpoint.delay = 0
    assert (await case.another(case.store).fetch()).value == "access-2"
