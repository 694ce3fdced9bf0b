"""`relay queue ...` as a person types it, beside a relay that is at work."""

import contextlib
import json
import mailbox
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.sandbox import Fault
from tests.support.process import RelayProcess, run
from tests.support.way import Way, message, send, way

WAITS = 'retry = ["1h"]'


class Desk:
    """A relay at work whose first attempts are refused for now, and the commands."""

    def __init__(self, at: Way, process: RelayProcess) -> None:
        self.at = at
        self.process = process

    def __call__(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        command, *rest = arguments
        config = str(self.at.folder / "relay.toml")
        return run(self.at.folder, "queue", command, "--config", config, *rest, stdin=stdin)

    def json(self, *arguments: str) -> Any:
        code, output = self(*arguments, "--json")
        assert code == 0, output
        return json.loads(output)

    def wait(self, subject: str, *recipients: str, text: str = "Hello\n") -> str:
        """Send a message that is deferred; its id."""
        self.at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy", times=1))
        made = message(subject, text)
        made["Message-ID"] = f"<{subject}@app>"
        before = len([each for each in self.process.events if each.get("event") == "queued"])
        send(self.process, made.as_bytes(), *recipients)
        identifier: str = self.process.wait_for("queued", before + 1)["id"]
        self.process.wait_for("deferred", id=identifier)
        return identifier


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with way(tmp_path) as at, at.relay(queue=WAITS) as process:
        yield Desk(at, process)


def test_a_waiting_message_is_shown_retried_and_found_by_the_providers_id(desk: Desk) -> None:
    identifier = desk.wait("first", "a@x.org", "b@x.org")
    code, output = desk("list")
    assert code == 0
    assert f"{identifier}  queued, next try in" in output
    assert "office (microsoft/global/" in output
    (shown,) = desk.json("show", "first@app")
    assert [one["text"] for one in shown["history"][0]["results"]] == ["busy", "busy"]
    assert shown["history"][0]["started_at"] < shown["history"][0]["ended_at"]
    assert "attempt 1, " in desk("show", identifier)[1]

    assert desk("retry", identifier) == (0, f"{identifier}: tried again\n")
    (taken,) = desk.at.wait_received(1)
    desk.process.wait_for("sent", id=identifier)
    (shown,) = desk.json("show", taken.new_message_id)
    assert (shown["id"], shown["state"], [each["number"] for each in shown["history"]]) == (identifier, "sent", [1, 2])
    assert desk("retry", identifier) == (1, f"{identifier}: left as it was: it was sent\n")
    # One id from the session to the last attempt.
    told = [each["event"] for each in desk.process.events if each.get("id") == identifier]
    assert told == ["queued", "deferred", "sent"]


def test_held_mail_waits_for_its_release(desk: Desk) -> None:
    identifier = desk.wait("held")
    assert desk("hold", identifier)[0] == 0
    assert desk("retry", identifier)[0] == 1
    assert [each["state"] for each in desk.json("list", "--state", "held")] == ["held"]
    assert desk("release", "--state", "held") == (0, f"{identifier}: released\n")
    desk.process.wait_for("sent", id=identifier)


def test_many_are_dropped_only_when_that_is_meant(desk: Desk) -> None:
    kept = desk.wait("kept", "kept@x.org")
    dropped = {desk.wait(f"n{number}", "gone@y.org") for number in range(2)}
    code, output = desk("drop", "--recipient", "@y.org")
    assert (code, "Drop 2 messages?" in output, "--yes" in output) == (1, True, True)
    assert len(desk.json("list")) == 3
    assert set(desk.json("drop", "--recipient", "@y.org", "--yes")["dropped"]) == dropped
    assert [each["id"] for each in desk.json("list")] == [kept]
    assert desk("drop", "--recipient", "@y.org", "--yes") == (0, "no message fits\n")


def test_a_name_that_is_not_there_and_no_name_at_all(desk: Desk) -> None:
    assert desk("show", "nothing@app") == (
        1,
        "relay: there is no message 'nothing@app' in the queue: `relay queue list` shows what there is\n",
    )
    code, output = desk("drop")
    assert (code, "--all for all of them" in output) == (2, True)
    code, output = desk("list", "--older", "yesterday")
    assert (code, "no duration" in output) == (2, True)


def test_exports_lose_nothing(desk: Desk) -> None:
    text = "From here\n" + "x" * 70 + "\n.dots\n" * 20_000
    one, two = desk.wait("one", text=text), desk.wait("two", "hidden@x.org")
    for form, target in (("eml", "folder"), ("mbox", "mbox"), ("maildir", "maildir")):
        code, output = desk("export", "--all", "--format", form, "--to", target)
        assert (code, output) == (0, "2 of 2 messages exported\n")
    folder = desk.at.folder
    assert json.loads((folder / "folder" / f"{two}.json").read_text())["recipients"][0]["address"] == "hidden@x.org"
    whole = (folder / "folder" / f"{one}.eml").read_bytes()
    assert (folder / "folder" / f"{one}.eml").stat().st_mode & 0o077 == 0
    in_maildir = [path.read_bytes() for path in (folder / "maildir" / "new").iterdir()]
    assert whole in in_maildir
    read = mailbox.mbox(folder / "mbox")
    assert [each["Subject"] for each in read] == ["one", "two"]
    read.close()
    desk("retry", "--all", "--yes")
    desk.at.wait_received(2)
    assert whole in [taken.raw for taken in desk.at.received]
    code, output = desk("export", one)
    assert (code, "no longer kept" in output) == (1, True)


def test_the_ages_of_each_mailbox(desk: Desk) -> None:
    desk.wait("one")
    (row,) = desk.json("list", "--summary")
    assert (row["account"], row["messages"], row["ages"]["up to 5m"]) == ("office", 1, 1)
    assert row["identity"].startswith("microsoft/global/")
    assert desk("list", "--summary")[1].count("\n") == 2


def test_without_a_database_of_this_version_nothing_is_touched(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        config = str(at.config())
        code, output = run(tmp_path, "queue", "list", "--config", config)
        assert (code, "there is no database" in output) == (1, True)
        assert not (tmp_path / "state" / "relay.db").exists()
        (tmp_path / "state").mkdir()
        with contextlib.closing(sqlite3.connect(tmp_path / "state" / "relay.db")) as connection:
            connection.execute("PRAGMA user_version = 99")
        code, output = run(tmp_path, "queue", "list", "--config", config)
        assert (code, "written by a newer relay" in output) == (1, True)
        (tmp_path / "state" / "relay.db").write_bytes(b"no database " * 1000)
        code, output = run(tmp_path, "queue", "list", "--config", config)
        assert (code, "move it away" in output) == (1, True)


def test_changes_beside_a_busy_relay_lose_no_message(desk: Desk) -> None:
    """Hold, release and retry again and again while mail goes through: all of it arrives, once."""
    subjects = {f"s{number}" for number in range(60)}

    def pour() -> None:
        for subject in sorted(subjects):
            send(desk.process, message(subject).as_bytes())

    thread = threading.Thread(target=pour)
    thread.start()
    while thread.is_alive():
        for command in ("hold", "release", "retry"):
            code, output = desk(
                command, "--state", "queued", "--state", "held", *(["--yes"] if command == "retry" else [])
            )
            assert code == 0, output
    thread.join()
    desk("release", "--state", "held")
    desk.at.wait_received(60)
    assert sorted(each.subject for each in desk.at.received) == sorted(subjects)
