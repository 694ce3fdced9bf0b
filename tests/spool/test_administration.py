"""Looking after the queue beside the process that serves it: what is found, what is changed, what is left alone."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from relay.config.mailbox_users import ActsAs
from relay.database import StorageError
from relay.model import Origin, Outcome, Result
from relay.spool import Queue, Settled, Spool, changes, debts
from relay.spool.administration import Administration, opened
from relay.spool.rows import DamagedRow
from relay.spool.selection import Selection
from tests.support import spool as support
from tests.support.clock import FakeClock
from tests.support.spool import put, submission

PROVIDER = Result(Outcome.SENT, 250, "2.0.0", "OK <100%new_id@prod.outlook.com> [Hostname=x]")
LATER = Result(Outcome.DEFERRED, 451, "4.3.0", "busy")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user", hint="Correct the address")


class Both:
    """The serving process's spool, and the administration on a database connection of its own."""

    def __init__(self, spool: Spool, queue: Administration, clock: FakeClock) -> None:
        self.spool = spool
        self.queue = queue
        self.clock = clock

    async def attempt(self, results: dict[str, Result], wait: float | None = None, *, counted: bool = True) -> None:
        """One attempt at the message that is due."""
        (claim,) = await self.spool.claim([Queue("office")], 1)
        now = self.clock.time()
        again = None if wait is None else now + wait
        await self.spool.finish(claim, Settled(results, again, counted, "because", now, now + 2))

    async def found(self, **restrictions: object) -> list[str]:
        return [identifier for _, identifier in await self.queue.find(Selection(**restrictions))]  # type: ignore[arg-type]

    async def change(self, change: changes.Change, **restrictions: object) -> changes.Changed:
        found = await self.queue.find(Selection(**restrictions))  # type: ignore[arg-type]
        return await self.queue.change(change, [seq for seq, _ in found])

    async def state(self, identifier: str) -> str:
        (summary,), _ = await self.queue.listing(Selection(name=identifier), 1)
        return summary.state


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    clock = FakeClock()
    async with support.opened(tmp_path, clock) as spool, opened(tmp_path / "relay.db") as queue:
        queue._clock = clock
        yield Both(spool, queue, clock)


async def test_each_filter_finds_its_messages_and_no_others(both: Both) -> None:
    clock = both.clock
    first = await put(both.spool, submission("A@example.org", now=clock.time()))
    await clock.advance(100)
    given = submission("b@other.org", account="hub", now=clock.time())
    given = replace(given, origin=Origin("erp%", "lan", "192.0.2.1"), message_id="<2@app>")
    given = replace(given, envelope=replace(given.envelope, sender=""))
    second = await put(both.spool, given)
    assert await both.found() == [first, second]
    assert await both.found(name=first.upper()) == [first]
    assert await both.found(name="2@app") == await both.found(name="<2@app>") == [second]
    assert await both.found(account="hub") == [second]
    assert await both.found(client="erp%") == [second]
    assert await both.found(client="er") == await both.found(client="erp_") == []
    assert await both.found(sender="<>") == [second]
    assert await both.found(sender="@EXAMPLE.com") == await both.found(sender="App@example.com") == [first]
    assert await both.found(recipient="a@example.org") == await both.found(recipient="@example.org") == [first]
    assert await both.found(recipient="@org") == []
    assert await both.found(states=("held", "failed")) == []
    assert await both.found(states=("queued",), received_before=clock.time() - 50) == [first]
    assert await both.found(received_after=clock.time() - 50) == [second]
    assert Selection().everything
    assert not Selection(name="x").everything


async def test_a_message_is_found_by_the_id_that_the_provider_gave(both: Both) -> None:
    identifier = await put(both.spool, submission(now=both.clock.time()))
    await both.attempt({"a@example.org": PROVIDER})
    assert await both.found(name="100%new_id@prod.outlook.com") == [identifier]
    assert await both.found(name="<100%new_id@prod.outlook.com>") == [identifier]
    assert await both.found(name="100xnew_id@prod.outlook.com") == []


async def test_the_history_has_every_attempt_with_its_replies(both: Both) -> None:
    identifier = await put(both.spool, submission("a@x.org", "b@x.org", "c@x.org", now=both.clock.time()))
    start = both.clock.time()
    await both.attempt({"a@x.org": PROVIDER, "b@x.org": LATER, "c@x.org": NEVER}, wait=60)
    await both.clock.advance(60)
    await both.attempt({"b@x.org": PROVIDER})
    ((seq, _),) = await both.queue.find(Selection(name=identifier))
    found = await both.queue.details(seq)
    assert found is not None
    assert [(one.address, one.state) for one in found.recipients] == [
        ("a@x.org", "sent"),
        ("b@x.org", "sent"),
        ("c@x.org", "failed"),
    ]
    assert found.recipients[2].hint == "Correct the address"
    first, second = found.attempts
    assert (first.number, first.started_at, first.ended_at) == (1, start, start + 2)
    assert [(one.address, one.state, one.code) for one in first.results] == [
        ("a@x.org", "sent", 250),
        ("b@x.org", "deferred", 451),
        ("c@x.org", "failed", 550),
    ]
    assert (second.number, second.started_at, second.ended_at) == (2, start + 60, start + 62)
    assert (first.counted, second.counted) == (True, True)
    assert [one.address for one in second.results] == ["b@x.org"]
    assert (found.peer, found.helo, found.done_at) == ("127.0.0.1", "printer", start + 62)
    assert await both.queue.details(seq + 1) is None


