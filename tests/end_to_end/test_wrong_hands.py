"""Commands in a hurry: with an empty variable, in a wrong place, as another user."""

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from relay.cli.common import unusable
from relay.database import StorageError
from relay.database.sqlite_errors import owner_of, told
from tests.support import spool as support
from tests.support.process import run
from tests.support.spool import put, submission

NOBODY = 65534
AS_ROOT = sys.platform != "win32" and os.geteuid() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("queue", "export", "--all", "--to", ""), "'--to': it is empty: name a place"),
        (("sink", "export", ""), "'TARGET': it is empty: name a place"),
        (("serve", "--only", ""), '--only: "": name one or more of delivery, listener, web'),
    ],
)
def test_an_empty_variable_is_no_place_and_no_part(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    code, output = run(tmp_path, *arguments)
    assert (code, text in output) == (2, True), output
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_state_folder(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    code, output = run(tmp_path, "serve")
    assert (code, f"relay: {tmp_path}/state is a file, and a folder is needed: set state_folder to" in output) == (
        1,
        True,
    )
    code, output = run(tmp_path, "sandbox", "--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--folder", "state/x")
    assert (code, "Set --folder to a folder that this user may write" in output) == (1, True)


async def test_the_doctor_is_not_content_with_a_queue_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    async with support.opened(tmp_path / "state") as spool:
        await put(spool, submission())
    connection = sqlite3.connect(tmp_path / "state" / "relay.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    code, output = run(tmp_path, "doctor", "sink")
    assert (code, "FAIL  last_error: the queue cannot be read: " in output) == (1, True), output
    assert "was written by a newer relay" in output


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a file to somebody else")
def test_whose_a_file_is_that_may_not_be_used(tmp_path: Path) -> None:
    file = tmp_path / "relay.db"
    file.touch()
    assert owner_of(file) == ""
    os.chown(file, NOBODY, NOBODY)
    whose = owner_of(file)
    assert whose.startswith("; it belongs to ")
    assert whose.endswith(": run the command as that user")
    assert owner_of(tmp_path / "not there") == ""
    assert unusable(PermissionError(13, "Permission denied", str(file))).endswith(f"and has room{whose}")
    error = sqlite3.OperationalError("attempt to write a readonly database")
    error.sqlite_errorname = "SQLITE_READONLY"
    with pytest.raises(StorageError, match="it belongs to"), told(file):
        raise error
