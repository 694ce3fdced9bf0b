"""A relay whose disk fills up, and then may not be written: `sudo unshare -m python -m tests.drills.disk`.

The state folder is a small tmpfs in a mount name space of its own. Mail is sent until it is refused; then the upstream,
which was down, comes back. Everything that was answered with 250 has to arrive, and new mail has to be taken again,
without a restart. At last it is an ext4 image that the kernel makes read-only as after an error of the disk. It prints
what happened and ends with an error if anything was lost or the log was flooded.
"""

import smtplib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from relay.sandbox import Fault
from tests.support.process import PATIENCE, RelayProcess
from tests.support.way import Way, message, send, way

SIZE = "48m"
TEXT = ("x" * 70 + "\n") * 14_000
AGAIN = 'retry = ["2s"]\n'


def text_of(refused: smtplib.SMTPResponseException) -> str:
    text = refused.smtp_error
    return text.decode() if isinstance(text, bytes) else text


def fill(process: RelayProcess, name: str, most: int) -> tuple[list[str], list[str]]:
    """Send large messages until three were refused: (subjects taken, replies)."""
    taken: list[str] = []
    replies: list[str] = []
    for number in range(most):
        subject = f"{name}{number}"
        try:
            send(process, message(subject, TEXT).as_bytes())
            taken.append(subject)
        except smtplib.SMTPResponseException as refused:
            replies.append(f"{refused.smtp_code} {text_of(refused)}")
            if len(replies) == 3:
                break
    return taken, replies


def flood(process: RelayProcess, count: int) -> set[str]:
    """Send smaller messages: what is left of the room is soon gone; the replies."""
    replies = set()
    for _ in range(count):
        try:
            send(process, message("flood", TEXT[:20_000]).as_bytes())
            replies.add("250")
        except smtplib.SMTPResponseException as refused:
            replies.add(f"{refused.smtp_code} {text_of(refused)}")
    return replies


def ready(process: RelayProcess) -> tuple[int, str]:
    answer = httpx2.get(f"{process.page}readyz")
    return answer.status_code, answer.text


def wait_ready(process: RelayProcess) -> None:
    until = time.monotonic() + PATIENCE
    while ready(process)[0] != 200:
        assert time.monotonic() < until, f"not ready again: {ready(process)}\n{process.output[-4000:]}"
        time.sleep(0.2)


def count(process: RelayProcess, event: str) -> int:
    return sum(each.get("event") == event for each in process.events)


def arrive(at: Way, taken: list[str]) -> None:
    until = time.monotonic() + 2 * PATIENCE
    while missing := set(taken) - {each.subject for each in at.received}:
        assert time.monotonic() < until, f"lost: {sorted(missing)}"
        time.sleep(0.2)
    print(f"  all {len(taken)} that were answered with 250 have arrived")


@contextmanager
def down(at: Way) -> Iterator[None]:
    """An upstream that takes nothing meanwhile."""
    order = at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply="451 4.3.0 busy"))
    yield
    at.stand_in.sandbox.faults.remove(order.number)


def filled(at: Way, queue: str, entered: str, left: str, ballast: Path | None = None) -> None:
    """Fill the disk, see it refuse, let the mail go, see it take again. Without `ballast` nobody else makes room."""
    if ballast is not None:
        ballast.write_bytes(b"x" * 8_000_000)
    with at.relay(queue=AGAIN + queue) as process:
        with down(at):
            taken, replies = fill(process, entered, 80)
            print(f"  {len(taken)} messages of 1 MB taken, then {set(replies)}")
            assert len(replies) == 3, "nothing was refused"
            print("  200 more:", flood(process, 200))
            print("  /readyz:", *ready(process))
            assert ready(process)[0] == 503
        if ballast is not None:
            time.sleep(10)
            ballast.unlink()
        wait_ready(process)
        arrive(at, taken)
        process.wait_for(left)
        send(process, message(f"after {entered}").as_bytes())
        arrive(at, [f"after {entered}"])
        print(f"  lines in the log: {entered} {count(process, entered)}, {left} {count(process, left)}")
        told = [each["message"] for each in process.events if each.get("event") in (entered, left)]
        print("   ", "\n    ".join(told))
        assert count(process, entered) <= 3, process.output[-4000:]


def stopped(at: Way, ballast: Path) -> None:
    """A relay that is stopped while nothing can be written, and started when it can."""
    ballast.write_bytes(b"x" * 8_000_000)
    with at.relay(queue=AGAIN + "min_free_disk = 0") as process, down(at):
        taken, _ = fill(process, "stopped", 80)
        flood(process, 200)
        began = time.monotonic()
        print(f"  exit code {process.stop()} after {time.monotonic() - began:.1f} s")
    ballast.unlink()
    with at.relay(queue=AGAIN):
        arrive(at, taken)


def read_only(folder: Path, state: Path) -> None:
    """The kernel aborts the file system: mail is refused, the log says so once, and nothing is lost."""
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(48 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mount = ["mount", "-o", "loop,errors=remount-ro", str(image), str(state)]
    subprocess.run(mount, check=True)
    state.chmod(0o700)
    with way(folder) as at:
        with at.relay(queue=AGAIN + "min_free_disk = 0") as process, down(at):
            taken, _ = fill(process, "before", 5)
            subprocess.run(["mount", "-o", "remount,abort", state], check=True)
            large, replies = fill(process, "aborted", 3)
            print("  read-only:", large, set(replies), "smaller:", flood(process, 20), *ready(process))
            assert not large
            assert ready(process)[0] == 503
            time.sleep(8)
            print(f"  exit code {process.stop()}")
            told = [each["message"] for each in process.events if each.get("level") in ("error", "warning")]
            print("   ", "\n    ".join(line for line in told if "deferred" not in line))
            assert count(process, "storage") == 1, process.output[-4000:]
        subprocess.run(["umount", state], check=True)
        subprocess.run(mount, check=True)
        with at.relay(queue=AGAIN + "min_free_disk = 0"):
            arrive(at, taken)
    subprocess.run(["umount", state], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        state = folder / "state"
        state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", state], check=True)
        try:
            with way(folder) as at:
                print(f"min_free_disk = 16MiB, a disk of {SIZE}:")
                filled(at, 'min_free_disk = "16MiB"', "full", "room")
                print("max_size = 10MiB:")
                filled(at, 'max_size = "10MiB"\nmin_free_disk = 0', "full", "room")
                print("min_free_disk = 0, until the disk itself refuses:")
                filled(at, "min_free_disk = 0", "storage", "storage_restored", state / "ballast")
                print("the same, and a stop while it is full:")
                stopped(at, state / "ballast")
        finally:
            subprocess.run(["umount", "-l", state], check=True)
        print("an ext4 disk that the kernel makes read-only:")
        read_only(folder, state)
    print("nothing was lost")


if __name__ == "__main__":
    main()
