"""The clients of the chaos test: old applications in threads, some of which hang up where they should not."""

import random
import re
import smtplib
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos import mail
from tests.chaos.evidence import End, Entry, Evidence

PASSWORD = "chaos"
_PATIENCE = 20.0
_QUEUED = re.compile(r"Queued as (\w+)")


@dataclass(frozen=True)
class Kind:
    """How an application connects: to which listener, with STARTTLS or not, with which login ("" for none)."""

    client: str
    sender: str
    listener: str = "plain"
    tls: bool = False
    login: str = ""
    meets_unknown: bool = False
    """Now and then it writes to an address that Exchange does not know."""


class Desk:
    """Where the relay listens at the moment, by listener; {} while it is not there."""

    def __init__(self) -> None:
        self.ports: Mapping[str, int] = {}


class Sender(threading.Thread):
    """One application, at work until `stopping` is set."""

    def __init__(self, kind: Kind, number: int, seed: str, desk: Desk, evidence: Evidence) -> None:
        super().__init__(name=f"{kind.client}-{number}")
        self.stopping = threading.Event()
        self._kind = kind
        self._name = f"{kind.client}{number}"
        self._choose = random.Random(f"{seed}/{self._name}")
        self._desk = desk
        self._evidence = evidence
        self._count = 0
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def run(self) -> None:
        """Session after session, whatever becomes of them."""
        while not self.stopping.is_set():
            port = self._desk.ports.get(self._kind.listener)
            try:
                if port is not None:
                    self._session(port)
            except (OSError, smtplib.SMTPException):
                pass  # what is known of the message stands in its entry
            self.stopping.wait(self._choose.uniform(0.05, 0.4))

    def _session(self, port: int) -> None:
        # Not as a context manager: that says QUIT to a relay that is gone.
        client = smtplib.SMTP("127.0.0.1", port, local_hostname="app.chaos.example", timeout=_PATIENCE)
        try:
            if self._kind.tls:
                client.starttls(context=self._tls)
            client.ehlo()
            if self._kind.login:
                client.login(self._kind.login, PASSWORD)
            for _ in range(self._choose.randint(1, 4)):
                if self.stopping.is_set() or not self._send(client):
                    return
            client.quit()
        finally:
            client.close()

    def _send(self, client: smtplib.SMTP) -> bool:
        """One message; False when the connection is of no more use."""
        unknown = self._kind.meets_unknown and self._choose.random() < 0.06
        key = f"{self._name}-{self._count}"
        self._count += 1
        made = mail.make(key, self._kind.sender, self._choose, refused=unknown)
        entry = Entry(key, self._kind.client, made.recipients, len(made.content), time.time())
        self._evidence.entries[key] = entry
        habit = self._choose.choices(("waits", "leaves early", "leaves late"), (88, 6, 6))[0]
        if not self._envelope(client, made, entry):
            return client.rset()[0] == 250
        if habit == "leaves early":
            client.send(made.on_the_wire[: self._choose.randrange(len(made.on_the_wire))])
            return False
        content = made.on_the_wire
        client.send(content[:-2])
        entry.end = End.UNKNOWN
        client.send(content[-2:] + b".\r\n")
        if habit == "leaves late":
            return False
        self._hear(entry, *client.getreply())
        return True

    def _envelope(self, client: smtplib.SMTP, made: mail.Mail, entry: Entry) -> bool:
        """Up to the 354; False when something was refused."""
        steps = [
            ("MAIL", f"FROM:<{made.sender}>"),
            *(("RCPT", f"TO:<{each}>") for each in made.recipients),
            ("DATA", ""),
        ]
        for verb, argument in steps:
            code, reply = client.docmd(verb, argument)
            if code not in (250, 354):
                entry.end, entry.reply = End.REFUSED, f"{verb}: {code} {reply.decode('utf-8', 'replace')}"
                return False
        return True

    def _hear(self, entry: Entry, code: int, reply: bytes) -> None:
        entry.reply = f"{code} {reply.decode('utf-8', 'replace')}"
        entry.end = End.ACCEPTED if code == 250 else End.REFUSED


def relay_id(entry: Entry) -> str:
    """The relay's name for the message, as its client heard it."""
    found = _QUEUED.search(entry.reply)
    return found[1] if found else ""
