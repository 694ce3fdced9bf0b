"""A database that nobody could read after a restart: what is taken then would not be safe."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.spool import opened, put, submission

GONE = "was removed, replaced or emptied while the relay has it open"


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "relay.db", folder / "relay.db-wal"


def remove(folder: Path) -> None:
    for file in files(folder):
        file.unlink()


def replace(folder: Path) -> None:
    shutil.copy(folder / "relay.db", folder / "copy")
    (folder / "copy").replace(folder / "relay.db")


def empty(folder: Path) -> None:
    for file in files(folder):
        with file.open("r+b") as content:
            content.truncate(0)


def overwrite(folder: Path) -> None:
    for file in files(folder):
        with file.open("r+b") as content:
            content.write(b"\xff" * file.stat().st_size)


@pytest.mark.parametrize(
    ("harm", "text"), [(remove, GONE), (replace, GONE), (empty, GONE), (overwrite, "file is not a database")]
)
async def test_what_could_not_be_read_again_is_not_taken(
    tmp_path: Path, harm: Callable[[Path], None], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with opened(tmp_path) as spool:
        await put(spool, submission())
        await spool.capacity.look()
        assert spool.capacity.troubles == []
        harm(tmp_path)
        await spool.capacity.look()
        await spool.capacity.look()
        (told,) = spool.capacity.troubles
        assert told.startswith("the queue cannot be read, new mail is refused: ")
        assert str(tmp_path / "relay.db") in told
        assert text in told
        assert spool.capacity.refusal() in told
        assert [getattr(record, "event", "") for record in caplog.records].count("storage") == 1


async def test_a_file_that_is_back_in_its_place_is_good_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        database, aside = tmp_path / "relay.db", tmp_path / "aside"
        database.rename(aside)
        await spool.capacity.look()
        assert GONE in spool.capacity.refusal()
        aside.rename(database)
        await spool.capacity.look()
        assert (spool.capacity.refusal(), spool.capacity.troubles) == ("", [])
