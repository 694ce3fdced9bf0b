"""Does the relay stay as small as it was? `python -m benchmarks.soak`: 100,000 messages through one process.

Lap after lap old applications send small and large mail, some on a connection of their own, some on a kept one, and
some hang up in the middle. After each lap, when all has arrived and the relay has come to rest, it is measured: memory,
open files, threads, tasks of the event loop, the database, bodies left on the disk. In the end a line is drawn through
what was measured after the warm-up: where it rises by more than a little, something leaks, and the exit code is 1.
"""

import argparse
import base64
import contextlib
import json
import re
import socket
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import accounting
from benchmarks.cases import KIB, MIB
from benchmarks.control import Process, ProcessError
from benchmarks.sides import LOGIN, Server, Setup, free_port, relay_command

_ANSWER = 30.0
_SENDING = 900.0
_SILENCE = 60.0
_REST = 10.0
_CONNECTIONS = 10
_RUDE = 30
"""Clients in each lap that hang up in the middle of what they say."""
_PARTS = ((0.45, 2 * KIB, False), (0.45, 2 * KIB, True), (0.10, 100 * KIB, True))
"""What a lap consists of: share, size, and whether a connection is kept for message after message."""

MEMORY_MIB = 10.0
"""By which the resident memory may rise over 100,000 messages."""
MORE = 4
"""By how many files, threads and tasks the second half may be above the first."""
ROW_OCTETS = 5 * KIB
"""What one message may leave in the database, which keeps its history for `queue.keep_sent`: hardly more than a page
for a small one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The relay at rest, after so many messages and seconds."""

    messages: int
    seconds: float
    memory: int
    files: int
    threads: int
    tasks: int
    database: int
    bodies: int


class Soak:
    """The relay, the load and the upstream, each a process of its own."""

    def __init__(self, folder: Path, load: Process, upstream: Process) -> None:
        self._load = load
        self._upstream = upstream
        load.answer(_ANSWER)
        facts = upstream.answer(_ANSWER)
        self._setup = Setup(folder, free_port(), facts, auth=True, discard=False, concurrency=4)
        self._command = relay_command(self._setup)
        bind = tomllib.loads((folder / "relay.toml").read_text())["web"]["bind"][0]
        self._metrics = f"http://{bind}/metrics"
        self._state = folder / "state"

    def laps(self, messages: int, lap: int) -> Iterator[Sample]:
        """A sample after each lap. Raises ProcessError when mail is refused, lost or changed."""
        start = time.monotonic()
        with Server("relay", self._command, self._setup) as server:
            sent = 0
            while sent < messages:
                for share, size, kept in _PARTS:
                    sent += self._send(server, round(lap * share), size, kept=kept)
                for number in range(_RUDE):
                    hang_up(self._setup.port, number)
                self._rest(server)
                yield self._sample(server, sent, time.monotonic() - start)

    def _send(self, server: Server, messages: int, size: int, *, kept: bool) -> int:
        self._upstream.ask("reset", _ANSWER, check_every=16)
        wanted = {"port": self._setup.port, "size": size, "messages": messages, "connections": _CONNECTIONS}
        how = {"seconds": _SENDING, "login": LOGIN, "kept": kept, "dots": True, "pace": 0.0}
        done = self._load.ask("send", _SENDING + _ANSWER, **wanted, **how)
        accepted = len(done["reply_seconds"])
        if done["refused"]:
            raise server.trouble(f"refused a message: {done['refused'][0]}")
        arrived = self._upstream.ask("wait", _SENDING, messages=accepted, silence=_SILENCE)
        if arrived["problems"] or arrived["messages"] < accepted or arrived["repeated"]:
            raise server.trouble(f"took {accepted} messages; at the upstream: {arrived}")
        return accepted

    def _rest(self, server: Server) -> None:
        """Wait until the rude clients are gone and nothing is done any more."""
        until = time.monotonic() + _REST
        used = accounting.cpu_seconds(server.pid)
        while time.monotonic() < until:
            time.sleep(0.2)
            before, used = used, accounting.cpu_seconds(server.pid)
            if used - before < 0.005:
                return

    def _sample(self, server: Server, messages: int, seconds: float) -> Sample:
        tasks = self._tasks()  # the first look at the page costs memory, too
        return Sample(
            messages=messages,
            seconds=seconds,
            memory=accounting.memory(server.pid),
            files=accounting.open_files(server.pid),
            threads=accounting.threads(server.pid),
            tasks=tasks,
            database=sum(path.stat().st_size for path in self._state.glob("relay.db*")),
            bodies=len(list((self._state / "bodies").iterdir())),
        )

    def _tasks(self) -> int:
        with urllib.request.urlopen(self._metrics, timeout=_ANSWER) as answer:  # noqa: S310 (an address of our own)
            text = answer.read().decode()
        return int(float(re.findall(r"^relay_tasks (\S+)$", text, re.MULTILINE)[0]))


