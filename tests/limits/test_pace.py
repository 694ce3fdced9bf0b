"""The pace of an identity: its rates together, what runs included, and what a restart remembers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.config.rates import rate
from relay.database.sqlite import SqliteDatabase
from relay.limits import Ledger, Pace
from relay.limits.pace import ANY
from relay.model import Identity
from tests.support.clock import FakeClock

EXCHANGE = (rate("25 messages/1m burst 5"), rate("10000 recipients/24h"))
OFFICE = Identity("microsoft", "global", "contoso", "noreply@contoso.com")
DAY = 86_400.0


def sent(pace: Pace, recipients: int = 1) -> None:
    pace.begin(recipients)
    pace.end(recipients, reached=recipients)


def test_a_burst_then_one_every_so_often() -> None:
    clock = FakeClock()
    pace = Pace(EXCHANGE, clock)
    for left in (5, 4, 3, 2, 1):
        assert pace.messages == left
        sent(pace)
    assert pace.messages == 0
    assert pace.wait() == pytest.approx(2.4)
    clock.now += 2.4
    assert pace.messages == 1


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 30), st.floats(0, 1)), max_size=150))
def test_the_provider_never_counts_too_many_whenever_it_counts(attempts: list[tuple[float, float, float]]) -> None:
    """It counts somewhere between the beginning and the end of each, which take any time."""
    clock = FakeClock(0.0)
    pace = Pace(EXCHANGE, clock)
    counted: list[float] = []
    running: list[float] = []

    def let_end(until: float) -> None:
        for end in sorted(end for end in running if end <= until):
            clock.now = end
            pace.end(1, reached=1)
            running.remove(end)
        clock.now = until

    for pause, takes, where in attempts:
        let_end(clock.now + pause)
        if pace.messages:
            pace.begin(1)
            running.append(clock.now + takes)
            counted.append(clock.now + takes * where)
    assert max((sum(start <= at < start + 60 - 1e-6 for at in counted) for start in counted), default=0) <= 30


def test_recipients_are_counted_apart() -> None:
    clock = FakeClock()
    pace = Pace([rate("100 recipients/1h")], clock)
    assert (pace.messages, pace.recipients, pace.longest) == (ANY, 100, ANY)
    sent(pace, 60)
    assert pace.recipients == 40
    clock.now += 60
    sent(pace, 40)
    assert (pace.messages, pace.recipients) == (0, 0)
    assert pace.wait() == pytest.approx(3540)
    clock.now += 3540
    assert pace.recipients == 60


def test_a_longer_list_than_the_limit_goes_alone() -> None:
    clock = FakeClock()
    pace = Pace([rate("100 recipients/1h")], clock)
    assert pace.longest >= 500
    pace.begin(500)
    assert pace.messages == 0
    assert pace.wait() == float("inf")
    pace.end(500, reached=500)
    assert pace.wait() == pytest.approx(3600)


def test_what_the_provider_has_not_seen_costs_nothing() -> None:
    pace = Pace([rate("2 messages/1h")], FakeClock())
    pace.begin(1)
    assert pace.messages == 1
    pace.end(1, messages=0, reached=0)
    assert pace.messages == 2


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "relay.db")
    yield opened
    await opened.close()


async def test_a_restart_remembers_what_was_sent_today(database: SqliteDatabase) -> None:
    clock = FakeClock()
    pace = await Ledger(database, clock).pace(OFFICE, EXCHANGE)
    assert pace.longest == ANY
    ledger = Ledger(database, clock)
    pace = await ledger.pace(OFFICE, EXCHANGE)
    work = asyncio.create_task(ledger.run())
    sent(pace, 9000)
    await clock.settle()
    clock.now += DAY / 2
    sent(pace, 900)
    await ledger.close()
    await work
    again = await Ledger(database, clock).pace(OFFICE, EXCHANGE)
    assert again.recipients == 100
    assert again.messages == 5
    clock.now += DAY / 2 + 1
    assert again.recipients == 9100
    clock.now += DAY
    later = await Ledger(database, clock).pace(OFFICE, EXCHANGE)
    assert later.longest == ANY
    pruning = Ledger(database, clock)
    await pruning.close()
    await pruning.run()
    assert await database.read(lambda connection: connection.execute("SELECT * FROM pace").fetchall()) == []


async def test_a_piece_that_grows_is_written_once(database: SqliteDatabase) -> None:
    clock = FakeClock()
    ledger = Ledger(database, clock)
    pace = await ledger.pace(OFFICE, EXCHANGE)
    for _ in range(3):
        sent(pace, 100)
        await ledger.save()
        clock.now += 3
    again = await Ledger(database, clock).pace(OFFICE, EXCHANGE)
    assert again.recipients == 9700


async def test_a_piece_that_goes_on_after_a_restart_is_counted_once(database: SqliteDatabase) -> None:
    clock = FakeClock()
    for run in range(4):
        ledger = Ledger(database, clock)
        pace = await ledger.pace(OFFICE, EXCHANGE)
        assert pace.recipients == 10_000 - 10 * run
        sent(pace, 10)
        await ledger.save()
        clock.now += 5


async def test_a_clock_that_was_set_back_stops_nothing_for_longer_than_the_window(database: SqliteDatabase) -> None:
    clock = FakeClock()
    ledger = Ledger(database, clock)
    pace = await ledger.pace(OFFICE, [rate("10 messages/1m")])
    for _ in range(10):
        sent(pace)
    await ledger.save()
    earlier = FakeClock(clock.now - 10 * DAY)
    again = await Ledger(database, earlier).pace(OFFICE, [rate("10 messages/1m")])
    assert again.messages == 0
    earlier.now += 60
    assert again.messages == 10


async def test_each_identity_has_its_own(database: SqliteDatabase) -> None:
    clock = FakeClock()
    other = Identity("microsoft", "global", "contoso", "other@contoso.com")
    ledger = Ledger(database, clock)
    sent(await ledger.pace(OFFICE, EXCHANGE), 9999)
    await ledger.save()
    again = Ledger(database, clock)
    assert (await again.pace(OFFICE, EXCHANGE)).longest == 1
    assert (await again.pace(other, EXCHANGE)).longest == ANY
