"""What the stand-in tenant looks like: its application, its mailboxes, its limits."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from relay.sandbox.federation import FederatedCredential

MIB = 1024 * 1024

Bind = tuple[str, int]
"""Host and port to listen on. Port 0 takes a free one; the host `localhost` means every loopback address there is."""

_NAMES = uuid.UUID("b9a5c1f4-6f0b-4b7e-9f57-6a4e4d1c7a10")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account of Google: who it is, its one key (PEM), and the scopes that an administrator has delegated."""

    email: str
    key_id: str
    public_key: bytes = field(repr=False)
    scopes: tuple[str, ...] = ("https://mail.google.com/",)


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxSettings:
    """The tenant that a `Sandbox` stands in for. The limits are Exchange Online's; None switches one off.

    `client_secret` is never shown. `send_as` lists the senders besides its own address that each mailbox may use:
    addresses, `*@domain`, or `*` for any. `rate_mode` says what happens above `messages_per_minute`: Microsoft
    documents both, "delay" (the reply to the message waits for the next free place) and "reject".
    """

    tenant: str = "sandbox.onmicrosoft.com"
    client_id: str = "5a4d0b0c-0000-4000-8000-000000000001"
    client_secret: str = field(default="sandbox-secret", repr=False)
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    """Certificates (PEM) that were uploaded for the application: assertions may be signed with their keys."""
    federated: tuple[FederatedCredential, ...] = ()
    """Other issuers whose tokens the application may prove itself with."""
    service_account: ServiceAccount | None = None
    """Who may ask the stand-in Google for tokens of the mailboxes' users."""
    user_password: str = field(default="", repr=False)
    """What the users of the mailboxes sign in with by the grant `password`; "" lets nobody."""
    mailbox_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those of users who have one of their own, by mailbox."""
    second_factor: tuple[str, ...] = ()
    """Users to whom a password alone opens nothing (multi-factor authentication)."""
    mailbox: str = "noreply@sandbox.onmicrosoft.com"
    more_mailboxes: tuple[str, ...] = ()
    send_as: tuple[str, ...] = ()

    exchange_roles: tuple[str, ...] = ("SMTP.SendAsApp",)
    """Application permissions on Exchange Online that an administrator has consented to."""
    graph_roles: tuple[str, ...] = ("Mail.Send", "Mail.ReadWrite")
    """The same on Microsoft Graph."""
    exchange_scopes: tuple[str, ...] = ("SMTP.Send",)
    """What a user can consent to on Exchange Online."""
    graph_scopes: tuple[str, ...] = ("Mail.Send",)
    """The same on Microsoft Graph."""
    redirect_uris: tuple[str, ...] = ("http://localhost", "http://127.0.0.1")
    """Registered under "Mobile and desktop applications"; on loopback the port is the application's choice."""
    public_client: bool = True
    """*Allow public client flows*: a user's sign-in needs no client secret."""
    device_code_interval: int = 5
    device_code_lifetime: float = 900

    token_lifetime: float = 3600
    """Seconds that an access token stays valid."""

    connections: int | None = 3
    """Authenticated SMTP connections of one mailbox; messages on any further one are answered with 432."""
    messages_per_minute: int | None = 30
    rate_mode: Literal["delay", "reject"] = "delay"
    recipients: int | None = 500
    """Recipients of one message."""
    max_message_size: int | None = 35 * MIB
    """Octets of one message. EHLO says 150 MiB whatever this is, as Exchange does."""
    graph_concurrency: int | None = 4
    """Requests of one mailbox that Graph serves at a time."""
    graph_keeps_headers: bool = False
    """Whether Graph delivers `Auto-Submitted` and X- headers; it has been seen to drop them."""
    graph_keeps_bcc: bool = True
    """Whether a draft made from MIME keeps the Bcc that it names."""
    graph_tells_ranges: bool = True
    """Whether an upload session says how far it has come when it is asked; that is not documented."""
    session_lifetime: float = 3600
    """Seconds after which an upload session has ended."""
    gmail_messages_per_day: int | None = 2000
    """What one user may send by the Gmail API."""
    idle_timeout: float = 300
    """Seconds without a command until an SMTP connection is closed."""

    smtp_bind: Bind = ("localhost", 0)
    http_bind: Bind = ("localhost", 0)
    folder: Path = field(default_factory=lambda: Path("sandbox"))
    """Where `ca.pem` is written."""
    keep_messages: int = 500
    keep_bytes: int = 256 * MIB
    """How much of what was received is kept; the oldest goes first."""

    @property
    def tenant_id(self) -> str:
        """The tenant's GUID (the claim `tid`): `tenant` itself if it is one, else one that belongs to its name."""
        return _guid(self.tenant) or str(uuid.uuid5(_NAMES, self.tenant.lower()))

    @property
    def service_principal_id(self) -> str:
        """The object id of the enterprise application (the claim `oid`)."""
        return object_id(f"{self.tenant_id}/{self.client_id}")

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Every mailbox of the tenant."""
        return (self.mailbox, *self.more_mailboxes)


def object_id(name: str) -> str:
    """The GUID of a directory object; the same name has the same one in every run."""
    return str(uuid.uuid5(_NAMES, name.lower()))


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
