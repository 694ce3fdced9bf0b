"""The upstream of the chaos test: a stand-in Microsoft and Google that can be taken down and come back.

It comes back on the same ports with the same certificate. What it took is written down and not kept: hours of mail
would not fit into memory.
"""

import asyncio
import dataclasses
import threading
import time
from pathlib import Path

from relay.sandbox import CertificateAuthority, Fault, Order, Received, Sandbox, SandboxSettings, ServiceAccount
from relay.sandbox.received import ReceivedList
from relay.service import serve_http
from tests.chaos import mail
from tests.chaos.evidence import Copy, Evidence, Strike
from tests.support.keys import public_pem, rsa_key
from tests.support.process import PATIENCE

SERVICE_ACCOUNT = "relay@relay.iam.gserviceaccount.com"
KEY_ID = "0123456789abcdef"
_SCOPE = "https://www.googleapis.com/auth/gmail.send"
MAILBOXES = tuple(f"{name}@sandbox.onmicrosoft.com" for name in ("one", "two", "three", "four", "five"))
UNKNOWN_USER = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"
TOKEN_SECONDS = 20
"""So short that tokens are renewed, and end, while mail is under way."""


class _Desk(ReceivedList):
    """Writes down what is taken."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(0, 0)
        self._evidence = evidence

    def add(self, message: Received) -> None:
        self.total += 1
        seen = mail.look(message.raw)
        people = tuple(each.lower() for each in message.recipients)
        self._evidence.copies.append(
            Copy(message.at, message.way, message.mailbox, people, seen.key, seen.whole, seen.relay_id)
        )


class StandIn:
    """The stand-in: `start` and `stop` it as often as you like. Its endpoints stay the same."""

    def __init__(self, folder: Path, evidence: Evidence) -> None:
        self._settings = SandboxSettings(
            folder=folder,
            mailbox=MAILBOXES[0],
            more_mailboxes=MAILBOXES[1:],
            send_as=("*",),
            messages_per_minute=None,
            gmail_messages_per_day=None,
            token_lifetime=TOKEN_SECONDS,
            service_account=ServiceAccount(SERVICE_ACCOUNT, KEY_ID, public_pem(rsa_key()), (_SCOPE,)),
        )
        self._authority = CertificateAuthority()
        self._evidence = evidence
        self._orders: list[Order] = []
        self._thread: threading.Thread | None = None
        self.sandbox: Sandbox
        self.start()

    def start(self) -> None:
        """Listen; returns once clients can connect."""
        started = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._live(started),), name="stand-in")
        self._thread.start()
        assert started.wait(PATIENCE), "the stand-in did not start"

    def stop(self) -> None:
        """Cut every connection and listen no more."""
        assert self._thread is not None
        self._evidence.outages.append(time.time())
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the stand-in did not stop"
        self._thread = None
        self._tell_strikes()

    def order(self, fault: Fault) -> None:
        """Put a fault in force; nothing happens while the stand-in is down."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(lambda: self._orders.append(self.sandbox.faults.add(fault)))

    def behave(self) -> None:
        """Take back every fault but that of the address that does not exist."""
        self._loop.call_soon_threadsafe(self._clear)

    async def _live(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self.sandbox = Sandbox(self._settings, serve_http, authority=self._authority)
        self.sandbox.received = _Desk(self._evidence)
        async with self.sandbox:
            self._keep_ports()
            self._clear()
            started.set()
            await self._over.wait()

    def _keep_ports(self) -> None:
        self._settings = dataclasses.replace(
            self._settings,
            smtp_bind=("localhost", self.sandbox.smtp[1]),
            http_bind=("localhost", int(self.sandbox.graph_endpoint.rpartition(":")[2])),
        )

    def _clear(self) -> None:
        self._tell_strikes()
        self.sandbox.faults.clear()
        self.sandbox.faults.add(Fault(kind="reply", at="rcpt", recipient=mail.REFUSED, reply=UNKNOWN_USER))

    def _tell_strikes(self) -> None:
        self._evidence.strikes += [Strike(order.struck_at, order.fault) for order in self._orders if order.struck]
        self._orders.clear()
