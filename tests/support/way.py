"""The whole way: a relay process whose account is at a stand-in Microsoft, ready to be sent to."""

import contextlib
import email.policy
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from relay.sandbox import Received
from tests.support.process import PATIENCE, RelayProcess, relay
from tests.support.sandbox import SandboxThread, sandbox

ANYONE = '[clients.app]\nnetworks = ["127.0.0.0/8", "::1/128"]\nsenders = ["*"]\n'


class Way:
    """A folder, a stand-in Microsoft, and the configuration that leads there."""

    def __init__(self, folder: Path, stand_in: SandboxThread) -> None:
        self.folder = folder
        self.stand_in = stand_in

    def config(
        self, clients: str = ANYONE, listener: str = "", queue: str = 'retry = ["1s"]', via: str = "smtp"
    ) -> Path:
        """A file with the account `office`, quick retries, free ports and a log that tests can read."""
        path = self.folder / "relay.toml"
        path.write_text(
            f'state_folder = "{self.folder}/state"\n'
            f'[log]\nformat = "json"\n[web]\nbind = ["127.0.0.1:0"]\n'
            f'[listeners.default]\nbind = ["127.0.0.1:0"]\n{listener}\n'
            f'[queue]\ndrain_timeout = "5s"\n{queue}\n{self.stand_in.config(via)}{clients}'
        )
        path.chmod(0o600)  # it holds a secret
        return path

    @contextlib.contextmanager
    def relay(self, **changes: str) -> Iterator[RelayProcess]:
        """The relay at work with `config(**changes)`."""
        with relay(self.folder, "serve", "--config", str(self.config(**changes))) as process:
            process.wait_for("started")
            yield process

    @property
    def received(self) -> list[Received]:
        return list(self.stand_in.sandbox.received)

    def wait_received(self, count: int) -> list[Received]:
        """What the stand-in took, once it is `count` messages."""
        deadline = time.monotonic() + PATIENCE
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.received) >= count, f"{len(self.received)} of {count} messages arrived"
        return self.received


@contextlib.contextmanager
def way(folder: Path, **changes: Any) -> Iterator[Way]:
    with sandbox(folder / "stand-in", **changes) as stand_in:
        yield Way(folder, stand_in)


def connect(process: RelayProcess) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", process.port, local_hostname="printer.example", timeout=PATIENCE)


def message(subject: str = "Hello", text: str = "Hello\n") -> EmailMessage:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = "app@example.com", "someone@example.org", subject
    made.set_content(text)
    return made


def send(process: RelayProcess, content: bytes, *recipients: str, sender: str = "app@example.com") -> None:
    """Send with smtplib; raises what smtplib raises."""
    with connect(process) as client:
        client.sendmail(sender, recipients or ("someone@example.org",), content)


def added_fields(raw: bytes, original: bytes) -> list[str]:
    """The names of what the relay put in front of `original`; fails unless the rest is `original`, octet for octet."""
    assert raw.endswith(original), "the message is not what the app wrote"
    front = raw.removesuffix(original).decode()
    return [line.partition(":")[0] for line in front.splitlines() if not line.startswith(("\t", " "))]