async def test_the_history_of_what_was_sent_at_once_has_its_beginning(both: Both) -> None:
    identifier = await put(both.spool, submission(now=both.clock.time()))
    await both.clock.advance(5)
    start = both.clock.time()
    await both.attempt({"a@example.org": PROVIDER})
    ((seq, _),) = await both.queue.find(Selection(name=identifier))
    found = await both.queue.details(seq)
    assert found is not None
    (made,) = found.attempts
    assert (made.number, made.started_at, made.ended_at, made.counted) == (1, start, start + 2, True)


async def test_an_attempt_that_was_given_back_does_not_count(both: Both) -> None:
    identifier = await put(both.spool, submission(now=both.clock.time()))
    ((seq, _),) = await both.queue.find(Selection(name=identifier))

    async def history() -> list[tuple[int, bool]]:
        found = await both.queue.details(seq)
        assert found is not None
        return [(each.number, each.counted) for each in found.attempts]

    await both.attempt({"a@example.org": LATER}, wait=0, counted=False)
    assert await history() == [(1, False)]
    await both.attempt({"a@example.org": LATER}, wait=0)
    assert await history() == [(1, False), (1, True)]
    await both.attempt({"a@example.org": LATER}, wait=0, counted=False)
    assert await history() == [(1, False), (1, True), (2, False)]
    await both.attempt({"a@example.org": PROVIDER})
    assert await history() == [(1, False), (1, True), (2, False), (2, True)]


async def test_retry_makes_waiting_mail_due_and_failed_mail_new(both: Both) -> None:
    waiting = await put(both.spool, submission(now=both.clock.time(), max_age=1000))
    await both.attempt({"a@example.org": LATER}, wait=600)
    failed = await put(both.spool, submission("a@x.org", "b@x.org", now=both.clock.time(), max_age=1000))
    await both.attempt({"a@x.org": PROVIDER, "b@x.org": NEVER})
    await both.clock.advance(500)
    changed = await both.change(changes.retry)
    assert (set(changed.done), changed.left) == ({waiting, failed}, {})
    claims = await both.spool.claim([Queue("office")], 5)
    assert {claim.message.id: claim.message.envelope.recipients for claim in claims} == {
        waiting: ("a@example.org",),
        failed: ("b@x.org",),
    }
    assert {claim.message.id: claim.expires_at - both.clock.time() for claim in claims} == {waiting: 500, failed: 1000}


@pytest.mark.parametrize("steps", [(changes.retry,), (changes.hold, changes.release)], ids=["retry", "release"])
async def test_who_has_failed_already_is_not_tried_again_with_who_waits(
    both: Both, tmp_path: Path, steps: tuple[changes.Change, ...]
) -> None:
    """Neither is anybody told again of that, or of the delay."""
    await put(both.spool, submission("a@x.org", "b@x.org", now=both.clock.time()))
    await both.attempt({"a@x.org": NEVER, "b@x.org": LATER}, wait=600)
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as connection, connection:
        connection.execute("UPDATE message SET delay_told = 1, owed = 0")
        connection.execute("UPDATE recipient SET told = 1 WHERE state = 'failed'")
    for step in steps:
        assert len((await both.change(step)).done) == 1
    (claim,) = await both.spool.claim([Queue("office")], 5)
    assert claim.message.envelope.recipients == ("b@x.org",)
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as connection:
        told = connection.execute("SELECT told FROM recipient ORDER BY position").fetchall()
        assert (connection.execute("SELECT delay_told FROM message").fetchall(), told) == ([(1,)], [(1,), (0,)])


async def test_of_failed_mail_that_is_tried_anew_no_delay_is_told(both: Both) -> None:
    identifier = await put(both.spool, submission(now=both.clock.time()))
    await both.attempt({"a@example.org": NEVER})
    await both.clock.advance(86400)
    await both.change(changes.retry)
    found = await both.spool._database.read(lambda connection: debts.late(connection, both.clock.time() - 3600, 9))
    assert (await both.state(identifier), found) == ("queued", [])


