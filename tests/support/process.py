"""The relay as users run it: a process of its own, started from the command line."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PATIENCE = 30.0
QUIET = {
    "RELAY_LISTENERS__DEFAULT__BIND": "127.0.0.1:0",
    "RELAY_WEB__BIND": "127.0.0.1:0",
    "RELAY_LOG__FORMAT": "json",
}
"""The environment of a relay that takes ports which nobody has, and whose log is read."""


class RelayProcess:
    """`relay ARGUMENTS` in `folder`, its log read line by line as JSON objects."""

    def __init__(
        self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, typing: bool = False
    ) -> None:
        """With `typing` somebody sits at its standard input, and what he types is told by `type`."""
        self.events: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "relay", *arguments],
            cwd=folder,
            env=clean_environ(folder) | dict(environ or {}),
            stdin=subprocess.PIPE if typing else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.text.append(line.rstrip("\n"))
                with contextlib.suppress(ValueError):
                    self.events.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.text)

    def wait_for(self, event: str, count: int = 1, **facts: Any) -> dict[str, Any]:
        """The `count`-th log line of this event with these facts; fails with the whole output when it does not come."""
        return self.wait_for_any((event,), count, **facts)

    def wait_for_any(self, events: tuple[str, ...], count: int = 1, **facts: Any) -> dict[str, Any]:
        """The same for the first of several events."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                found = [each for each in self.events if each.get("event") in events and facts.items() <= each.items()]
                if len(found) >= count:
                    return found[count - 1]
                ended = not self._reader.is_alive()
                if ended or not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    why = "the process has ended" if ended else "it took too long"
                    raise AssertionError(f"no {count}. {events} {facts}: {why}\n{self.output}")

    @property
    def port(self) -> int:
        """The port of the first listener."""
        place: str = self.wait_for("listening")["places"][0]
        return int(place.rpartition(":")[2])

    @property
    def page(self) -> str:
        """The address of the web page."""
        address: str = self.wait_for("page")["addresses"][0]
        return address

    def kill(self) -> None:
        """`kill -9`: nothing is tidied up."""
        self._process.kill()
        self.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for the end; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def hang_up(self, count: int = 1) -> dict[str, Any]:
        """SIGHUP, and wait until the configuration was read again, for the `count`-th time that it can be used."""
        self._process.send_signal(signal.SIGHUP)
        return self.wait_for("reloaded", count, why="SIGHUP")

    def signal(self, number: int) -> None:
        """Send any other signal."""
        self._process.send_signal(number)

    def type(self, line: str) -> None:
        """Type a line on its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def wait_for_text(self, pattern: str) -> "re.Match[str]":
        """The first match in its output; fails with the whole output when it does not come."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while (found := re.search(pattern, self.output)) is None:
                assert self._changed.wait(max(0.0, deadline - time.monotonic())), self.output
        return found

    def wait(self) -> int:
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return code


@contextlib.contextmanager
def relay(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[RelayProcess]:
    """The relay at work; killed in the end if the test has not stopped it."""
    process = RelayProcess(folder, *arguments, environ=environ)
    try:
        yield process
    finally:
        if process._process.poll() is None:
            process.stop()


def run(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, stdin: str = "") -> tuple[int, str]:
    """Run a command to its end: (exit code, what it printed)."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "relay", *arguments],
        cwd=folder,
        env=clean_environ(folder) | dict(environ or {}),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


def clean_environ(folder: Path) -> dict[str, str]:
    """The environment without what would reach into the configuration, and with a home of its own."""
    kept = {
        key: value for key, value in os.environ.items() if not re.match(r"RELAY_|XDG_|STATE_DIRECTORY|.*_proxy$", key)
    }
    return kept | {"HOME": str(folder), "STATE_DIRECTORY": str(folder / "state"), "PYTHONUNBUFFERED": "1"}
