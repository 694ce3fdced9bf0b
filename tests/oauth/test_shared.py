"""Tokens that processes share: one asks, the others use what it brought, and nobody waits for who is gone."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay import oauth
from relay.config import OAuth, Secret
from relay.database.sqlite import SqliteDatabase
from relay.http import HttpClient
from relay.oauth import ConsentStore, TokenError, TokenSource
from relay.oauth.access_token import Granted
from relay.oauth.fingerprint import fingerprint
from relay.oauth.pacing import PAUSE
from relay.oauth.shared import LEASE, Shared
from tests.oauth.conftest import settings
from tests.support import stored
from tests.support.clock import FakeClock
from tests.support.stored import Wrapped

STEP = 0.5
"""Seconds by which the clock of these tests goes on at once."""


class Case:
    """One database, and processes that share it; the endpoint gives tokens of `lifetime`, or the next of `failures`."""

    def __init__(self, database: Wrapped, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.database = database
        database.now = str(self.clock.now)
        self.asked = self.running = self.most_running = 0
        self.lifetime = 3600.0
        self.failures: list[TokenError] = []
        self.came: dict[str, float] = {}
        self.asked_with = "settings"
        self.go = asyncio.Event()
        self.go.set()
        self.one, self.two = self.another(), self.another()

    def store(self) -> ConsentStore:
        return stored.store(self.database, self.folder)

    def shared(self, mailbox: str = "") -> Shared:
        async def asked_with() -> str:
            return self.asked_with

        return Shared("office", self.store().tokens, self.ask, asked_with, self.clock, mailbox=mailbox)

    def another(self, mailbox: str = "") -> TokenSource:
        return TokenSource("office", self.shared(mailbox).fetch, self.clock, chance=lambda: 0.0)

    async def ask(self) -> Granted:
        self.asked += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        number = self.asked
        await self.go.wait()
        self.running -= 1
        self.came[f"token-{number}"] = self.clock.now
        if self.failures:
            raise self.failures.pop(0)
        return Granted(f"token-{number}", self.lifetime, scope="mail", user="ann")

    async def value(self, source: TokenSource) -> str:
        return (await source.get()).value

    async def pass_time(self, seconds: float, step: float = STEP) -> None:
        """Both clocks go on together, in small steps while somebody sleeps, so that he sees the database's time too."""
        for _ in range(int(seconds / step)):
            await self.clock.advance(step)
            self.database.now = str(self.clock.now)
            await asyncio.sleep(0.001)


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    async with stored.database(tmp_path) as database:
        found = Case(database, tmp_path)
        yield found
        for source in (found.one, found.two):
            await source.close()


def trouble(retry_after: float | None = None, error: str = "unreachable") -> TokenError:
    return TokenError(
        "office: no", error=error, temporary=True, retry_after=retry_after, codes=(50196,), hint="Wait.", trace="t 1"
    )


async def test_what_one_has_fetched_the_other_uses(case: Case) -> None:
    first = await case.one.get()
    second = await case.two.get()
    assert (second.value, second.scope, second.user) == (first.value, "mail", "ann")
    assert second.expires_at == pytest.approx(first.expires_at, abs=1)
    assert second.refresh_at == pytest.approx(first.refresh_at, abs=1)
    assert case.asked == 1


async def test_each_mailbox_has_its_own(case: Case) -> None:
    assert await case.value(case.one) != await case.value(case.another("ann@x.org"))


async def test_at_its_renewal_one_asks_for_both(case: Case) -> None:
    await case.one.get()
    await case.two.get()
    await case.pass_time(3005, 601)
    for source in (case.one, case.two):
        assert await case.value(source) == "token-1", "the old one is good until the new one is there"
    for _ in range(100):
        await case.pass_time(1)
        if {await case.value(case.one), await case.value(case.two)} == {"token-2"}:
            break
    assert {await case.value(case.one), await case.value(case.two)} == {"token-2"}
    assert (case.asked, case.most_running) == (2, 1)


