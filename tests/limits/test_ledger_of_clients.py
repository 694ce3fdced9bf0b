"""What clients have sent is remembered over a restart, and written without a word for each message."""

from pathlib import Path

from relay.config.rates import rate
from relay.database.sqlite import SqliteDatabase
from relay.limits import Ledger, Tally
from tests.support.clock import FakeClock

ALL, EACH = [rate("10 messages/1h"), rate("20 recipients/24h")], [rate("2 messages/1h")]
BOB = "bob@x.org"


async def begun(database: SqliteDatabase, clock: FakeClock) -> tuple[Ledger, Tally]:
    """A process that begins, and its count of the client."""
    ledger = Ledger(database, clock)
    await ledger.open()
    return ledger, ledger.tally("app", ALL, EACH)


async def test_a_restart_remembers_what_a_client_has_sent_and_to_whom(tmp_path: Path) -> None:
    clock, database = FakeClock(), SqliteDatabase(tmp_path / "relay.db")
    ledger, tally = await begun(database, clock)
    for number in range(8):
        tally.take(clock.monotonic(), [BOB, f"n{number}@x.org"] if number < 2 else [f"n{number}@x.org"])
    await ledger.save()
    clock.now += 60
    ledger, tally = await begun(database, clock)
    now = clock.monotonic()
    assert tally.wait(now, 10)[0] == 0
    assert tally.wait(now, 11)[1] == ALL[1], "10 of 20 recipients are used"
    assert tally.wait_for(now, BOB) == (3540.0, EACH[0])
    assert tally.wait_for(now, "n0@x.org")[0] == 0
    for _ in range(2):
        tally.take(now, ["n9@x.org"])
    assert tally.wait(now, 1) == (3540.0, ALL[0])
    await ledger.save()
    clock.now += 1
    _, again = await begun(database, clock)
    assert again.wait(clock.monotonic(), 1) == (3539.0, ALL[0]), "nothing is counted twice"
    clock.now += 3600
    _, later = await begun(database, clock)
    assert later.wait(clock.monotonic(), 8)[0] == 0
    assert later.wait(clock.monotonic(), 9)[1] == ALL[1], "the day is not over"
    assert later.wait_for(clock.monotonic(), BOB)[0] == 0
    await ledger.close()
    await database.close()


async def test_what_is_held_for_later_counts_then_after_a_restart_too(tmp_path: Path) -> None:
    clock, database = FakeClock(), SqliteDatabase(tmp_path / "relay.db")
    ledger, tally = await begun(database, clock)
    waits = [tally.take(clock.monotonic(), [BOB])[BOB] for _ in range(5)]
    assert waits == [0, 0, 3600, 3600, 7200]
    await ledger.save()
    clock.now += 10
    _, again = await begun(database, clock)
    assert again.take(clock.monotonic(), [BOB])[BOB] == 7190
    await ledger.close()
    await database.close()


async def test_another_client_has_its_own(tmp_path: Path) -> None:
    clock, database = FakeClock(), SqliteDatabase(tmp_path / "relay.db")
    ledger, tally = await begun(database, clock)
    for _ in range(10):
        tally.take(clock.monotonic(), [BOB])
    await ledger.save()
    again = Ledger(database, clock)
    await again.open()
    assert again.tally("app2", ALL, EACH).wait(clock.monotonic(), 1)[0] == 0
    assert again.tally("app", ALL, EACH).wait(clock.monotonic(), 1)[0] > 0
    await ledger.close()
    await database.close()
