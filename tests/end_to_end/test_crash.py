"""`kill -9` at each step of a message's way: what was answered with 250 arrives, at worst twice."""

import contextlib
import random
import smtplib
import threading
import time
from pathlib import Path

import pytest

from relay.sandbox import Fault
from tests.support.process import RelayProcess
from tests.support.way import Way, connect, message, send, way

LARGE = "x" * 70 + "\n"


def subjects(at: Way) -> list[str]:
    return [each.subject for each in at.received]


@pytest.mark.parametrize("text", ["small\n", LARGE * 3000], ids=["row", "file"])
@pytest.mark.parametrize(
    ("point", "at_least"),
    [("token", 0), ("connect", 0), ("ehlo", 0), ("auth", 0), ("mail", 0), ("rcpt", 0), ("data", 0), ("end_of_data", 1)],
)
def test_killed_while_the_upstream_is_at(tmp_path: Path, point: str, at_least: int, text: str) -> None:
    """The stand-in holds its answer at `point`; the relay is killed there and started again."""
    with way(tmp_path) as at:
        with at.relay() as process:
            at.stand_in.sandbox.faults.add(Fault(kind="slow", at=point, seconds=4, times=1))
            send(process, message("kept", text).as_bytes())
            process.wait_for("queued")
            time.sleep(0.5)
            process.kill()
        with at.relay() as process:
            process.wait_for("sent")
            assert set(subjects(at)) == {"kept"}
            assert 1 <= len(at.received) <= 1 + at_least


def test_killed_right_after_250(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        for number in range(5):
            with at.relay() as process:
                send(process, message(f"n{number}").as_bytes())
                process.kill()
        with at.relay() as process:
            at.wait_received(5)
            assert set(subjects(at)) == {f"n{number}" for number in range(5)}


def test_killed_before_the_final_dot_nothing_is_kept(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        with at.relay() as process, contextlib.suppress(smtplib.SMTPServerDisconnected):
            client = connect(process)
            client.ehlo()
            client.mail("a@x.org")
            client.rcpt("b@x.org")
            client.docmd("DATA")
            client.send(message("half", LARGE * 10_000).as_bytes())
            time.sleep(0.3)
            assert len(list((tmp_path / "state" / "bodies").iterdir())) == 1
            process.kill()
            client.close()
        with at.relay() as process:
            assert list((tmp_path / "state" / "bodies").iterdir()) == []
            send(process, message("whole").as_bytes())
            at.wait_received(1)
            assert subjects(at) == ["whole"]


def test_killed_again_and_again_under_load(tmp_path: Path) -> None:
    """Whatever the moment: every 250 is kept, and a duplicate needs a crash."""
    moments = random.Random(5)
    promised: set[str] = set()
    lock = threading.Lock()
    with way(tmp_path) as at:
        crashes = 4
        for round_number in range(crashes):
            with at.relay() as process:
                senders = [
                    threading.Thread(target=_keep_sending, args=(process, f"r{round_number}t{number}", promised, lock))
                    for number in range(3)
                ]
                for thread in senders:
                    thread.start()
                time.sleep(moments.uniform(0.05, 0.6))
                process.kill()
                for thread in senders:
                    thread.join()
        with at.relay() as process:
            deadline = time.monotonic() + 30
            while not promised <= set(subjects(at)) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert promised <= set(subjects(at))
            assert len(promised) > 10
            # Not more than what was under way at a crash: on 2 connections to the mailbox, and results that wait some
            # milliseconds to share a commit.
            assert len(subjects(at)) - len(set(subjects(at))) <= 8 * crashes


def _keep_sending(process: RelayProcess, name: str, promised: set[str], lock: threading.Lock) -> None:
    for number in range(1000):
        subject = f"{name}n{number}"
        try:
            send(process, message(subject).as_bytes())
        except (OSError, smtplib.SMTPException):
            return
        with lock:
            promised.add(subject)


def test_a_client_that_vanishes_after_the_final_dot_loses_nothing(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay() as process:
        for number in range(10):
            client = connect(process)
            client.ehlo()
            client.mail("a@x.org")
            client.rcpt("b@x.org")
            client.docmd("DATA")
            client.send(message(f"v{number}", LARGE * 2000).as_bytes() + b".\r\n")
            client.close()
        at.wait_received(10)
        assert set(subjects(at)) == {f"v{number}" for number in range(10)}
