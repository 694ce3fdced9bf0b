"""A pace whose rates change while mail is being sent: what was sent stays counted."""

from pathlib import Path

import pytest

from relay.config.rates import rate
from relay.database.sqlite import SqliteDatabase
from relay.limits import Ledger, Pace
from relay.limits.pace import ANY
from relay.model import Identity
from tests.support.clock import FakeClock

OFFICE = Identity("microsoft", "global", "contoso", "noreply@contoso.com")


def sent(pace: Pace, messages: int) -> None:
    for _ in range(messages):
        pace.begin(1)
        pace.end(1, reached=1)


def test_a_lower_rate_counts_what_was_sent_under_the_higher_one() -> None:
    pace = Pace([rate("30 messages/1m")], FakeClock())
    sent(pace, 8)
    pace.use([rate("10 messages/1m")])
    assert pace.messages == 2
    pace.use([rate("5 messages/1m")])
    assert pace.messages == 0


def test_another_window_counts_what_the_longest_one_remembers() -> None:
    clock = FakeClock()
    pace = Pace([rate("30 messages/1m"), rate("100 messages/1h")], clock)
    sent(pace, 20)
    pace.use([rate("25 messages/24h")])
    assert pace.messages == 5
    clock.now += 86_400
    assert pace.messages == 25


def test_what_is_under_way_counts_on_both_sides_of_the_change() -> None:
    pace = Pace([rate("10 messages/1m")], FakeClock())
    pace.begin(3)
    pace.use([rate("4 messages/1m"), rate("5 recipients/1m")])
    assert (pace.messages, pace.recipients) == (3, 2)
    pace.end(3, reached=3)
    assert (pace.messages, pace.recipients) == (3, 2)
    pace.use([])
    assert (pace.messages, pace.recipients) == (ANY, ANY)


@pytest.mark.parametrize("again", ["5 messages/1m", "5 messages/2m"])
async def test_a_restart_after_the_change_remembers_it_too(tmp_path: Path, again: str) -> None:
    clock = FakeClock()
    database = SqliteDatabase(tmp_path / "relay.db")
    try:
        ledger = Ledger(database, clock)
        pace = await ledger.pace(OFFICE, [rate("10 messages/5m")])
        sent(pace, 4)
        pace.use([rate(again)])
        assert pace.messages == 1
        await ledger.save()
        assert (await Ledger(database, clock).pace(OFFICE, [rate(again)])).messages == 1
    finally:
        await database.close()