def hang_up(port: int, number: int) -> None:
    """A client that goes away: after the greeting, a wrong login, before DATA, or inside a large message.

    Each has an address of its own: one from which many wrong logins come is barred, and so are the right ones.
    """
    where, source = ("127.0.0.1", port), (f"127.0.1.{number + 1}", 0)
    words = [b"", b"EHLO a\r\nAUTH PLAIN AGJlbmNoAHdyb25n\r\n", b"EHLO a\r\nMAIL FROM:<a@x.org>\r\n"]
    with contextlib.suppress(OSError), socket.create_connection(where, _ANSWER, source) as client:
        client.recv(1000)
        if number % 4 < len(words):
            client.sendall(words[number % 4])
            return
        for line in (b"EHLO a", b"AUTH PLAIN " + _response(), b"MAIL FROM:<a@x.org>", b"RCPT TO:<b@x.org>", b"DATA"):
            client.sendall(line + b"\r\n")
            client.recv(4000)
        client.sendall(b"Subject: half\r\n\r\n" + (b"x" * 70 + b"\r\n") * 2000)


def _response() -> bytes:
    return base64.b64encode("\0{}\0{}".format(*LOGIN).encode())


def judge(samples: Sequence[Sample]) -> list[str]:
    """What has grown that should not, [] when all is well.

    The first three tenths of the laps, two at least, are the warm-up: so long the allocator's heap takes to settle.
    """
    warm = samples[max(2, len(samples) * 3 // 10) :]
    if len(warm) < 4:
        return [f"{len(samples)} laps are too few to tell: take more messages or shorter laps"]
    found = []
    growth = slope([one.messages for one in warm], [one.memory for one in warm]) * 100_000 / MIB
    if growth > MEMORY_MIB:
        found.append(f"memory rises by {growth:.1f} MiB over 100,000 messages, {MEMORY_MIB:.0f} are the most")
    half = len(warm) // 2
    values: dict[str, Callable[[Sample], int]] = {
        "open files": lambda one: one.files,
        "threads": lambda one: one.threads,
        "tasks": lambda one: one.tasks,
    }
    for name, value in values.items():
        early, late = max(map(value, warm[:half])), max(map(value, warm[half:]))
        if late > early + MORE:
            found.append(f"{name}: {early} at most in the first half, {late} in the second")
    each = (warm[-1].database - warm[0].database) / (warm[-1].messages - warm[0].messages)
    if each > ROW_OCTETS:
        found.append(f"the database grows by {each:.0f} octets for each message, {ROW_OCTETS} are the most")
    if samples[-1].bodies:
        found.append(f"{samples[-1].bodies} bodies of messages that have been sent are still on the disk")
    return found


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the line that fits best (least squares)."""
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / across


def _row(sample: Sample, before: Sample | None) -> str:
    seconds = sample.seconds - (before.seconds if before else 0)
    rate = (sample.messages - (before.messages if before else 0)) / seconds
    return (
        f"{sample.messages:9,} {sample.seconds:8.0f} {rate:8.0f} {sample.memory / MIB:9.1f} {sample.files:6} "
        f"{sample.threads:8} {sample.tasks:6} {sample.database / MIB:9.1f} {sample.bodies:7}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table and the verdict; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--lap", type=int, default=2_500, help="after how many the relay is measured (2500)")
    parser.add_argument("--folder", type=Path, help="where the spool lies (the system's temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to FILE")
    options = parser.parse_args(arguments)
    if not sys.platform.startswith("linux"):
        print("The soak reads from /proc: it runs on Linux only.", file=sys.stderr)
        return 2
    samples: list[Sample] = []
    print(" messages  seconds messages/s  RSS MiB  files  threads  tasks    DB MiB  bodies", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="relay-soak-", dir=options.folder) as name:
            folder = Path(name)
            with (
                Process("upstream", ["-m", "benchmarks.upstream", "--folder", name], folder / "upstream.log") as peer,
                Process("load generator", ["-m", "benchmarks.load"], folder / "load.log") as load,
            ):
                for sample in Soak(folder, load, peer).laps(options.messages, options.lap):
                    print(_row(sample, samples[-1] if samples else None), flush=True)
                    samples.append(sample)
    except ProcessError as error:
        print(f"\nThe soak was given up: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps([asdict(sample) for sample in samples], indent=1) + "\n")
    found = judge(samples)
    print("\n".join(found) or "Flat: memory, files, threads and tasks stay what they were.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
