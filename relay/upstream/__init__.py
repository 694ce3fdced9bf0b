"""The ways out: SMTP, Microsoft Graph, and the accounts that send nothing.

An upstream takes one message and answers with a result for each recipient. It never raises, never decides when to try
again, and keeps nothing about messages; pauses, rates and retries are delivery's business.
"""

from collections.abc import Callable
from typing import Protocol

from relay.config import Account
from relay.http import HttpClient
from relay.model import Clock, Identity, Message, Results
from relay.oauth import MailboxTokens, TokenSource
from relay.upstream.by_mailbox import ByMailbox
from relay.upstream.graph import GraphUpstream
from relay.upstream.probe import probe
from relay.upstream.sink import Discard, Fail, Keeper, Sink
from relay.upstream.smtp import SmtpUpstream

__all__ = ["ByMailbox", "Keeper", "Upstream", "build", "identity", "probe"]


class Upstream(Protocol):
    """A way out."""

    @property
    def identity(self) -> Identity:
        """Whom it speaks as: what rate, concurrency, pauses and connections belong to."""
        ...

    @property
    def concurrency(self) -> int:
        """How many messages it sends at a time."""
        ...

    async def send(self, message: Message, trace: Callable[[str], None] | None = None) -> Results:
        """Send `message`: a result for each recipient of its envelope. Raises nothing but CancelledError.

        `trace` is called with each line of the conversation, credentials masked.
        """
        ...

    async def close(self) -> None:
        """Close what is open, politely and within seconds."""
        ...


def build(
    name: str,
    account: Account,
    *,
    tokens: TokenSource | None,
    http: HttpClient,
    hostname: str,
    sink_log: str = "summary",
    keeper: Keeper | None = None,
    clock: Clock | None = None,
    mailboxes: MailboxTokens | None = None,
) -> Upstream:
    """The upstream of account `name`; opens nothing yet. `sink_log` is `[sink] log`: "summary" or "full";
    `keeper` is where the mail of a sink is kept.

    `mailboxes` gives the tokens of an account that acts as whoever sends. Raises ValueError for Graph without `tokens`,
    or such an account without `mailboxes`, which a checked configuration cannot have.
    """
    who = identity(name, account)
    if account.acts_as_sender:
        return _by_mailbox(name, account, who, mailboxes, http=http, hostname=hostname, clock=clock or Clock())
    match account.provider:
        case "sink":
            return Sink(name, who, full=sink_log == "full", keeper=keeper)
        case "discard":
            return Discard(name, who)
        case "fail":
            return Fail(name, who)
    if account.via[0] == "graph":
        if tokens is None:
            raise ValueError(f"accounts.{name}: Graph needs an oauth table")
        return GraphUpstream(name, account, who, tokens=tokens, http=http)
    return SmtpUpstream(name, account, who, tokens=tokens, hostname=hostname, clock=clock or Clock())


def _by_mailbox(
    name: str,
    account: Account,
    who: Identity,
    mailboxes: MailboxTokens | None,
    *,
    http: HttpClient,
    hostname: str,
    clock: Clock,
) -> ByMailbox:
    if mailboxes is None:
        raise ValueError(f"accounts.{name}: a mailbox for each sender needs tokens for each")

    def one(mailbox: str) -> Upstream:
        own = account.model_copy(update={"mailbox": mailbox, "username": mailbox})
        return build(name, own, tokens=mailboxes.of(mailbox), http=http, hostname=hostname, clock=clock)

    made = ByMailbox(name, who, one, by_login=account.has_sign_ins, clock=clock)
    mailboxes.renewed = made.resume
    return made


def identity(name: str, account: Account) -> Identity:
    """Whom account `name` speaks as. Two accounts on one mailbox are one identity; the ways of one account too.

    An account without a mailbox, which sends as whoever has signed in for it, is an identity of its own.
    """
    unknown = name if account.oauth is not None else ""
    mailbox = (account.mailbox or account.username or unknown).lower()
    if account.provider == "microsoft":
        return Identity("microsoft", account.cloud, (account.tenant or "").lower(), mailbox)
    if account.provider in ("google", "yahoo"):
        return Identity(account.provider, "", "", mailbox)
    if account.provider == "smtp":
        return Identity("smtp", "", f"{account.host}:{account.port}".lower(), mailbox)
    return Identity(account.provider, "", "", name)
