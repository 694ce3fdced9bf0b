"""`[listeners.NAME]`: where mail comes in."""

from typing import Annotated

from relay.config import forms, network
from relay.config.network import Bind, Network
from relay.config.settings.base import Count, Duration, File, Flag, Hidden, Size, Table
from relay.config.words import ListenerTls, ListenerTlsVersion, Profile


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
