"""The relays that are measured, each as a process of its own: how it is configured, started and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.control import Facts, ProcessError, end_of_log

LOGIN = ("bench", "correct horse battery staple")
MAILBOX = "relay@bench.example"
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What a side needs to know: where it is to listen, and the facts of the upstream's process.

    With `discard` nothing goes upstream; `concurrency` is the number of upstream connections.
    """

    folder: Path
    port: int
    upstream: Facts
    auth: bool
    discard: bool
    concurrency: int


def relay_command(setup: Setup) -> list[str]:
    """Configure the relay under test and return the command that starts it."""
    config = setup.folder / "relay.toml"
    config.touch(mode=0o600)
    config.write_text(relay_config(setup))
    return [sys.executable, "-m", "relay", "serve", "--config", str(config)]


def relay_config(setup: Setup) -> str:
    """Return the relay.toml of one run."""
    who = f"login = {_quoted(LOGIN[0])}\npassword = {_quoted(LOGIN[1])}" if setup.auth else 'networks = ["127.0.0.0/8"]'
    account = 'provider = "discard"' if setup.discard else _upstream_account(setup)
    return f"""\
hostname = "relay.bench.example"
state_folder = {_quoted(setup.folder / "state")}

[listeners.bench]
bind = ["127.0.0.1:{setup.port}"]
max_connections = 500
max_connections_per_client = 500

[clients.bench]
{who}
account = "upstream"
senders = ["*"]
reply = "queued"

[accounts.upstream]
{account}

[web]
bind = ["127.0.0.1:{free_port()}"]
"""


def _upstream_account(setup: Setup) -> str:
    return f"""\
provider = "smtp"
host = "127.0.0.1"
port = {setup.upstream["smtp_port"]}
tls = "starttls"
ca_file = {_quoted(setup.upstream["ca_file"])}
mailbox = "{MAILBOX}"
username = "{MAILBOX}"
concurrency = {setup.concurrency}

[accounts.upstream.oauth]
grant = "client_credentials"
client_id = {_quoted(setup.upstream["client_id"])}
client_secret = {_quoted(setup.upstream["client_secret"])}
token_endpoint = "https://127.0.0.1:{setup.upstream["token_port"]}/token"
scopes = ["smtp.send"]

[http]
ca_file = {_quoted(setup.upstream["ca_file"])}"""


def peer_command(setup: Setup) -> list[str]:
    """Configure the simple relay and return the command that starts it."""
    config = setup.folder / "peer.json"
    facts = {
        **setup.upstream,
        "port": setup.port,
        "login": LOGIN[0],
        "password": LOGIN[1],
        "mailbox": MAILBOX,
        "token_endpoint": f"https://127.0.0.1:{setup.upstream['token_port']}/token",
        "concurrency": setup.concurrency,
        "discard": setup.discard,
    }
    config.write_text(json.dumps(facts))
    return [sys.executable, "-m", "benchmarks.peer", "--config", str(config)]


COMMANDS: dict[str, Callable[[Setup], list[str]]] = {"relay": relay_command, "peer": peer_command}


class Server:
    """A relay that runs: started and greeted on the way in, ended by SIGTERM on the way out."""

    def __init__(self, name: str, command: Sequence[str], setup: Setup) -> None:
        self.start_seconds = 0.0
        self._name = name
        self._command = command
        self._setup = setup
        self._log = setup.folder / f"{name}.log"
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        # Settings of the person who measures must not reach the relay that is measured.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RELAY_")}
        # As where it is installed: a program that is compiled anew at each start needs twice the time for that.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with self._log.open("wb") as log:
            start = time.monotonic()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        try:
            self._wait_for_greeting(start + _START_TIMEOUT)
        except BaseException:
            self._stop()
            raise
        self.start_seconds = time.monotonic() - start
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def trouble(self, what: str) -> ProcessError:
        """Return an error that tells `what`, with the end of this server's log."""
        return ProcessError(f"{self._name}: {what}.{end_of_log(self._log)}")

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for_greeting(self, until: float) -> None:
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise self.trouble(f"ended at start with exit code {self._process.returncode}")
            try:
                with socket.create_connection(("127.0.0.1", self._setup.port), timeout=1) as connection:
                    connection.recv(1000)
                    connection.sendall(b"QUIT\r\n")
                    connection.recv(1000)
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise self.trouble(f"did not greet anyone within {_START_TIMEOUT:.0f} s")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quoted(value: object) -> str:
    """A TOML basic string takes what a JSON string takes."""
    return json.dumps(str(value))
