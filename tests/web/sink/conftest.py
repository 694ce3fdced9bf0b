"""A relay with a sink in this process, its API over real HTTP, and mail into it by real SMTP."""

import contextlib
import email.policy
import smtplib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx2
import pytest

from relay.pytest_plugin import RelaySink

SETTINGS = """
hostname = "sink.test"
state_folder = "state"
[listeners.default]
bind = ["127.0.0.1:0"]
[web]
bind = ["127.0.0.1:0"]
{web}
[sink]
{sink}
{more}
"""


class Api:
    """One relay: requests to its API, mail to its listener."""

    def __init__(self, server: RelaySink) -> None:
        self.server = server
        self.http = httpx2.Client(base_url=server.url, trust_env=False, timeout=20)

    def get(self, path: str, **keys: Any) -> Any:
        """The JSON at `path`."""
        answer = self.http.get(path, **keys)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, body: Any, status: int = 200) -> httpx2.Response:
        answer = self.http.put(path, json=body)
        assert answer.status_code == status, answer.text
        return answer

    def post(self, path: str, body: Any, status: int = 200) -> httpx2.Response:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer

    def delete(self, path: str, body: Any = None) -> str:
        answer = self.http.request("DELETE", path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.text

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP(self.server.host, self.server.port, local_hostname="app.test", timeout=20)

    def send(self, content: bytes | EmailMessage, *recipients: str, sender: str = "app@example.com") -> str:
        """Send by SMTP; the id that the reply to the data named."""
        octets = content if isinstance(content, bytes) else content.as_bytes(policy=email.policy.SMTP)
        with self.smtp() as client:
            client.ehlo_or_helo_if_needed()
            client.mail(sender)
            for recipient in recipients or ("someone@example.org",):
                client.rcpt(recipient)
            code, reply = client.data(octets)
            assert code == 250, reply
        return reply.decode().split()[-1]


@contextlib.contextmanager
def served(folder: Path, web: str = "", sink: str = "chaos = true", more: str = "") -> Iterator[Api]:
    """A relay with these settings."""
    server = RelaySink(folder, SETTINGS.format(web=web, sink=sink, more=more))
    server.start()
    api = Api(server)
    try:
        yield api
    finally:
        api.http.close()
        server.stop()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with served(tmp_path) as found:
        yield found


Mail = Callable[..., EmailMessage]


def mail(subject: str = "Hello", to: str = "someone@example.org", text: str = "Hello\n", **fields: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "The App <app@example.com>", to, subject
    for name, value in fields.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made
