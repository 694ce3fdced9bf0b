"""The command `python -m benchmarks.pages`: how long the page takes with many messages.

A relay is started on a folder with so many messages waiting, and as many caught; each page is asked for some times by
one who is logged in. What is told: the relay's processor time for an answer (which other work on the machine disturbs
least), and the time from the request to the answer's last octet on the loopback interface.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import crowd
from benchmarks.accounting import cpu_seconds

PAGES = (
    "/overview",
    "/queue",
    "/queue?view=waiting",
    "/queue?view=retrying",
    "/queue?view=failed",
    "/queue?view=all&page=900",
    "/queue?account=office",
    "/queue?q=to:kim@example.org",
    "/queue?q=queued0000025000",
    "/queue?q=client:app",
    "/queue/queued0000025000",
    "/accounts",
    "/accounts/office",
    "/clients",
    "/mail",
    "/mail?page=900",
    "/mail?q=is:unread",
    "/mail/caught0000025000",
    "/api/v1/messages",
    "/api/v1/messages?start=45000",
    "/api/v1/info",
    "/api/admin/queue",
    "/api/admin/health",
    "/metrics",
)
SETTINGS = """
hostname = "relay.test"
state_folder = "{folder}"
[log]
format = "json"
[listeners.default]
bind = ["127.0.0.1:0"]
[web]
bind = ["127.0.0.1:0"]
[sink]
keep = 1000000
max_bytes = "900GiB"
[clients.app]
networks = ["127.0.0.0/8"]
account = "sink"
[clients.office]
networks = ["10.0.0.0/8"]
account = "office"
[accounts.sink]
provider = "sink"
[accounts.office]
provider = "smtp"
host = "127.0.0.1"
port = 9
tls = "off"
mailbox = "office@example.com"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code: 1 when a page takes longer than `--most`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages", description="Measure the page with many messages."
    )
    parser.add_argument("--messages", type=int, default=50_000, help="waiting, and as many caught (50000)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each page is asked for (7)")
    parser.add_argument("--most", type=float, default=0, help="milliseconds that no answer may take at best (0: any)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="relay-pages-") as folder:
        asyncio.run(crowd.fill(Path(folder), options.messages))
        found = _measured(Path(folder), options.rounds)
    print(f"{'page':34}{'CPU':>9}{'least':>9}{'median':>9}  ms, {options.messages:,} messages")
    for page, (cost, times) in found.items():
        print(f"{page:34}{cost:9.1f}{min(times):9.1f}{statistics.median(times):9.1f}")
    return int(bool(options.most) and max(min(times) for _, times in found.values()) > options.most)


@contextlib.contextmanager
def _relay(folder: Path) -> Iterator[tuple[int, str, str]]:
    """A relay on that folder: its process, the address of its page, and the link that lets somebody in."""
    file = folder / "relay.toml"
    file.write_text(SETTINGS.format(folder=folder))
    command = [sys.executable, "-m", "relay", "serve", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process.pid, *_addresses(process)
        finally:
            process.terminate()


def _addresses(process: "subprocess.Popen[str]") -> tuple[str, str]:
    assert process.stdout is not None
    page, said = "", []
    for line in process.stdout:
        said.append(line)
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == "page":
            page = told["addresses"][0]
        elif told.get("event") == "one-time link":
            return page, told["addresses"][0]
    raise RuntimeError(f"the relay did not start: {''.join(said)}")


def _measured(folder: Path, rounds: int) -> dict[str, tuple[float, list[float]]]:
    """For each page the mean of the relay's processor time, and how long each answer took: milliseconds."""
    with _relay(folder) as (pid, page, link):
        there = urlsplit(page)
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=120)
        connection.request("GET", urlsplit(link).path + "?" + urlsplit(link).query)
        answer = connection.getresponse()
        answer.read()
        cookie = (answer.headers["set-cookie"] or "").partition(";")[0]
        found = {}
        for path in PAGES:
            before = cpu_seconds(pid)
            times = [_time(connection, path, cookie) for _ in range(rounds)]
            found[path] = ((cpu_seconds(pid) - before) * 1000 / rounds, times)
        connection.close()
    return found


def _time(connection: http.client.HTTPConnection, path: str, cookie: str) -> float:
    """Milliseconds from the request to the end of the answer."""
    began = time.perf_counter()
    connection.request("GET", path, headers={"cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
