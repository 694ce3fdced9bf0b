"""`[accounts.NAME]`: a way out."""

from typing import Annotated

from relay import providers
from relay.config import addresses, forms
from relay.config.settings.base import (
    Duration,
    DurationOrZero,
    File,
    Flag,
    Hidden,
    HostName,
    MailAddress,
    Mailbox,
    Patterns,
    Port,
    Rates,
    Size,
    Table,
    Text,
    Url,
)
from relay.config.settings.oauth import OAuth
from relay.config.words import Provider, TlsVersion, UpstreamTls, Way


class Account(Table):
    """`[accounts.NAME]`: a way out. What a provider presets is filled in when a file is read."""

    provider: Annotated[Provider, forms.one_of(Provider)]
    via: Annotated[tuple[Way, ...], forms.ways(Way)] = ("smtp",)
    mailbox: Mailbox | None = None
    """"sender": the mailbox of whoever sends."""
    username: Text | None = None
    password: Hidden | None = None
    from_address: MailAddress | None = None
    tenant: Text | None = None
    cloud: Annotated[providers.CloudName, forms.one_of(providers.CloudName)] = "global"
    host: HostName | None = None
    port: Port = providers.SUBMISSION_PORT
    tls: Annotated[UpstreamTls, forms.one_of(UpstreamTls)] = "starttls"
    min_tls: Annotated[TlsVersion, forms.one_of(TlsVersion)] = "1.2"
    max_tls: Annotated[TlsVersion, forms.one_of(TlsVersion)] = "1.3"
    """Lower for a server, or a box in between, that breaks off at the hello of a newer version."""
    server_name: HostName | None = None
    ca_file: File | None = None
    certificate: File | None = None
    key: File | None = None
    mail_endpoint: Url | None = None
    """The address in front of `/v1.0/users/...` of a Graph service, or of `/gmail/v1/users/...` of Gmail's."""
    save_to_sent: Flag = True
    """Whether Graph keeps a copy of what it sends in the mailbox."""
    concurrency: Annotated[int, forms.count(1, 1000)] = providers.SMARTHOST_CONCURRENCY
    rate: Rates = ()
    senders: Patterns = ()
    recipients: Patterns = ()
    """Which mail it is for, where a client has several accounts."""
    max_message_size: Size | None = None
    connect_timeout: Duration = 30.0
    timeout: Duration = 300.0
    write_timeout: DurationOrZero = 300.0
    """0 turns it off; the deadline of the whole attempt remains."""
    fallback: Text | None = None
    """Another account, for the time that this one is in trouble."""
    oauth: OAuth | None = None

    @property
    def is_real(self) -> bool:
        """Whether mail leaves through it: a sink, discard or fail keeps everything here."""
        return self.provider in {"microsoft", "google", "yahoo", "smtp"}

    @property
    def own_address(self) -> str | None:
        """What `sender = "force"` writes."""
        return self.from_address or self.own_mailbox

    @property
    def acts_as_sender(self) -> bool:
        """Whether each message leaves through the mailbox of whoever sends it."""
        return self.mailbox == addresses.SENDER

    @property
    def own_mailbox(self) -> str | None:
        """The one mailbox that it sends through, if there is one."""
        return None if self.acts_as_sender else self.mailbox

    @property
    def has_sign_ins(self) -> bool:
        """Whether it sends with the sign-ins of users who log in with the passwords of their mailboxes."""
        return self.acts_as_sender and self.oauth is not None and self.oauth.grant == "password"
