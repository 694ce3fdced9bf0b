"""The settings: every key that the relay knows, its type, its default and the form in which a file holds it.

The models are strict, frozen and closed. What depends on more than one key (a provider's host, a client's senders) is
filled in before a model is made, so the rest of the relay meets only complete values. Durations are seconds, sizes
octets.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from relay import providers
from relay.config import addresses, forms, network, places, rates
from relay.config.network import Bind, Network
from relay.config.secret import Secret
from relay.config.words import (
    RESERVED_PARAMETERS,
    Authenticate,
    AuthMethod,
    Bounces,
    Grant,
    ListenerTls,
    ListenerTlsVersion,
    LogLevel,
    OverRate,
    Profile,
    Provider,
    Reply,
    RequestMethod,
    SenderRule,
    TlsVersion,
    UpstreamTls,
    Way,
)
from relay.model import Priority, Rate

Text = Annotated[str, forms.text()]
HostName = Annotated[str, forms.text(network.host)]
Url = Annotated[str, forms.text(network.https_url)]
MailAddress = Annotated[str, forms.text(addresses.address)]
Mailbox = Annotated[str, forms.text(addresses.mailbox)]
File = Annotated[Path, forms.path()]
Hidden = Annotated[Secret, forms.secret()]
Duration = Annotated[float, forms.duration()]
DurationOrZero = Annotated[float, forms.duration(zero=True)]
Size = Annotated[int, forms.size()]
Day = Annotated[float, forms.day()]
"""Seconds since the epoch, at the beginning of that day in UTC."""
Flag = Annotated[bool, forms.flag()]
Port = Annotated[int, forms.count(1, 65535)]
Count = Annotated[int, forms.count(1, 1_000_000)]
Rates = Annotated[tuple[Rate, ...], forms.rates(rates.rate, example='["25 messages/1m"]')]
RecipientRates = Annotated[tuple[Rate, ...], forms.rates(rates.message_rate, example='["5 messages/1m"]')]
Patterns = Annotated[tuple[str, ...], forms.listing(addresses.pattern, example='["noreply@example.com"]')]


class Table(BaseModel):
    """What all tables have in common."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )


class Listener(Table):
    """`[listeners.NAME]`: where mail comes in."""

    bind: Annotated[tuple[Bind, ...], forms.binds()]
    tls: Annotated[ListenerTls, forms.one_of(ListenerTls)] = "off"
    certificate: File | None = None
    key: File | None = None
    key_password: Hidden | None = None
    self_signed: bool = False
    """The relay makes the certificate when it is not there: set while loading, so it has no form."""
    client_ca: File | None = None
    """Whose certificates clients may show, to be recognised by `certificate_subject`."""
    min_tls: Annotated[ListenerTlsVersion, forms.one_of(ListenerTlsVersion)] = "1.2"
    profile: Annotated[Profile, forms.one_of(Profile)] = "standard"
    """"legacy": old devices, which end lines with a bare LF and know old TLS only."""
    proxy_protocol: Annotated[
        tuple[Network, ...], forms.listing(network.network, empty=True, example='["192.0.2.7"]')
    ] = ()
    """Where load balancers are that say in front of each connection who the client is."""
    require_tls: Flag = False
    """AUTH is offered and taken only under TLS."""
    max_message_size: Size = 35 * 1024 * 1024
    max_recipients: Annotated[int, forms.count(1, 100_000)] = 1000
    max_connections: Count = 500
    max_connections_per_client: Count = 100
    timeout: Duration = 600.0


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
        """Whether it is recognised by a login: its own, or that of one of its users."""
        ways = (self.password, self.password_hash, self.htpasswd_file, self.authenticate)
        return any(way is not None for way in ways)

    @property
    def is_proven(self) -> bool:
        """Whether an address alone is not enough to be this client."""
        return self.has_login or self.certificate_subject is not None


