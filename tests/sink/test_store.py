"""The store: kept before anything else, listed newest first, within its limits, across restarts."""

import asyncio
from pathlib import Path

import pytest

from relay.database import StorageError
from relay.database.sqlite import SqliteDatabase
from relay.model import Body, Message
from relay.sink import Limits, SinkStore, changes, parse
from relay.spool.upload import FileBody
from tests.support.caught import ROOMY, caught, sink
from tests.support.clock import FakeClock
from tests.support.stored import Wrapped


def file_body(folder: Path, data: bytes) -> FileBody:
    path = folder / "queued-body"
    path.write_bytes(data)
    return FileBody(path, len(data), 0)


async def octets(store: SinkStore, message: Message) -> bytes:
    source = await store.source(message.id)
    assert source is not None
    return await store.octets(source)


async def test_what_was_kept_is_listed_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    message = caught("", b"Hello\r\n", "b@x.org", "secret@x.org", login="erp", at=1000.5)
    async with sink(tmp_path) as store:
        await store.keep(message)
        page = await store.page()
    (summary,) = page.messages
    assert (page.total, page.unread, page.matching) == (1, 1, 1)
    assert (summary.id, summary.account, summary.received_at, summary.username) == (message.id, "sink", 1000.5, "erp")
    assert (summary.sender, summary.subject, summary.message_id) == (("App", "app@example.com"), "Test", "1@app")
    assert ([each.address for each in summary.to], summary.bcc) == (["b@x.org"], (("", "secret@x.org"),))
    assert (summary.snippet, summary.read, summary.parsed) == ("Hello", False, True)


async def test_the_source_has_in_front_what_a_mailbox_would_have(tmp_path: Path) -> None:
    message = caught("To: b@x.org\n", b"one\r\n", "b@x.org", "c@x.org")
    async with sink(tmp_path) as store:
        await store.keep(message)
        size = (await store.page()).messages[0].size
        source = await octets(store, message)
    assert source == b"Return-Path: <app@example.com>\r\nBcc: c@x.org\r\nTo: b@x.org\r\n\r\none\r\n"
    assert size == len(source)


async def test_an_address_cannot_add_a_field_to_the_source(tmp_path: Path) -> None:
    message = caught("To: b@x.org\n", b"", "b@x.org", "c@x.org\r\nX-Evil: 1", sender="a@x\r\nX-Evil: 2")
    async with sink(tmp_path) as store:
        await store.keep(message)
        await store.page()
        source = await octets(store, message)
    assert b"\r\nX-Evil" not in source


async def test_a_large_body_is_one_copy_on_the_disk_and_outlives_the_queue_s_name(tmp_path: Path) -> None:
    body = file_body(tmp_path, b"x" * 100_000 + b"\r\n")
    message = caught("", body)
    async with sink(tmp_path) as store:
        await store.keep(message)
        kept = tmp_path / "sink" / message.id
        assert kept.samefile(body.path)
        body.path.unlink()
        assert (await octets(store, message)).endswith(b"\r\n\r\n" + b"x" * 100_000 + b"\r\n")
        await changes.delete(store, await changes.chosen(store, [message.id], None))
        assert not kept.exists()


async def test_kept_twice_is_there_once(tmp_path: Path) -> None:
    """A crash between keeping a message and telling the queue: the attempt is made again."""
    message = caught("", file_body(tmp_path, b"x" * 70_000))
    async with sink(tmp_path) as store:
        await store.keep(message)
        await store.keep(message)
        assert (await store.page()).total == 1


async def test_what_is_kept_survives_a_restart_and_is_looked_into_then(tmp_path: Path) -> None:
    message = caught()
    async with sink(tmp_path) as store:
        await store.keep(message)
        await store.page()
    database = SqliteDatabase(tmp_path / "relay.db")
    await database.write(lambda connection: connection.execute("UPDATE caught SET parsed = 0, facts = '{}'"))
    await database.close()
    (tmp_path / "sink" / "left-by-a-crash").write_bytes(b"x")
    async with sink(tmp_path) as store:
        (summary,) = (await store.page()).messages
        assert summary.subject == "Test"
    assert list((tmp_path / "sink").iterdir()) == []


async def test_what_the_disk_refuses_was_not_kept(tmp_path: Path) -> None:
    database = Wrapped(SqliteDatabase(tmp_path / "relay.db"))
    store = SinkStore(database, tmp_path, ROOMY)
    await store.open()
    database.before = 1
    with pytest.raises(StorageError):
        await store.keep(caught())
    assert (await store.page()).total == 0
    await store.close()
    await database.close()


