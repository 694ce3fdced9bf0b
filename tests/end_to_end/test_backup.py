"""The backup of docs/operation.md: made while the relay works, restored into another folder, delivered from there."""

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from relay.sandbox import Fault
from tests.support.process import PATIENCE, relay, run
from tests.support.way import message, send, way

LARGE = ("x" * 70 + "\n") * 3000
WAITS = 'retry = ["1h"]'


def back_up(state: Path, to: Path) -> None:
    """First the database, then the bodies."""
    to.mkdir()
    with (
        contextlib.closing(sqlite3.connect(state / "relay.db")) as source,
        contextlib.closing(sqlite3.connect(to / "relay.db")) as copy,
    ):
        source.backup(copy)
    shutil.copytree(state / "bodies", to / "bodies")


def test_a_backup_made_at_work_is_restored_held_and_delivered(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        order = at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy"))
        with at.relay(queue=WAITS) as process:
            for subject, text in (("small", "x\n"), ("large", LARGE), ("later", "x\n")):
                send(process, message(subject, text).as_bytes())
            process.wait_for("deferred", 3)
            back_up(tmp_path / "state", tmp_path / "backup")
            send(process, message("after the backup").as_bytes())
            process.wait_for("deferred", 4)
            process.kill()
        at.stand_in.sandbox.faults.remove(order.number)
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "backup").rename(tmp_path / "state")

        config = str(at.config(queue=WAITS))
        code, output = run(tmp_path, "queue", "hold", "--config", config, "--state", "queued")
        assert (code, output.count(": held")) == (0, 3)
        with relay(tmp_path, "serve", "--config", config) as process:
            process.wait_for("started")
            assert at.received == []
            assert run(tmp_path, "queue", "release", "--config", config, "--all")[0] == 0
            at.wait_received(3)
            process.wait_for("sent", 3)
        assert {taken.subject for taken in at.received} == {"small", "large", "later"}
        (large,) = [taken.raw for taken in at.received if taken.subject == "large"]
        assert large.endswith(message("large", LARGE).as_bytes().partition(b"\r\n\r\n")[2])


def test_what_was_being_sent_when_the_copy_was_made_is_held_with_the_rest(tmp_path: Path) -> None:
    """It has been sent since, most probably: a restored relay must not send it before somebody has looked."""
    with way(tmp_path) as at:
        at.stand_in.sandbox.faults.add(Fault(kind="slow", seconds=600.0))
        with at.relay(queue=WAITS) as process:
            send(process, message("under way").as_bytes())
            identifier = process.wait_for("queued")["id"]
            config = str(tmp_path / "relay.toml")
            wait_until_active(tmp_path, identifier)
            back_up(tmp_path / "state", tmp_path / "backup")
            code, output = run(tmp_path, "queue", "hold", "--config", config, identifier)
            assert (code, "it is being sent right now" in output) == (1, True)
            process.kill()
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "backup").rename(tmp_path / "state")
        code, output = run(tmp_path, "queue", "hold", "--config", config, "--state", "queued")
        assert (code, output) == (0, f"{identifier}: held\n")
        with relay(tmp_path, "serve", "--config", config) as process:
            process.wait_for("started")
            code, output = run(tmp_path, "queue", "list", "--config", config, "--state", "held")
            assert (code, identifier in output) == (0, True)


def wait_until_active(folder: Path, identifier: str) -> None:
    """Its attempt has begun, and that is on the disk."""
    deadline = time.monotonic() + PATIENCE
    with contextlib.closing(sqlite3.connect(folder / "state" / "relay.db")) as connection:
        query = "SELECT 1 FROM message WHERE id = ? AND state = 'active'"
        while connection.execute(query, (identifier,)).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_body_that_is_missing_after_a_restore_stops_nobody_else(tmp_path: Path) -> None:
    """It had been sent between the copy of the database and that of the bodies."""
    with way(tmp_path) as at:
        order = at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy"))
        with at.relay(queue=WAITS) as process:
            send(process, message("large", LARGE).as_bytes())
            send(process, message("small").as_bytes())
            process.wait_for("deferred", 2)
            process.stop()
        for body in (tmp_path / "state" / "bodies").iterdir():
            body.unlink()
        at.stand_in.sandbox.faults.remove(order.number)
        config = str(at.config(queue=WAITS))
        assert run(tmp_path, "queue", "retry", "--config", config, "--all", "--yes")[0] == 0
        with relay(tmp_path, "serve", "--config", config) as process:
            assert "is missing" in process.wait_for("corrupt")["reason"]
            process.wait_for("sent")
        assert [taken.subject for taken in at.received] == ["small"]
