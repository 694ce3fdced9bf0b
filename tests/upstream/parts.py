"""What the tests of the upstreams are made of: accounts, messages, tokens."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from relay.config import Account, OAuth, Secret
from relay.model import Body, Clock, Envelope, Identity, MemoryBody, Message, Origin, Outcome, Result, Results, Scope
from relay.oauth import TokenSource
from relay.oauth.access_token import Granted
from relay.sandbox import Sandbox
from relay.upstream.smtp import SmtpUpstream
from tests.support.certificates import Authority
from tests.support.smtp_script import ScriptedServer

MAILBOX = "office@contoso.com"
PIPELINED = ["C: MAIL *", "C: RCPT TO:<a@x>", "C: RCPT TO:<b@x>", "C: RCPT TO:<c@x>", "C: DATA"]
BIG = (b"x" * 998 + b"\r\n") * 2000
IDENTITY = Identity("smtp", "", "mail.example.com:587", MAILBOX)


def message(
    *recipients: str,
    headers: bytes = b"From: office@contoso.com\r\nSubject: Hello\r\n",
    body: bytes | Body = b"Hello\r\n",
    sender: str = MAILBOX,
    eight_bit: bool = False,
    smtputf8: bool = False,
) -> Message:
    return Message(
        id="m1",
        account="office",
        envelope=Envelope(sender, recipients or ("ann@example.com",), eight_bit, smtputf8),
        headers=headers,
        body=MemoryBody.of(body) if isinstance(body, bytes) else body,
        origin=Origin("erp", "default", "127.0.0.1"),
        received_at=0.0,
    )


def account(authority: Authority, port: int, **changes: Any) -> Account:
    values: dict[str, Any] = {
        "provider": "smtp",
        "host": "localhost",
        "port": port,
        "tls": "starttls",
        "ca_file": authority.file,
        "mailbox": MAILBOX,
        "connect_timeout": 5.0,
        "timeout": 5.0,
        "write_timeout": 5.0,
        **changes,
    }
    return Account(**values)


OAUTH = OAuth(client_id=Secret("id"), client_secret=Secret("secret"), token_endpoint="https://login.example.com/token")


SMTP_SCOPE = "https://outlook.office365.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"


def known_at(sandbox: Sandbox, scope: str, secret: str = "") -> OAuth:
    """The application that `sandbox` knows, or one with another secret."""
    return OAuth(
        client_id=Secret(sandbox.settings.client_id),
        client_secret=Secret(secret or sandbox.settings.client_secret),
        token_endpoint=sandbox.token_endpoint,
        scopes=(scope,),
    )


class Tokens:
    """A real TokenSource whose tokens are `values`, one after the other; an exception among them is raised."""

    def __init__(self, *values: str | Exception) -> None:
        self._values = list(values) or ["token"]
        self.asked = 0
        self.source = TokenSource("office", self._fetch, Clock())

    async def _fetch(self) -> Granted:
        self.asked += 1
        value = self._values.pop(0) if len(self._values) > 1 else self._values[0]
        if isinstance(value, Exception):
            raise value
        return Granted(value, 3600.0)


@contextlib.asynccontextmanager
async def sending(account: Account, tokens: Tokens | None = None, **options: Any) -> AsyncIterator[SmtpUpstream]:
    """An upstream for `account`, closed at the end."""
    upstream = SmtpUpstream(
        "office",
        account,
        IDENTITY,
        tokens=tokens.source if tokens else None,
        hostname="relay.example.com",
        clock=options.pop("clock", Clock()),
        **options,
    )
    try:
        yield upstream
    finally:
        await upstream.close()
        if tokens:
            await tokens.source.close()


def only(results: Results) -> Result:
    """The one result that all recipients share."""
    found = set(results.values())
    assert len(found) == 1
    return found.pop()


def refused(result: Result, scope: Scope = Scope.IDENTITY) -> Result:
    """The same result, which has to be one that waits, and says what to do."""
    assert result.outcome is Outcome.DEFERRED
    assert result.scope is scope
    assert result.hint
    return result


async def sent_to(
    authority: Authority, *scripts: list[str], to: tuple[str, ...] = ("a@x", "b@x", "c@x"), **changes: float
) -> dict[str, Result]:
    """The results of one message when the server answers by `scripts`."""
    async with (
        ScriptedServer(*scripts, tls=authority.server()) as server,
        sending(account(authority, server.port, **changes)) as upstream,
    ):
        results = await upstream.send(message(*to))
    assert set(results) == set(to)
    return results
