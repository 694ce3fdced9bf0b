"""Exchange Online's client submission: smtp.office365.com, port 587.

Greeting, EHLO, replies and their order are those of real transcripts (docs/sources.md); wording that no
transcript shows is Exchange Server's.
"""

import base64
import binascii
import email.utils
import secrets
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from relay.model import Clock
from relay.sandbox import mail
from relay.sandbox.envelope import Transaction
from relay.sandbox.faults import Fault, Faults
from relay.sandbox.mailbox import Mailbox, Mailboxes
from relay.sandbox.received import Received, ReceivedList
from relay.sandbox.replies import Replies
from relay.sandbox.settings import MIB, SandboxSettings
from relay.sandbox.smtp import SmtpSession, Verdict
from relay.sandbox.tokens import EXCHANGE, TokenRefusedError, Tokens
from relay.sandbox.wire import Wire

_ADVERTISED_SIZE = 150 * MIB
_FRONT_END = "AM0PR06CA0126"
_BACK_END = "AM0PR06MB5188.eurprd06.prod.outlook.com"
_USERNAME, _PASSWORD = "VXNlcm5hbWU6", "UGFzc3dvcmQ6"

_REPLIES = Replies(
    unknown_command="500 5.3.3 Unrecognized command",
    line_too_long="500 5.5.6 Line too long",
    bad_arguments="501 5.5.4 Invalid arguments",
    bad_parameter="501 5.5.4 Unrecognized parameter",
    bad_sender="501 5.1.7 Invalid address",
    bad_recipient="501 5.1.3 Invalid address",
    hello_first="503 5.5.2 Send hello first",
    sender_already="503 5.5.2 Sender already specified",
    mail_first="503 5.5.2 Need mail command",
    rcpt_first="503 5.5.2 Need rcpt command",
    sender_ok="250 2.1.0 Sender OK",
    recipient_ok="250 2.1.5 Recipient OK",
    too_many_recipients="452 4.5.3 Too many recipients",
    too_large="552 5.3.4 Message size exceeds fixed maximum message size",
    start_input="354 Start mail input; end with <CRLF>.<CRLF>",
    no_binary_data="503 5.5.2 DATA is not allowed here: use BDAT",
    chunk_ok="250 2.6.0 CHUNK received OK, {octets} octets",
    start_tls="220 2.0.0 SMTP server ready",
    already_tls="503 5.5.2 Only one STARTTLS command is permitted",
    auth_unknown="504 5.7.4 Unrecognized authentication type",
    auth_already="503 5.5.2 Already authenticated",
    auth_cancelled="501 5.7.0 Authentication canceled",
    service_closing="421 4.3.2 Service not active",
    reset="250 2.0.0 Resetting",
    noop="250 2.0.0 OK",
    verify="252 2.1.5 Cannot VRFY user",
    help="214-This server supports the following commands:\n"
    "214 HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT",
    bye="221 2.0.0 Service closing transmission channel",
)
_AUTH_FAULTS = {
    "auth_refused": "535 5.7.3 Authentication unsuccessful",
    "smtp_auth_disabled_tenant": "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the"
    " Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
    "smtp_auth_disabled_mailbox": "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for"
    " the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.",
}
_TOO_MANY_CONNECTIONS = (
    "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information."
)
_SEND_AS_DENIED = (
    "554 5.2.252 SendAsDenied; {mailbox} not allowed to send as {sender}; "
    "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a "
    "permanent exception with message [BeginDiagnosticData]Cannot submit message. 0.35250:1F009983, 1.36674:0A000000, "
    "1.61250:00000000, 1.45378:02000000, 1.44866:3C7C0000, 255.1494:05000000, 0.38698:86000000, 1.41134:46000000, "
    "0.37692:86000000, 0.37948:86000000[EndDiagnosticData]"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What all sessions share."""

    settings: SandboxSettings
    mailboxes: Mailboxes
    tokens: Tokens
    received: ReceivedList
    faults: Faults
    tls: ssl.SSLContext
    clock: Clock

    def session(self, wire: Wire) -> "ExchangeSession":
        return ExchangeSession(wire, self)


class ExchangeSession(SmtpSession):
    """One connection to the stand-in Exchange Online."""

    replies: ClassVar[Replies] = _REPLIES
    advertised_size = _ADVERTISED_SIZE
    offers = (
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
        "SMTPUTF8",
    )

    def __init__(self, wire: Wire, exchange: Exchange) -> None:
        super().__init__(wire, exchange.tls, exchange.faults)
        self._exchange = exchange
        self._settings = exchange.settings
        self._id = f"08DE{secrets.token_hex(6).upper()}"
        self._account: Mailbox | None = None
        self._refusal = ""

    def greeting(self) -> str:
        when = email.utils.format_datetime(self._now())
        return f"220 {_FRONT_END}.outlook.office365.com Microsoft ESMTP MAIL Service ready at {when} [{self._id}]"

    def hello(self) -> str:
        return f"{_FRONT_END}.outlook.office365.com Hello [{self.wire.peer}]"

    @property
    def authenticated(self) -> bool:
        return self._account is not None

    @property
    def recipient_limit(self) -> int | None:
        return self._settings.recipients

    @property
    def size_limit(self) -> int:
        return min(self._settings.max_message_size or _ADVERTISED_SIZE, _ADVERTISED_SIZE)

    def mechanisms(self) -> tuple[str, ...]:
        return ("LOGIN", "XOAUTH2")

    def mail_refused(self) -> str:
        if self._account is not None:
            return ""
        error = f" Error: {self._refusal}" if self._refusal else f" {self._suffix()}"
        return f"530 5.7.57 Client not authenticated to send mail.{error}"

    def fault_reply(self, fault: Fault) -> str:
        if fault.kind in _AUTH_FAULTS:
            return self._refuse(_AUTH_FAULTS[fault.kind])
        return f"{_TOO_MANY_CONNECTIONS} [Hostname={_BACK_END}]"

    def ended(self) -> None:
        if self._account is not None:
            self._account.disconnect(self)

    async def authenticate(self, mechanism: str, initial: str | None) -> str:
        if mechanism == "LOGIN":
            return await self._login(initial)
        response = await self.challenge("") if initial is None else initial
        if response == "*":
            return self.replies.auth_cancelled
        user, token = _xoauth2(response)
        self.mailbox = user
        account = self._exchange.mailboxes.find(user)
        if await self.struck("auth"):
            return ""
        if account is None or not self._takes(token, user):
            return self._refuse(_AUTH_FAULTS["auth_refused"])
        self._account = account
        account.connect(self)
        return "235 2.7.0 Authentication successful"

    async def _login(self, initial: str | None) -> str:
        """AUTH LOGIN is offered and asked through; then the password is refused whatever it is."""
        responses = [] if initial is None else [initial]
        for prompt in (_USERNAME, _PASSWORD)[len(responses) :]:
            responses.append(await self.challenge(prompt))
            if responses[-1] == "*":
                return self.replies.auth_cancelled
        self.mailbox = _decoded(responses[0]) or ""
        if await self.struck("auth"):
            return ""
        return self._refuse("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.")

    def _takes(self, token: str, mailbox: str) -> bool:
        try:
            claims = self._exchange.tokens.check(token, EXCHANGE)
        except TokenRefusedError:
            return False
        # A user's token opens that user's mailbox; rights on others' are not played.
        own = claims.get("upn", "").lower() == mailbox.lower() and "SMTP.Send" in claims.get("scp", "").split()
        return own or "SMTP.SendAsApp" in claims.get("roles", ())

    def _refuse(self, text: str) -> str:
        self._refusal = f"{text} {self._suffix()}"
        return self._refusal

    async def judge(self, transaction: Transaction, content: bytes, *, too_large: bool) -> Verdict:
        """Size, connections, sender and rate are looked at only now, as the real one does."""
        account = self._account
        if account is None:
            return Verdict(self.mail_refused())
        limit = self._settings.max_message_size
        if too_large or (limit is not None and len(content) > limit):
            return Verdict(f"{self.replies.too_large} [Hostname={_BACK_END}]")
        if not account.within_connections(self):
            return Verdict(f"{_TOO_MANY_CONNECTIONS} [Hostname={_BACK_END}]")
        fields = mail.fields(content)
        if refusal := _sender_refused(account, transaction.sender, fields):
            return Verdict(f"{refusal} [Hostname={_BACK_END}]")
        if self._settings.rate_mode == "reject" and not account.within_rate:
            text = "421 4.4.2 Message submission rate for this client has exceeded the configured limit"
            return Verdict(f"{text} [Hostname={_BACK_END}]")
        if wait := account.reserve():
            await self._exchange.clock.sleep(wait)
        return self._taken(account, transaction, content, fields)

    def _taken(self, account: Mailbox, transaction: Transaction, content: bytes, fields: list[mail.Field]) -> Verdict:
        new_id = f"<{_BACK_END.partition('.')[0]}{secrets.token_hex(14).upper()}@{_BACK_END}>"

        def keep(reply: str) -> None:
            received = self._exchange.received
            received.add(
                Received(
                    number=received.next_number,
                    way="smtp",
                    at=self._exchange.clock.time(),
                    mailbox=account.address,
                    sender=transaction.sender,
                    recipients=tuple(transaction.recipients),
                    raw=content,
                    subject=mail.subject(fields),
                    message_id=mail.message_id(fields),
                    new_message_id=new_id,
                    reply=reply,
                    mail_parameters=transaction.parameters,
                    recipient_parameters=tuple(transaction.recipient_parameters),
                )
            )

        return Verdict(f"250 2.0.0 OK {new_id} [Hostname={_BACK_END}]", keep)

    def _suffix(self) -> str:
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        return f"[{_FRONT_END}.eurprd06.prod.outlook.com {stamp}Z {self._id}]"

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._exchange.clock.time(), UTC)


def _sender_refused(account: Mailbox, envelope_sender: str, fields: list[mail.Field]) -> str:
    """The refusal of who the message says it is from, or ""."""
    authors = mail.addresses(fields, "from")
    if not authors:
        return "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant"
    senders = mail.addresses(fields, "sender")
    if len(authors) > 1 and not senders:
        return "550 5.1.20 Multiple From addresses are not allowed without Sender address"
    for sender in (envelope_sender, *(senders if len(authors) > 1 else authors)):
        if not account.may_send_as(sender):
            return _SEND_AS_DENIED.format(mailbox=account.address, sender=sender or "<>")
    return ""


def _xoauth2(response: str) -> tuple[str, str]:
    """User and token of an XOAUTH2 response; empty ones where it is malformed."""
    text = _decoded(response)
    if text is None or not text.endswith("\x01\x01"):
        return "", ""
    pairs = dict(part.partition("=")[::2] for part in text[:-2].split("\x01"))
    scheme, _, token = pairs.get("auth", "").partition(" ")
    return (pairs.get("user", ""), token) if scheme.lower() == "bearer" else ("", "")


def _decoded(response: str) -> str | None:
    try:
        return base64.b64decode(response, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
