"""The ways out: SMTP, Microsoft Graph, the Gmail API, and the accounts that send nothing.

An upstream takes one message and answers with a result for each recipient. It never raises, never decides when to try
again, and keeps nothing about messages; pauses, rates and retries are delivery's business.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from relay.config import Account
from relay.config.mailbox_users import acts_as
from relay.http import HttpClient
from relay.model import Clock, Identity, Message, Results
from relay.oauth import MailboxTokens, TokenSource
from relay.upstream.by_mailbox import ByMailbox
from relay.upstream.gates import Gates
from relay.upstream.gmail import GmailUpstream
from relay.upstream.graph import GraphUpstream
from relay.upstream.overheard import overheard
from relay.upstream.probe import probe
from relay.upstream.sink import Discard, Fail, Keeper, Sink
from relay.upstream.smtp import SmtpUpstream
from relay.upstream.smtp.siblings import Families
from relay.upstream.ways import Way, WaysUpstream

__all__ = ["ByMailbox", "Families", "Gates", "Keeper", "Upstream", "build", "identity", "overheard", "probe"]


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
    tokens: Mapping[str, TokenSource],
    http: HttpClient,
    hostname: str,
    sink_log: str = "summary",
    keeper: Keeper | None = None,
    clock: Clock | None = None,
    mailboxes: MailboxTokens | None = None,
    families: Families | None = None,
    gates: Gates | None = None,
) -> Upstream:
    """The upstream of account `name`; opens nothing yet. Raises ValueError where the tokens that it needs are missing,
    which a checked configuration cannot have.

    `tokens` has the source for each way that needs one, `mailboxes` gives the tokens of an account that acts as whoever
    sends. `families` hold all accounts with one identity to one number of connections, and `gates` count the requests
    of all accounts together; without them this one counts its own. `sink_log` is `[sink] log`: "summary" or "full";
    `keeper` is where the mail of a sink is kept.
    """
    who = identity(name, account)
    if account.acts_as_sender:
        return _by_mailbox(
            *(name, account, who, mailboxes, gates or Gates(), families or Families()),
            http=http,
            hostname=hostname,
            clock=clock or Clock(),
        )
    match account.provider:
        case "sink":
            return Sink(name, who, full=sink_log == "full", keeper=keeper)
        case "discard":
            return Discard(name, who)
        case "fail":
            return Fail(name, who)

    def one(way: str) -> SmtpUpstream | GraphUpstream | GmailUpstream:
        source = tokens.get(way)
        if way == "smtp":
            own = families.of(who) if families is not None else None
            return SmtpUpstream(
                name, account, who, tokens=source, hostname=hostname, clock=clock or Clock(), siblings=own
            )
        if source is None:
            raise ValueError(f"accounts.{name}: {way} needs an oauth table")
        api = GraphUpstream if way == "graph" else GmailUpstream
        return api(name, account, who, tokens=source, http=http, gates=gates, clock=clock)

    if len(account.via) == 1:
        return one(account.via[0])
    ways: dict[str, Way] = {way: one(way) for way in account.via}
    return WaysUpstream(name, who, ways, concurrency=account.concurrency, clock=clock)


def _by_mailbox(
    name: str,
    account: Account,
    who: Identity,
    mailboxes: MailboxTokens | None,
    gates: Gates,
    families: Families,
    *,
    http: HttpClient,
    hostname: str,
    clock: Clock,
) -> ByMailbox:
    kind = acts_as(account)
    if mailboxes is None or kind is None:
        raise ValueError(f"accounts.{name}: a mailbox for each sender needs tokens for each")

    def own(mailbox: str) -> Account:
        return account.model_copy(update={"mailbox": mailbox, "username": mailbox})

    def one(mailbox: str) -> Upstream:
        tokens: dict[str, TokenSource] = {account.via[0]: mailboxes.of(mailbox)}
        return build(
            *(name, own(mailbox)),
            tokens=tokens,
            http=http,
            hostname=hostname,
            clock=clock,
            gates=gates,
            families=families,
        )

    def identity_of(mailbox: str) -> Identity:
        return identity(name, own(mailbox))

    return ByMailbox(name, who, one, acts_as=kind, identity_of=identity_of, concurrency=account.concurrency)


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
