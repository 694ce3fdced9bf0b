"""What mail by Microsoft Graph costs: `python -m benchmarks.graph`, against the sandbox.

Messages a second and CPU per message with 1 and with 4 requests at a time; then one message of 25 MB, its time and how
far the relay's memory grows. The sandbox is Python itself and does the other half of the work, so that the rate is what
the pair of them manages on this machine; the relay's own share is its CPU per message.
"""

import argparse
import http.client
import itertools
import json
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from random import Random

from benchmarks import accounting
from benchmarks.cases import MIB
from benchmarks.control import ProcessError
from benchmarks.sides import Server, Setup, free_port

_MAILBOX = "noreply@sandbox.onmicrosoft.com"
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: `at_once` requests at a time. Memory is what the relay grew by, in MiB."""

    at_once: int
    messages: int
    size: int
    rate: float
    cpu_ms: float
    seconds: float
    grown_mib: float


class StandIn:
    """A sandbox that runs: where it is, and what it counts. Asked on one connection, which costs it next to nothing."""

    def __init__(self, port: int, ca_file: Path, about: dict[str, str]) -> None:
        self.root = f"https://127.0.0.1:{port}"
        self.ca_file = ca_file
        self.about = about
        context = ssl.create_default_context(cafile=ca_file)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)

    def received(self) -> int:
        """How many messages it has taken."""
        try:
            self._connection.request("GET", "/sandbox")
            answer = self._connection.getresponse()
        except ConnectionError:  # it had rested for too long
            self._connection.close()
            self._connection.request("GET", "/sandbox")
            answer = self._connection.getresponse()
        return int(json.load(answer)["received"])

    def wait(self, total: int, pid: int) -> None:
        """Wait until it has taken `total` messages. Raises ProcessError."""
        until = time.monotonic() + _PATIENCE
        while (arrived := self.received()) < total:
            if time.monotonic() > until:
                raise ProcessError(f"{arrived} of {total} messages arrived from process {pid}")
            time.sleep(0.05)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def stand_in(folder: Path) -> Iterator[StandIn]:
    """`relay sandbox` in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "relay", "sandbox", "--smtp", "127.0.0.1:0", "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [*command, "--folder", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(5)]
            if not told[-1].startswith("ca_file"):
                raise ProcessError(f"the sandbox did not start: {''.join(told)}")
            words = " ".join(told).replace(",", " ").replace(";", " ").split()
            about = dict(itertools.pairwise(words))
            at = StandIn(port, folder / "ca.pem", about)
            try:
                yield at
            finally:
                at.close()
        finally:
            process.terminate()


def config(folder: Path, port: int, at: StandIn, at_once: int) -> Path:
    """The relay.toml of one run."""
    file = folder / "relay.toml"
    file.touch(mode=0o600)
    text = json.dumps
    file.write_text(
        f"""\
hostname = "relay.bench.example"
state_folder = {text(str(folder / "state"))}
[listeners.bench]
bind = ["127.0.0.1:{port}"]
[clients.bench]
networks = ["127.0.0.0/8"]
senders = ["*"]
reply = "queued"
[accounts.office]
provider = "microsoft"
via = ["graph"]
tenant = {text(at.about["tenant"])}
mailbox = {text(_MAILBOX)}
mail_endpoint = {text(at.root)}
concurrency = {at_once}
[accounts.office.oauth]
client_id = {text(at.about["client_id"])}
client_secret = {text(at.about["client_secret"])}
token_endpoint = {text(at.about["token_endpoint"])}
[http]
ca_file = {text(str(at.ca_file))}
[web]
bind = ["127.0.0.1:{free_port()}"]
"""
    )
    return file


def content(size: int) -> bytes:
    """A short text, or a text with an attachment that makes it `size` octets on the wire."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = _MAILBOX, "customer@example.com", "Invoice"
    if size < MIB:
        made.set_content("x" * 70 + "\n" + ("The quick brown fox jumps over the lazy dog.\n" * (size // 52)))
    else:
        made.set_content("See the scan\n")
        data = Random(1).randbytes(size * 57 // 78)  # noqa: S311 (noise)
        made.add_attachment(data, maintype="application", subtype="pdf", filename="scan.pdf")
    return made.as_bytes()


def measured(folder: Path, at: StandIn, at_once: int, messages: int, size: int) -> Figures:
    """Start a relay, warm it, send, wait until everything has arrived. Raises ProcessError."""
    folder.mkdir()
    setup = Setup(folder, free_port(), {}, auth=False, discard=False, concurrency=at_once)
    file = config(folder, setup.port, at, at_once)
    command = [sys.executable, "-m", "relay", "serve", "--config", str(file)]
    data = content(size)
    with Server("relay", command, setup) as server:
        before = at.received()
        _send(setup.port, content(2048), 2 * at_once)
        at.wait(before + 2 * at_once, server.pid)
        memory, used = accounting.peak_memory(server.pid), accounting.cpu_seconds(server.pid)
        begun = time.monotonic()
        _send(setup.port, data, messages)
        at.wait(before + 2 * at_once + messages, server.pid)
        seconds = time.monotonic() - begun
        return Figures(
            at_once=at_once,
            messages=messages,
            size=len(data),
            rate=messages / seconds,
            cpu_ms=1000 * (accounting.cpu_seconds(server.pid) - used) / messages,
            seconds=seconds,
            grown_mib=(accounting.peak_memory(server.pid) - memory) / MIB,
        )


def _send(port: int, data: bytes, messages: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=_PATIENCE) as client:
        for _ in range(messages):
            client.sendmail(_MAILBOX, ["customer@example.com"], data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graph", description="What mail by Graph costs.")
    parser.add_argument("--messages", type=int, default=500, help="small messages of a run (500)")
    parser.add_argument("--large", type=int, default=25 * 1000 * 1000, help="octets of the large message (25 MB)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is made (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE")
    options = parser.parse_args(arguments)
    runs: list[Figures] = []
    cases = [(1, options.messages, 2048), (4, options.messages, 2048), (1, 1, options.large)]
    try:
        with tempfile.TemporaryDirectory(prefix="relay-bench-") as place, stand_in(Path(place) / "sandbox") as at:
            for number in range(options.rounds * len(cases)):
                at_once, messages, size = cases[number % len(cases)]
                runs.append(measured(Path(place) / f"run-{number}", at, at_once, messages, size))
                print(told(runs[-1]), flush=True)
    except ProcessError as error:
        print(f"The benchmark was given up: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return 0


def told(run: Figures) -> str:
    """One run in one line."""
    if run.messages > 1:
        return (
            f"{run.at_once} at once: {run.messages} messages of {run.size:,} octets, "
            f"{run.rate:.0f}/s, {run.cpu_ms:.2f} CPU ms/message"
        )
    return (
        f"one message of {run.size:,} octets: {run.seconds:.2f} s, {run.cpu_ms:.0f} CPU ms, "
        f"memory grew by {run.grown_mib:.1f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
