"""The files of large bodies: private, swept when nobody needs them any more, and never those of somebody else."""

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest

from relay.model import Outcome, Result
from relay.spool import Queue, Settled
from relay.spool.upload import SMALL
from tests.support.spool import claim_one, content, opened, put, submission

SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")


async def test_bodies_that_no_message_adopted_are_swept_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        kept = await put(spool, submission(), b"x" * 100_000)
        abandoned = spool.upload()
        await abandoned.write(b"y" * 100_000, 0)
        await abandoned.seal()
        assert len(list((tmp_path / "bodies").iterdir())) == 2
    async with opened(tmp_path):
        assert [path.name for path in (tmp_path / "bodies").iterdir()] == [kept]


async def test_bodies_of_another_database_are_not_swept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As when a damaged database is moved away, and repaired while the relay works with a new one."""
    async with opened(tmp_path) as spool:
        kept = await put(spool, submission(), b"x" * 100_000)
    (tmp_path / "relay.db").rename(tmp_path / "repaired.db")
    for _ in range(2):
        async with opened(tmp_path) as spool:
            await put(spool, submission(), b"y" * 100_000)
        assert f"delete {tmp_path / 'bodies.database'}" in caplog.text
        caplog.clear()
    (tmp_path / "relay.db").rename(tmp_path / "meanwhile.db")
    (tmp_path / "repaired.db").rename(tmp_path / "relay.db")
    async with opened(tmp_path) as spool:
        assert len(await content(await claim_one(spool))) == 100_000
        assert len(list((tmp_path / "bodies").iterdir())) == 3, "those of the meantime are somebody's, too"
    (tmp_path / "bodies.database").unlink()
    caplog.clear()
    async with opened(tmp_path):
        assert [path.name for path in (tmp_path / "bodies").iterdir()] == [kept]
    assert not caplog.text


async def test_the_bodies_of_a_database_under_another_name_or_as_a_copy_are_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        message = await put(spool, submission(), b"x" * 100_000)
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    (tmp_path / "copy.db").replace(tmp_path / "relay.db")
    (tmp_path / "bodies" / "left by a crash").touch()
    async with opened(tmp_path):
        assert [path.name for path in (tmp_path / "bodies").iterdir()] == [message]


async def test_a_discarded_upload_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        upload = spool.upload()
        await upload.write(b"y" * 300_000, 0)
        await upload.discard()
        assert list((tmp_path / "bodies").iterdir()) == []


async def test_an_upload_that_is_cut_off_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for _ in range(30):
            upload = spool.upload()
            task = asyncio.create_task(upload.write(b"x" * 300_000, 0))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            await upload.discard()
        assert list((tmp_path / "bodies").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("first", [b"", b"x" * 70_000], ids=["the first octets", "later ones"])
async def test_a_disk_that_fills_up_in_the_middle_of_a_body_gets_all_of_it_back(tmp_path: Path, first: bytes) -> None:
    import resource  # noqa: PLC0415 (not on Windows)

    async with opened(tmp_path) as spool:
        upload = spool.upload()
        await upload.write(first, 0)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                await upload.write(b"x" * 300_000, 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await upload.discard()
        assert list((tmp_path / "bodies").iterdir()) == []


async def test_what_cannot_be_deleted_harms_no_mail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path) as spool:
        message = await put(spool, submission(), b"x" * (SMALL + 1))
        (claim,) = await spool.claim([Queue("office")], 1)
        body = tmp_path / "bodies" / message
        body.unlink()
        (body / "in the way").mkdir(parents=True)
        assert await spool.finish(claim, Settled({"a@example.org": SENT}, None, True, "", 0.0, 0.0)) == "sent"
        assert f"{body}: cannot be deleted" in caplog.text
    caplog.clear()
    async with opened(tmp_path) as spool:  # nor is a folder there (lost+found, a snapshot) a reason not to start
        await put(spool, submission())
    assert body.is_dir()
    assert not caplog.text


async def test_the_state_is_private(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        identifier = await put(spool, submission(), b"x" * 100_000)
        assert (tmp_path / "bodies").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "bodies" / identifier).stat().st_mode & 0o777 == 0o600
