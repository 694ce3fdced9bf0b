"""What can be known before a message is sent: pure checks of addresses, size and extensions."""

from collections.abc import Iterable

from relay.advice import smtp as advice
from relay.config import Account
from relay.model import Message, Outcome, Result, Results, Scope
from relay.upstream.address import is_safe
from relay.upstream.smtp.connection import Connection


def needs_smtputf8(message: Message) -> bool:
    """Whether the envelope or the header block needs RFC 6531."""
    envelope = message.envelope
    return envelope.smtputf8 or not (envelope.sender.isascii() and all(map(str.isascii, envelope.recipients)))


def unusable(message: Message, recipients: Iterable[str], account: str, largest: int | None) -> Results:
    """The results of those recipients that cannot be sent to whatever the server says."""
    if not is_safe(message.envelope.sender):
        refusal = Result(Outcome.FAILED, 553, "5.1.7", "the sender's address cannot be written in SMTP", Scope.MESSAGE)
        return dict.fromkeys(recipients, refusal)
    if largest is not None and message.size > largest:
        text = f"the message has {message.size:,} octets; accounts.{account}.max_message_size allows {largest:,}"
        hint = f"Raise accounts.{account}.max_message_size, if the server takes more"
        return dict.fromkeys(recipients, Result(Outcome.FAILED, 552, "5.3.4", text, Scope.MESSAGE, hint=hint))
    refusal = Result(Outcome.FAILED, 553, "5.1.3", "the recipient's address cannot be written in SMTP")
    return {recipient: refusal for recipient in recipients if not is_safe(recipient)}


def obstacle(message: Message, connection: Connection, name: str, account: Account) -> Result | None:
    """Why this server cannot be given this message: size, 8-bit content, or addresses beyond ASCII. None: it can."""
    largest = connection.extensions.get("SIZE", "").strip()
    if largest.isdecimal() and 0 < int(largest) < message.size:
        text = f"the message has {message.size:,} octets; {connection.host} takes {int(largest):,} (not sent)"
        hint = advice.hint(552, "5.3.4", text, account.provider, mailbox=account.mailbox or "", account=name)
        return Result(Outcome.FAILED, 552, "5.3.4", text, Scope.MESSAGE, hint=hint)
    if needs_smtputf8(message) and not connection.offers("SMTPUTF8"):
        text = f"an address or header is not ASCII, and {connection.host} does not offer SMTPUTF8 (not sent)"
        hint = "Use addresses in ASCII (domains as xn--...), or another upstream server"
        return Result(Outcome.FAILED, 550, "5.6.7", text, Scope.MESSAGE, hint=hint)
    if message.envelope.eight_bit and not connection.offers("8BITMIME"):
        text = f"the message holds 8-bit text, and {connection.host} does not offer 8BITMIME (not sent)"
        hint = "Let the application encode its text (quoted-printable or base64), or use another upstream server"
        return Result(Outcome.FAILED, 554, "5.6.3", text, Scope.MESSAGE, hint=hint)
    return None