class OAuth(Table):
    """`[accounts.NAME.oauth]`: where the account's tokens come from."""

    grant: Annotated[Grant, forms.one_of(Grant)] = "client_credentials"
    client_id: Hidden | None = None
    client_secret: Hidden | None = None
    client_secret_next: Hidden | None = None
    """The one that is to take its place: used when the first is refused."""
    client_secret_expires: Day | None = None
    token_endpoint_auth_method: Annotated[AuthMethod, forms.one_of(AuthMethod)] = "client_secret_post"  # noqa: S105 (a name)
    client_secret_header: Annotated[str, forms.text(network.header_name)] | None = None
    private_key_file: File | None = None
    """PEM or PKCS#12; for `jwt_bearer` the JSON file of a service account."""
    key_password: Hidden | None = None
    certificate_file: File | None = None
    federated_token_file: File | None = None
    """A token that somebody else renews; it takes the place of the key."""
    managed_identity_client_id: Text | None = None
    """Which of several identities that are assigned to the machine."""
    token_endpoint: Url | None = None
    token_request_method: Annotated[RequestMethod, forms.one_of(RequestMethod, str.upper)] = "POST"  # noqa: S105 (a name)
    authorization_endpoint: Url | None = None
    device_authorization_endpoint: Url | None = None
    redirect_uri: Annotated[str, forms.text(network.redirect_uri)] | None = None
    issuer: Annotated[str, forms.text(network.issuer)] | None = None
    """Whose id_token says who has signed in (OpenID Connect). Without a user: finds the token endpoint."""
    scopes: Annotated[tuple[str, ...], forms.scopes()] = ()
    scope_delimiter: Annotated[str, forms.text()] = " "
    extra_parameters: Annotated[dict[str, str], forms.parameters(RESERVED_PARAMETERS)] = Field(default_factory=dict)
    subject: Text | None = None
    """Whom `jwt_bearer` asks for."""
    refresh_margin: DurationOrZero | None = None
    entra: bool = False
    """The tokens are Microsoft's, which wants assertions in its own form. Set by the provider, so it has no form."""
    username: str | None = None
    """The account's, and so is the password: for the grant that sends them. Filled in, so they have no form."""
    password: Secret | None = None

    way_scopes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What each of the account's ways asks for, where the provider presets it: set by the provider, so no form."""

    def for_way(self, way: str) -> "OAuth":
        """The same with the scopes of one way."""
        scopes = self.way_scopes.get(way, self.scopes)
        return self if scopes == self.scopes else self.model_copy(update={"scopes": scopes})

    @property
    def origin(self) -> str:
        """Where the tokens come from, for display."""
        return self.token_endpoint or self.issuer or "this machine's managed identity"


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


class Queue(Table):
    """`[queue]`: how long mail waits and is kept."""

    database: Annotated[str, forms.text(places.database)] | None = None
    """None: `relay.db` in the state folder."""
    retry: Annotated[tuple[float, ...], forms.durations()] = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0)
    """Waits between attempts; the last one repeats until `max_age`."""
    max_age: Duration = 5 * 86400.0
    delay_warning: Duration | None = None
    """Who is told of a failure is told after that time too that a message still waits. None: of failures alone."""
    bounces: Annotated[Bounces, forms.one_of(Bounces)] = "operator"
    bounce_to: MailAddress | None = None
    bounce_account: Text | None = None
    """None: the account of the message that was not delivered."""
    keep_sent: DurationOrZero = 86400.0
    keep_failed: DurationOrZero = 14 * 86400.0
    max_size: Size = 10 * 1024**3
    """Of all content in the queue. Kept failed mail makes room first."""
    drain_timeout: DurationOrZero = 20.0


class Sink(Table):
    """`[sink]`: what sink accounts do with mail."""

    log: Annotated[Literal["summary", "full"], forms.one_of(Literal["summary", "full"])] = "summary"
    keep: Count = 500
    """Messages; the oldest goes first."""
    max_age: Duration | None = None
    max_bytes: Size = 1024 * 1024 * 1024
    release_to: Annotated[
        tuple[str, ...], forms.listing(addresses.pattern, empty=True, example='["@example.com"]')
    ] = ()
    """To whom caught mail may be sent on; nobody without it."""
    chaos: Flag = False
    """Whether the sink API may have the listener refuse on purpose."""


