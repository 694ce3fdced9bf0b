"""The tables that there is one of: `[queue]`, `[sink]`, `[web]`, `[http]`, `[log]`, `[store]`, `[alerts]`."""

from typing import Annotated, Literal

from relay.config import addresses, forms, network, places
from relay.config.network import Bind
from relay.config.queue_size import QueueSize
from relay.config.settings.base import (
    Count,
    Duration,
    DurationOrZero,
    File,
    Flag,
    Hidden,
    MailAddress,
    Size,
    Table,
    Text,
)
from relay.config.words import Bounces, LogLevel


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
    max_size: Annotated[QueueSize, forms.queue_size()] = QueueSize(10 * 1024**3)
    """Of all content in the queue. Kept failed mail makes room first, then new mail is refused."""
    min_free_disk: Annotated[int, forms.size(zero=True)] = 100 * 1024**2
    """Octets of the disk that new mail leaves free, for results, reports and administration. 0: none."""
    max_bytes_in_memory: Annotated[int, forms.size(least=4 * 1024**2)] = 128 * 1024**2
    """Half of it for mail that arrives, half for mail that leaves."""
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
    """`[web]`: the page. Without an address there is none."""

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
    conversations: Annotated[tuple[str, ...], forms.listing(str, empty=True, alone=True, example='["printer"]')] = ()
    """Clients and accounts whose dialogue is written down."""


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