async def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    messages = [caught(at=float(number), body=b"x" * 100) for number in range(7)]
    async with sink(tmp_path, Limits(count=3, octets=1 << 30, age=None)) as store:
        for message in messages:
            await store.keep(message)
        assert [each.id for each in (await store.page()).messages] == [m.id for m in reversed(messages[-3:])]


async def test_the_oldest_go_when_they_are_too_much(tmp_path: Path) -> None:
    async with sink(tmp_path, Limits(count=100, octets=250_000, age=None)) as store:
        for number in range(5):
            await store.keep(caught("", file_body(tmp_path, b"x" * 100_000), at=float(number)))
            (tmp_path / "queued-body").unlink()
        assert (await store.page()).total == 2
    assert len(list((tmp_path / "sink").iterdir())) == 2


async def test_the_old_go_when_their_time_has_come(tmp_path: Path) -> None:
    clock = FakeClock()
    async with sink(tmp_path, Limits(count=100, octets=1 << 30, age=60.0), clock) as store:
        await store.keep(caught(at=clock.time()))
        clock.now += 30
        await store.keep(caught(at=clock.time()))
        clock.now += 40
        await store.prune()
        assert (await store.page()).total == 1


async def test_pages_are_newest_first_and_equal_times_keep_their_order(tmp_path: Path) -> None:
    messages = [caught(at=at) for at in (10.0, 30.0, 20.0, 30.0)]
    async with sink(tmp_path) as store:
        for message in messages:
            await store.keep(message)
        ids = [messages[index].id for index in (3, 1, 2, 0)]
        assert [each.id for each in (await store.page()).messages] == ids
        assert [each.id for each in (await store.page(1, 2)).messages] == ids[1:3]
        assert [each.id for each in (await store.page(0, 0)).messages] == ids
        assert [each.id for each in (await store.page(0, 9, before=30.0)).messages] == ids[2:]
        assert (await store.page(0, 1, before=30.0)).matching == 2
        assert (await store.page(50, 10)).messages == ()


async def test_marks_tags_and_deletion(tmp_path: Path) -> None:
    one, two = caught("Subject: one\nX-Tags: Red, a/b\n"), caught("Subject: two\n")
    async with sink(tmp_path) as store:
        for message in (one, two):
            await store.keep(message)
        await changes.mark(store, await changes.chosen(store, [one.id, "unknown"], None), read=True)
        assert (await store.page()).unread == 1
        assert await store.tags() == {"a b": 1, "Red": 1}
        await changes.tag(store, await changes.chosen(store, None, None), ["red", "new"])
        assert await store.tags() == {"new": 2, "Red": 2}
        await changes.rename_tag(store, "red", "Blue")
        with pytest.raises(changes.TagError, match="already exists"):
            await changes.rename_tag(store, "Blue", "NEW")
        await changes.delete_tag(store, "new")
        assert await store.tags() == {"Blue": 2}
        await changes.delete(store, await changes.chosen(store, None, parse("subject:one")))
        assert [each.subject for each in (await store.page()).messages] == ["two"]
        await changes.delete(store, await changes.chosen(store, None, None), everything=True)
        assert await store.tags() == {}
        assert store.counters.deleted == 2


async def test_a_wait_ends_when_the_mail_comes(tmp_path: Path) -> None:
    async with sink(tmp_path) as store:
        waiting = asyncio.create_task(store.wait(parse("subject:second"), 1, 30))
        await store.keep(caught("Subject: first\n"))
        await store.page()
        assert not waiting.done()
        await store.keep(caught("Subject: second\n"))
        await asyncio.wait_for(waiting, 5)
        await store.wait(parse("subject:third"), 1, 0.01)


async def test_watchers_hear_of_everything(tmp_path: Path) -> None:
    message = caught()
    async with sink(tmp_path) as store:
        with store.feed.watching() as watcher:
            await store.keep(message)
            new = await watcher.next(5)
            assert new is not None
            assert (new.kind, new.data.id) == ("new", message.id)
            seqs = await changes.chosen(store, None, None)
            await changes.mark(store, seqs, read=True)
            await changes.delete(store, seqs)
            for kind in ("update", "delete"):
                event = await watcher.next(5)
                assert event is not None
                assert (event.kind, event.data["ID"]) == (kind, message.id)
        waiting = asyncio.create_task(store.wait(parse("x"), 1, 60))
        await asyncio.sleep(0)
    await asyncio.wait_for(waiting, 5)


async def test_a_body_that_cannot_be_read_is_not_said_to_be_kept(tmp_path: Path) -> None:
    gone: Body = FileBody(tmp_path / "gone", 100_000, 0)
    async with sink(tmp_path) as store:
        with pytest.raises(OSError, match="gone"):
            await store.keep(caught("", gone))
        assert (await store.page()).total == 0