class Web(Table):
    """`[web]`: the status page. Without an address there is none."""

    bind: Annotated[tuple[Bind, ...], forms.binds(empty=True)] = (Bind("127.0.0.1", 8025),)
    hosts: Annotated[tuple[str, ...], forms.listing(network.host, empty=True, example='["relay.example.com"]')] = ()
    """Names, besides its addresses and the machine's own, under which a browser may ask for the page."""
    password_hash: Hidden | None = None
    """None: a link in the log lets somebody in once."""
    certificate: File | None = None
    key: File | None = None
    base_path: Annotated[str, forms.text(network.base_path)] = "/"
    """The path below which a proxy in front shows page and API."""
    sink_password_hash: Hidden | None = None
    """None: the sink API is open, to this machine only where there is a real account."""


class Http(Table):
    """`[http]`: how token endpoints and Graph are reached."""

    proxy: Hidden | None = None
    no_proxy: Annotated[tuple[str, ...], forms.listing(forms.text().parse, empty=True, example='["example.com"]')] = ()
    ca_file: File | None = None
    timeout: Duration = 30.0


class Log(Table):
    """`[log]`: what is told, how, and where."""

    format: Annotated[Literal["text", "json"], forms.one_of(Literal["text", "json"])] = "text"
    level: Annotated[LogLevel, forms.one_of(LogLevel, str.upper)] = "INFO"
    file: File | None = None
    conversations: Annotated[tuple[str, ...], forms.listing(str, empty=True, example='["printer"]')] = ()
    """Clients whose SMTP dialogue is written down."""


class Store(Table):
    """`[store]`: the key that stored tokens are sealed with, and an older one that still opens."""

    key: Hidden | None = None
    """None: a file that the relay makes in its state folder."""
    key_previous: Hidden | None = None


class Alerts(Table):
    """`[alerts]`: whom the relay tells when mail is about to stop, or has stopped."""

    webhook: Hidden | None = None
    """The address that a JSON object is posted to. Whoever knows it may post there, so it is a secret."""
    command: Annotated[tuple[str, ...], forms.command()] = ()
    """A program and its arguments: no shell looks at them."""
    paused_after: Duration = 3600.0


class Settings(Table):
    """The whole configuration, complete and checked."""

    hostname: Annotated[str, forms.text(network.ehlo_name)]
    state_folder: File
    listeners: dict[str, Listener]
    clients: dict[str, Client]
    accounts: dict[str, Account]
    queue: Queue = Queue()
    sink: Sink = Sink()
    web: Web = Web()
    http: Http = Http()
    log: Log = Log()
    store: Store = Store()
    alerts: Alerts = Alerts()
    source: Path | None = None  # the file that it came from
    warnings: tuple[str, ...] = ()
    """What works but should not stay as it is."""
    read_from: tuple[Path, ...] = ()
    """Every file that was read, and the folders in which `include` looks for more."""
    origins: dict[str, str] = Field(default_factory=dict)
    """The file or variable of each key that somebody wrote, by its dotted name."""

    @property
    def database_file(self) -> Path:
        """The file of the SQLite database."""
        written = self.queue.database
        return Path(written.removeprefix("sqlite:///")) if written else self.state_folder / "relay.db"

    @property
    def lock_file(self) -> Path:
        """What the serving process holds: beside the database, so that two relays on one see each other."""
        return self.database_file.with_name(f"{self.database_file.name}.lock")

    @property
    def store_key_file(self) -> Path:
        """The key that the relay makes for itself when `[store]` has none."""
        return self.state_folder / "store.key"

    def reaches(self, listener: str) -> list[str]:
        """The names of the clients that may use a listener."""
        return [name for name, client in self.clients.items() if listener in client.listeners]


INCLUDE = forms.listing(forms.text().parse, empty=True, example='["conf.d/*.toml"]')
"""The form of `include`, which is used up while the files are read."""
