"""One relay with a listener for each kind of TLS, and a stand-in server behind it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from relay.sandbox import Received
from tests.support.certificates import server_files
from tests.support.mail_programs import Target
from tests.support.process import RelayProcess, relay
from tests.support.way import Way, way

PASSWORD = "p%s$<&'"


@dataclass(frozen=True)
class House:
    """The relay's doors, and what came out at the other end."""

    process: RelayProcess
    behind: Way
    doors: dict[str, Target]

    def arrived(self, count: int, *recipients: str) -> list[Received]:
        """The messages for exactly these people, in the order of their arrival."""
        wanted = set(recipients)
        found: list[Received] = []
        for total in range(1, 100_000):
            found = [one for one in self.behind.wait_received(total) if set(one.recipients) <= wanted]
            if len(found) >= count:
                break
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The doors: plain without login, and with login under STARTTLS and implicit TLS."""
    folder = tmp_path_factory.mktemp("clients")
    files = server_files(folder)
    pem = files.toml
    bind = 'bind = ["127.0.0.1:0"]\n'
    with way(folder) as behind:
        path = behind.config(
            listener=f'[listeners.mixed]\n{bind}tls = "starttls"\n{pem}'
            f'[listeners.sealed]\n{bind}tls = "implicit"\n{pem}',
            clients='[clients.printer]\nnetworks = ["127.0.0.0/8"]\nlisteners = ["default"]\nsenders = ["*"]\n'
            f'[clients.app]\nlogin = "app@example.com"\npassword = "{PASSWORD}"\nsenders = ["*"]\n',
        )
        with relay(folder, "serve", "--config", str(path)) as process:
            process.wait_for("started")
            ports = {
                event["listener"]: int(event["places"][0].rpartition(":")[2])
                for event in process.events
                if event.get("event") == "listening"
            }
            trusted = files.authority.file
            doors = {
                "off": Target(ports["default"], "off", trusted),
                "starttls": Target(ports["mixed"], "starttls", trusted, "app@example.com", PASSWORD),
                "implicit": Target(ports["sealed"], "implicit", trusted, "app@example.com", PASSWORD),
            }
            yield House(process, behind, doors)


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Path]:
    """Makes a job for a mail program; `octets` is the size of its attachment."""

    def make(number: int, *recipients: str, subject: str = "Grüße ✓", octets: int = 0) -> Path:
        folder = tmp_path / f"{number:03d}"
        folder.mkdir()
        text = f"Nr. {number}\n.\n..two dots\n{'x' * 90} Straße\n"
        people = recipients or (f"someone{number}@example.org",)
        (folder / "envelope").write_text("\n".join(("app@example.com", *people)) + "\n", encoding="utf-8")
        (folder / "subject").write_text(subject, encoding="utf-8")
        (folder / "text").write_text(text, encoding="utf-8")
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "app@example.com", ", ".join(people), subject
        message.set_content(text)
        if octets:
            content = bytes(index * 7919 % 251 for index in range(octets))
            (folder / "attachment").write_bytes(content)
            message.add_attachment(content, maintype="application", subtype="octet-stream", filename="a.bin")
        (folder / "message.eml").write_bytes(message.as_bytes().replace(b"\n", b"\r\n"))
        return folder

    return make