async def test_one_waits_while_the_other_asks(case: Case) -> None:
    case.go.clear()
    tasks = [asyncio.create_task(case.value(source)) for source in (case.one, case.two)]
    while not case.asked:
        await asyncio.sleep(0.01)
    await case.pass_time(3)
    assert case.asked == 1
    case.go.set()
    await asyncio.sleep(0.05)
    await case.pass_time(3)
    assert {await task for task in tasks} == {"token-1"}
    assert (case.asked, case.most_running) == (1, 1)


async def test_however_long_it_takes_one_asks(case: Case) -> None:
    case.go.clear()
    tasks = [asyncio.create_task(case.value(source)) for source in (case.one, case.two)]
    while not case.asked:
        await asyncio.sleep(0.01)
    for _ in range(int(3 * LEASE / 0.5)):
        await case.pass_time(0.5)
        await asyncio.sleep(0.01)
    assert case.asked == 1, "a process that shows that it is there keeps its turn"
    case.go.set()
    while not all(task.done() for task in tasks):
        await case.pass_time(0.5)
    assert {await task for task in tasks} == {"token-1"}


async def test_who_has_gone_is_not_waited_for(case: Case) -> None:
    await case.store().tokens.lease("office", "", "a process that was killed", LEASE)
    waiting = asyncio.create_task(case.value(case.one))
    await case.pass_time(LEASE / 2)
    assert case.asked == 0
    await case.pass_time(LEASE / 2 + 2)
    assert await waiting == "token-1"


@pytest.mark.parametrize("lifetime", [2.0, 20.0, 300.0])
async def test_short_lives(case: Case, lifetime: float) -> None:
    case.lifetime = lifetime
    for _ in range(60):
        for source in (case.one, case.two):
            token = await source.get()
            # A step of the clock may fall between the answer and its being kept.
            assert case.clock.now < token.expires_at <= case.came[token.value] + lifetime + STEP + 0.1, (
                "nobody takes it for younger"
            )
        await case.pass_time(max(0.5, lifetime / 20))
    assert case.most_running == 1
    lives = 60 * max(0.5, lifetime / 20) / lifetime
    assert case.asked <= 2 * lives + 2, "one for both, each renewed after the half of its life at the earliest"


@pytest.mark.parametrize(("retry_after", "pause"), [(None, PAUSE), (120.0, 120.0)])
async def test_an_endpoint_in_trouble_is_asked_by_one_of_them(
    case: Case, retry_after: float | None, pause: float
) -> None:
    case.failures.append(trouble(retry_after))
    for source in (case.one, case.two, case.another()):
        with pytest.raises(TokenError) as caught:
            await source.get()
        error = caught.value
        assert (error.error, error.temporary, error.codes, error.hint, error.trace) == (
            *("unreachable", True, (50196,)),
            *("Wait.", "t 1"),
        )
        assert error.retry_after == pytest.approx(pause, abs=1)
    assert case.asked == 1
    await case.pass_time(pause - 2)
    with pytest.raises(TokenError):
        await case.another().get()
    assert case.asked == 1
    await case.pass_time(3)
    assert await case.value(case.two) == "token-2"


async def test_an_old_token_is_used_while_the_endpoint_is_left_alone(case: Case) -> None:
    await case.one.get()
    await case.pass_time(3005, 601)
    case.failures.append(trouble())
    await case.one.get()
    while case.failures:
        await case.pass_time(1)
    await case.pass_time(1)
    assert await case.value(case.another()) == "token-1", "a command that starts now sends with it too"
    assert case.asked == 2


async def test_other_settings_secrets_or_sign_ins_share_nothing(case: Case) -> None:
    case.failures.append(trouble(error="invalid_client"))
    with pytest.raises(TokenError):
        await case.one.get()
    case.asked_with = "a new secret"
    assert await case.value(case.two) == "token-2", "who has mended it need not wait"
    case.asked_with = "a new sign-in"
    assert await case.value(case.another()) == "token-3"


async def test_a_rejected_token_is_replaced_once_for_both(case: Case) -> None:
    rejected = await case.one.get()
    assert (await case.two.get()).value == rejected.value
    assert (await case.one.replace(rejected)).value == "token-2"
    assert (await case.two.replace(await case.two.get())).value == "token-2"
    assert case.asked == 2


