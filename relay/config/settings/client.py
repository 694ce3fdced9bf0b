"""`[clients.NAME]`: who may send, how it is recognised, and what it may do."""

from typing import Annotated

from relay.config import addresses, forms, network
from relay.config.network import Network
from relay.config.settings.base import (
    Duration,
    File,
    Hidden,
    MailAddress,
    Patterns,
    Rates,
    RecipientRates,
    Size,
    Table,
    Text,
)
from relay.config.words import Authenticate, OverRate, Reply, SenderRule
from relay.model import Priority


class Client(Table):
    """`[clients.NAME]`: who may send, how it is recognised, and what it may do."""

    login: Text | None = None
    password: Hidden | None = None
    password_hash: Hidden | None = None
    htpasswd_file: File | None = None
    """Its users are this client; with `login`, only that one."""
    certificate_subject: Text | None = None
    """The name in the TLS certificate by which it is recognised."""
    authenticate: Annotated[Authenticate, forms.one_of(Authenticate)] | None = None
    """"upstream": its users log in with the user names and passwords of their mailboxes."""
    issuer: Annotated[str, forms.text(network.issuer)] | None = None
    """Whose access tokens are this client's, when they are for `audience`; with `login`, only that user's."""
    audience: Text | None = None
    user_claim: Text | None = None
    """The claim of a token that holds the user. None: whichever of the usual ones fits."""
    networks: Annotated[tuple[Network, ...], forms.listing(network.network, example='["192.0.2.0/24"]')] = ()
    listeners: Annotated[tuple[str, ...], forms.listing(str, example='["default"]')]
    account: Text
    """The only one, or the first of `accounts`."""
    accounts: Annotated[tuple[str, ...], forms.listing(str, example='["internal", "office"]')] = ()
    """The first whose mailbox, senders or recipients fit is used."""
    senders: Patterns
    recipients: Patterns = ("*",)
    max_message_size: Size | None = None
    max_age: Duration | None = None
    priority: Annotated[Priority, forms.one_of(Priority)] = "normal"
    rate: Rates = ()
    recipient_rate: RecipientRates = ()
    over_rate: Annotated[OverRate, forms.one_of(OverRate)] = "refuse"
    sender: Annotated[SenderRule, forms.one_of(SenderRule)] = "keep"
    from_name: Annotated[str, forms.text(empty=True)] | None = None
    reply_to: Annotated[str, forms.text(addresses.reply_to, empty=True)] | None = None
    default_charset: Annotated[str, forms.text(forms.charset)] | None = None
    """What 8-bit text is labelled with where the app names no character set."""
    redirect_to: MailAddress | None = None
    """All mail goes there instead of to its recipients (staging)."""
    reply: Annotated[Reply, forms.one_of(Reply)] = "queued"
    reply_timeout: Duration = 25.0
    any_login: bool = False
    """AUTH is accepted with any user and password: only for the built-in `local`, so it has no form."""

    @property
    def uses(self) -> tuple[str, ...]:
        """All its accounts."""
        return self.accounts or (self.account,)

    @property
    def has_login(self) -> bool:
        """Whether it is recognised by a login: its own, that of one of its users, or an access token."""
        ways = (self.password, self.password_hash, self.htpasswd_file, self.authenticate, self.issuer)
        return any(way is not None for way in ways)

    @property
    def is_proven(self) -> bool:
        """Whether an address alone is not enough to be this client."""
        return self.has_login or self.certificate_subject is not None
