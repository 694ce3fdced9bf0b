"""A relay that may not write any more, as on a full or read-only disk: mail waits at its clients, then all goes on.

No file may grow (RLIMIT_FSIZE), which needs no rights; `tests/drills/disk.py` does the same with real file systems.
"""

import contextlib
import resource
import smtplib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from relay.sandbox import Fault
from tests.end_to_end.test_backup import back_up
from tests.support.process import PATIENCE, RelayProcess, relay, run
from tests.support.way import connect, message, send, way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes the limits of a process that runs")
LARGE = ("x" * 70 + "\n") * 3000


@contextlib.contextmanager
def unwritable(process: RelayProcess) -> Iterator[None]:
    """No file of the relay's may grow meanwhile."""
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, most))
    yield
    with contextlib.suppress(ProcessLookupError):  # it was stopped
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))


def refused(process: RelayProcess, text: str) -> str:
    with pytest.raises(smtplib.SMTPResponseException) as raised:
        send(process, message("refused", text).as_bytes())
    said = raised.value.smtp_error
    return f"{raised.value.smtp_code} {said.decode() if isinstance(said, bytes) else said}"


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def ready(process: RelayProcess) -> int:
    return httpx2.get(f"{process.page}readyz").status_code


def count(process: RelayProcess, event: str) -> int:
    return sum(each.get("event") == event for each in process.events)


def test_a_disk_that_takes_nothing_loses_nothing_and_is_told_once(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue='retry = ["1s"]') as process:
        order = at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy"))
        for subject, text in (("small", "x\n"), ("large", LARGE)):
            send(process, message(subject, text).as_bytes())
        process.wait_for("deferred", 2)
        with unwritable(process):
            for text in ("x\n", LARGE, "x\n"):
                assert refused(process, text).startswith("452 4.3.1")
            assert "cannot be written" in process.wait_for("storage")["message"]
            wait(lambda: ready(process) == 503)
            at.stand_in.sandbox.faults.remove(order.number)
            for _ in range(20):
                assert refused(process, "x\n").startswith("452 4.3.1")
        process.wait_for("storage_restored")
        wait(lambda: ready(process) == 200)
        send(process, message("after").as_bytes())
        process.wait_for("sent", 3)
        assert {taken.subject for taken in at.received} == {"small", "large", "after"}
        assert (count(process, "storage"), count(process, "storage_restored")) == (1, 1)


def test_it_stops_cleanly_while_nothing_can_be_written(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        with at.relay(queue='retry = ["1s"]') as process:
            at.stand_in.sandbox.faults.add(Fault(kind="slow", at="end_of_data", seconds=60, times=1))
            send(process, message("kept").as_bytes())
            process.wait_for("queued")
            with unwritable(process):
                refused(process, LARGE)
                assert process.stop() == 0
        with at.relay(queue='retry = ["1s"]') as process:
            process.wait_for("sent")
        assert {taken.subject for taken in at.received} == {"kept"}


def test_the_queue_fills_up_refuses_and_takes_mail_again(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        with at.relay(queue='retry = ["1s"]\nmax_size = ["100KiB", "100 messages"]') as process:
            order = at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy"))
            taken = []
            for number in range(9):
                with contextlib.suppress(smtplib.SMTPResponseException):
                    send(process, message(f"n{number}", LARGE[:24_000]).as_bytes())
                    taken.append(f"n{number}")
            assert 0 < len(taken) < 9
            assert refused(process, LARGE).startswith("452 4.3.1")
            process.wait_for("full")
            wait(lambda: ready(process) == 503)
            at.stand_in.sandbox.faults.remove(order.number)
            process.wait_for("sent", len(taken))
            process.wait_for("room")
            wait(lambda: ready(process) == 200)
            send(process, message("after").as_bytes())
            process.wait_for("sent", len(taken) + 1)
        assert sorted(each.subject for each in at.received) == ["after", *taken]


def test_a_backup_made_while_mail_flows_has_all_that_was_accepted_before(tmp_path: Path) -> None:
    accepted: list[str] = []
    stop = threading.Event()
    with way(tmp_path) as at:
        order = at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy"))
        with at.relay(queue='retry = ["1h"]') as process:

            def flow() -> None:
                with connect(process) as client:
                    for number in range(10_000):
                        text = LARGE if number % 3 == 0 else "x\n"
                        client.sendmail("a@example.com", "b@example.org", message(f"n{number}", text).as_bytes())
                        accepted.append(f"n{number}")
                        if stop.is_set():
                            return

            sender = threading.Thread(target=flow)
            sender.start()
            wait(lambda: len(accepted) >= 4)
            before = list(accepted)
            back_up(tmp_path / "state", tmp_path / "backup")
            wait(lambda: len(accepted) > len(before))
            stop.set()
            sender.join(PATIENCE)
            process.kill()
        at.stand_in.sandbox.faults.remove(order.number)
        (tmp_path / "state").rename(tmp_path / "lost")
        (tmp_path / "backup").rename(tmp_path / "state")
        config = str(at.config(queue='retry = ["1s"]'))
        with relay(tmp_path, "serve", "--config", config) as process:
            process.wait_for("started")
            assert run(tmp_path, "queue", "retry", "--config", config, "--all", "--yes")[0] == 0
            wait(lambda: set(before) <= {taken.subject for taken in at.received})
        assert count(process, "corrupt") == 0