async def test_a_database_in_trouble_stops_no_mail(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.database.before = 1
    with caplog.at_level(logging.WARNING, "relay"):
        assert await case.value(case.one) == "token-1"
    assert "cannot be shared with other processes" in caplog.text
    assert await case.value(case.two) == "token-2"


async def test_what_cannot_be_kept_is_used_all_the_same(case: Case) -> None:
    case.go.clear()
    waiting = asyncio.create_task(case.value(case.one))
    while not case.asked:
        await asyncio.sleep(0.01)
    case.database.before = 2
    case.go.set()
    assert await waiting == "token-1"
    assert case.asked == 1


async def test_it_is_sealed_and_another_key_opens_nothing(case: Case) -> None:
    value = await case.value(case.one)
    for path in case.folder.rglob("relay.db*"):
        assert value.encode() not in path.read_bytes()
    (case.folder / "store.key").unlink()
    assert await case.value(case.another()) == "token-2"


async def test_accounts_of_every_kind_share(tmp_path: Path) -> None:
    """As they are put together: the second source of an account asks nobody."""
    clock = FakeClock()
    database = SqliteDatabase(tmp_path / "relay.db")
    store = stored.store(database, tmp_path)
    http = HttpClient(clock=clock)
    made = OAuth(
        client_id=Secret("id"), client_secret=Secret("s"), token_endpoint="http://127.0.0.1:1/token", scopes=("mail",)
    )
    sources = [oauth.source("office", made, http, clock, store) for _ in range(2)]
    texts = set()
    for source in sources:
        with pytest.raises(TokenError) as caught:
            await source.get()
        texts.add(caught.value.text)
        await source.close()
    assert len(texts) == 1
    row = await database.read(lambda connection: connection.execute("SELECT ask_at FROM access_token").fetchone())
    assert row[0] > 0
    await http.close()
    await database.close()


async def test_each_way_of_an_account_has_a_place_of_its_own(tmp_path: Path) -> None:
    """Or two ways that ask for different things would push each other's tokens out, and nobody would share any."""
    clock = FakeClock()
    database = SqliteDatabase(tmp_path / "relay.db")
    store = stored.store(database, tmp_path)
    http = HttpClient(clock=clock)
    made = OAuth(
        client_id=Secret("id"),
        client_secret=Secret("s"),
        token_endpoint="http://127.0.0.1:1/token",
        scopes=("mail",),
        way_scopes={"smtp": ("mail",), "graph": ("graph",)},
    )
    for source in oauth.sources("office", made, ("smtp", "graph"), http, clock, store).values():
        with pytest.raises(TokenError):
            await source.get()
        await source.close()
    rows = await database.read(
        lambda connection: connection.execute("SELECT mailbox FROM access_token WHERE ask_at > 0").fetchall()
    )
    assert sorted(row[0] for row in rows) == ["", "graph"]
    await http.close()
    await database.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": Secret("other")},
        {"client_secret_next": Secret("other")},
        {"client_id": Secret("other")},
        {"scopes": ("other",)},
        {"scope_delimiter": ","},
        {"federated_token_file": Path("/other/token")},
        {"token_endpoint": "https://other.example/token"},
        {"extra_parameters": {"a": "b"}},
        {"subject": "ann@x.org"},
        {"password": Secret("p")},
    ],
)
def test_what_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    base: dict[str, Any] = {"client_secret": Secret("s"), "token_endpoint": "https://login.example.com/token"}
    base["scopes"] = ("one", "two")
    assert fingerprint(settings(**base)) == fingerprint(settings(**base))
    assert fingerprint(settings(**(base | changes))) != fingerprint(settings(**base))
    assert fingerprint(settings(**base), "1") != fingerprint(settings(**base), "2")


def test_a_key_that_was_exchanged_changes_it(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("one")
    before = fingerprint(settings(private_key_file=key))
    key.write_text("two")
    assert fingerprint(settings(private_key_file=key)) != before