async def test_what_is_held_stays_until_it_is_released(both: Both) -> None:
    identifier = await put(both.spool, submission(now=both.clock.time()))
    await both.change(changes.hold)
    assert await both.spool.claim([Queue("office")], 5) == []
    assert (await both.change(changes.hold)).left == {identifier: "it is held already"}
    assert "relay queue release" in (await both.change(changes.retry)).left[identifier]
    await both.spool.hold_unknown(["office"])
    assert await both.state(identifier) == "held"
    assert (await both.change(changes.release)).done == (identifier,)
    assert len(await both.spool.claim([Queue("office")], 5)) == 1


async def test_mail_of_an_account_that_is_gone_is_not_released(both: Both) -> None:
    identifier = await put(both.spool, submission(account="gone", now=both.clock.time()))
    await both.spool.hold_unknown(["office"])
    changed = await both.change(changes.release)
    assert (changed.done, "not in the configuration" in changed.left[identifier]) == ((), True)


async def test_what_is_dropped_is_gone_with_its_body(both: Both, tmp_path: Path) -> None:
    await put(both.spool, submission(now=both.clock.time()), b"x" * 100_000)
    assert len(list((tmp_path / "bodies").iterdir())) == 1
    await both.change(changes.drop)
    assert await both.found() == []
    assert list((tmp_path / "bodies").iterdir()) == []


@pytest.mark.parametrize("change", [changes.retry, changes.hold, changes.release, changes.drop])
async def test_what_is_being_sent_is_left_alone(both: Both, change: changes.Change) -> None:
    identifier = await put(both.spool, submission(now=both.clock.time()))
    (claim,) = await both.spool.claim([Queue("office")], 1)
    assert list((await both.change(change)).left) == [identifier]
    assert await both.spool.finish(claim, Settled({"a@example.org": PROVIDER}, None, True, "", 0.0, 1.0)) == "sent"


async def test_many_are_changed_in_pieces_and_each_is_told(both: Both) -> None:
    for _ in range(1203):
        await put(both.spool, submission(now=both.clock.time()))
    told: list[int] = []
    seqs = [seq for seq, _ in await both.queue.find(Selection())]
    changed = await both.queue.change(changes.drop, seqs, told.append)
    assert (len(changed.done), told) == (1203, [500, 500, 203])


async def test_the_ages_of_what_waits_by_account(both: Both) -> None:
    await put(both.spool, submission(account="hub", now=both.clock.time()))
    oldest = both.clock.time()
    await both.clock.advance(3601)
    await put(both.spool, submission(account="hub", now=both.clock.time()))
    sent = await put(both.spool, submission(now=both.clock.time()))
    await both.attempt({"a@example.org": PROVIDER})
    assert await both.state(sent) == "sent"
    (ages,) = await both.queue.ages()
    assert ages.mailbox == ""
    assert (ages.account, ages.counts, ages.total, ages.oldest) == ("hub", (1, 0, 0, 1, 0, 0, 0), 2, oldest)


async def test_the_ages_by_mailbox_where_an_account_acts_as_whoever_sends(both: Both) -> None:
    await both.spool.hold_unknown(["hub"], {"hub": ActsAs.SENDER})
    for sender in ("b@x.org", "a@x.org", "B@x.org"):
        await put(both.spool, submission(account="hub", sender=sender, now=both.clock.time()))
    found = [(each.account, each.mailbox, each.total) for each in await both.queue.ages()]
    assert found == [("hub", "a@x.org", 1), ("hub", "b@x.org", 2)]


async def test_the_content_is_there_until_the_message_is_sent(both: Both) -> None:
    await put(both.spool, submission("a@x.org", "b@x.org", now=both.clock.time()), b"text\r\n")
    ((seq, _),) = await both.queue.find(Selection())
    message = await both.queue.content(seq)
    assert (message.envelope.recipients, message.body.size) == (("a@x.org", "b@x.org"), 6)
    await both.attempt({"a@x.org": PROVIDER, "b@x.org": PROVIDER})
    with pytest.raises(DamagedRow, match="no longer kept"):
        await both.queue.content(seq)
    with pytest.raises(DamagedRow, match="no longer in the queue"):
        await both.queue.content(seq + 1)


async def test_a_database_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no database .*relay\.db"):
        async with opened(tmp_path / "relay.db"):
            pass
    assert not (tmp_path / "relay.db").exists()


async def test_a_damaged_database_is_told_with_the_next_step(tmp_path: Path) -> None:
    async with support.opened(tmp_path) as spool:
        for _ in range(50):
            await put(spool, submission(), b"x" * 20_000)
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray((tmp_path / "relay.db").read_bytes())
    data[4096 * 2 :] = b"\xaa" * (len(data) - 4096 * 2)
    (tmp_path / "relay.db").write_bytes(data)
    with pytest.raises(StorageError, match=r"malformed.*restore a backup"):
        async with opened(tmp_path / "relay.db") as queue:
            await queue.listing(Selection(), 100)
