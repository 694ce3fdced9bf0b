"""Facts about providers, as data: endpoints, scopes, hosts, limits, dates. Nothing here decides anything.

Where a fact is marked `unverified`, nobody could point at the provider's own text for it: it is a default that a key
of the account overrides, and no test or message depends on it.
"""

from dataclasses import dataclass
from typing import Final, Literal

CloudName = Literal["global", "us-gov", "us-dod", "china"]


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Microsoft's separate clouds. GCC (not High) uses the worldwide one.

    `authority` and `smtp_host` are host names; `graph_root` is the address in front of `/v1.0`; a scope is what an
    application asks for with client_credentials: one resource and `/.default`. A `user_scope` is what a user consents
    to: one permission of that resource.
    """

    authority: str
    smtp_host: str
    smtp_scope: str
    graph_root: str
    graph_scope: str
    smtp_user_scope: str
    graph_user_scope: str


# Authorities: learn.microsoft.com "National clouds". Graph: "National cloud deployments". SMTP scopes outside the
# worldwide cloud: sasl-xoauth2 README, not Microsoft's own pages.
CLOUDS: Final[dict[CloudName, Cloud]] = {
    "global": Cloud(
        authority="login.microsoftonline.com",
        smtp_host="smtp.office365.com",
        smtp_scope="https://outlook.office365.com/.default",
        graph_root="https://graph.microsoft.com",
        graph_scope="https://graph.microsoft.com/.default",
        smtp_user_scope="https://outlook.office.com/SMTP.Send",
        graph_user_scope="https://graph.microsoft.com/Mail.Send",
    ),
    # GCC High.
    "us-gov": Cloud(
        authority="login.microsoftonline.us",
        smtp_host="smtp.office365.us",  # unverified
        smtp_scope="https://outlook.office365.us/.default",
        graph_root="https://graph.microsoft.us",
        graph_scope="https://graph.microsoft.us/.default",
        smtp_user_scope="https://outlook.office365.us/SMTP.Send",  # unverified
        graph_user_scope="https://graph.microsoft.us/Mail.Send",
    ),
    "us-dod": Cloud(
        authority="login.microsoftonline.us",
        smtp_host="smtp.office365.us",  # unverified: other sources name an outlook-dod host
        smtp_scope="https://outlook.office365.us/.default",  # unverified: other sources say webmail.apps.mil
        graph_root="https://dod-graph.microsoft.us",
        graph_scope="https://dod-graph.microsoft.us/.default",
        smtp_user_scope="https://outlook.office365.us/SMTP.Send",  # unverified
        graph_user_scope="https://dod-graph.microsoft.us/Mail.Send",
    ),
    # Operated by 21Vianet. The Azure SDK has login.chinacloudapi.cn for the same authority.
    "china": Cloud(
        authority="login.partner.microsoftonline.cn",
        smtp_host="smtp.partner.outlook.cn",  # unverified
        smtp_scope="https://partner.outlook.cn/.default",
        graph_root="https://microsoftgraph.chinacloudapi.cn",
        graph_scope="https://microsoftgraph.chinacloudapi.cn/.default",
        smtp_user_scope="https://partner.outlook.cn/SMTP.Send",  # unverified
        graph_user_scope="https://microsoftgraph.chinacloudapi.cn/Mail.Send",
    ),
}

ENTRA_HOSTS: Final = frozenset(cloud.authority for cloud in CLOUDS.values())
"""Where Microsoft's tokens come from."""

# First-party application ids that tokens may name as audience: learn.microsoft.com "Verify first-party Microsoft
# applications in sign-in reports".
EXCHANGE_APPLICATION: Final = "00000002-0000-0ff1-ce00-000000000000"
GRAPH_APPLICATION: Final = "00000003-0000-0000-c000-000000000000"
GRAPH_DRAFTS: Final = "Mail.ReadWrite"
"""The permission for drafts, which carry what one request does not."""
REFRESH_TOKEN_DAYS: Final = 90
"""Days without use after which Entra ends a refresh token ("Refresh tokens in the Microsoft identity platform")."""

GOOGLE_OAUTH_HOSTS: Final = frozenset({"accounts.google.com", "oauth2.googleapis.com"})
"""Where Google's users consent and its tokens come from."""

TENANTS_WITHOUT_PASSWORDS: Final = frozenset({"common", "consumers"})
"""Paths of the authority that take no user's password: the grant is for work and school accounts only."""
TENANTS_WITHOUT_APPS: Final = frozenset({"common", "organizations", "consumers"})
"""Paths of the authority that stand for no tenant: an application's own token cannot come from them."""


# support.google.com/a/answer/176600: 465 with implicit TLS, 587 with STARTTLS.
GMAIL_SMTP_HOST: Final = "smtp.gmail.com"
# developers.google.com/identity/protocols/oauth2/service-account; /gmail/imap/xoauth2-protocol: SMTP takes this scope
# only, gmail.send is not enough.
GOOGLE_TOKEN_ENDPOINT: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
GOOGLE_AUTHORIZATION_ENDPOINT: Final = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_DEVICE_ENDPOINT: Final = "https://oauth2.googleapis.com/device/code"  # unverified that mail scopes are allowed
GOOGLE_ISSUER: Final = "https://accounts.google.com"
GMAIL_SMTP_SCOPE: Final = "https://mail.google.com/"
# developers.google.com/workspace/gmail/api/auth/scopes: sending and nothing else.
GMAIL_API_SCOPE: Final = "https://www.googleapis.com/auth/gmail.send"
GMAIL_API_ROOT: Final = "https://gmail.googleapis.com"


# Yahoo Mail and what Yahoo runs for others. developer.yahoo.com/oauth2/guide (endpoints, Basic as client
# authentication); senders.yahooinc.com/developer/documentation (XOAUTH2; an application needs the mail scope approved).
YAHOO_SMTP_HOST: Final = "smtp.mail.yahoo.com"
YAHOO_AUTHORIZATION_ENDPOINT: Final = "https://api.login.yahoo.com/oauth2/request_auth"
YAHOO_TOKEN_ENDPOINT: Final = "https://api.login.yahoo.com/oauth2/get_token"  # noqa: S105 (an address)
YAHOO_SMTP_SCOPE: Final = "mail-w"  # unverified in Yahoo's own pages: what mail programs ask for


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """What Exchange Online allows one mailbox that submits by SMTP ("Exchange Online limits")."""

    recipients_per_message: int = 500
    """The default; an administrator can set 1 to 1000 for a mailbox."""


@dataclass(frozen=True, slots=True)
class GraphLimits:
    """What Microsoft Graph allows."""

    request_size: int = 4 * 1024 * 1024
    mime_size: int = 3_145_728
    """The largest message whose base64 form, unwrapped, fits into a request."""
    attachment_size: int = 150 * 1024 * 1024
    """The largest attachment that an upload session takes; what the mailbox may send is usually less."""
    session_size: int = 3 * 1024 * 1024
    """Smaller attachments are refused by upload sessions and go in one request; "3 MB" is all that is said. Those that
    a request holds are below either meaning of it."""
    chunk_size: int = 10 * 320 * 1024
    """Octets of one request of an upload session: below 4 MB, and a multiple of 320 KiB as other sessions want it."""
    requests_per_app: int = 4
    """At a time. Older text says for each mailbox, newer text says in all: the stricter is used."""


@dataclass(frozen=True, slots=True)
class GmailLimits:
    """What Gmail allows one user (support.google.com/a/answer/166852)."""

    recipients_per_message: int = 100
    api_size: int = 36_700_160
    """What messages.send takes, by its own description."""
    multipart_size: int = 5 * 1024 * 1024
    """Up to here Google advises one request, above it an upload that can be resumed."""
    chunk_size: int = 16 * 256 * 1024
    """Octets of one request of such an upload: a multiple of 256 KiB."""


EXCHANGE: Final = ExchangeLimits()
GMAIL: Final = GmailLimits()
GRAPH: Final = GraphLimits()


@dataclass(frozen=True, slots=True)
class HighVolumeLimits:
    """What High Volume Email of Microsoft 365 allows one account: no rate, internal recipients only (unverified)."""

    recipients_per_message: int = 50


HIGH_VOLUME: Final = HighVolumeLimits()
HIGH_VOLUME_HOSTS: Final = frozenset({"smtp.hve.mx.microsoft", "smtp-hve.office365.com"})

# The default pace stays below the limits: other programs use the same mailbox. Written as in an account's `rate`.
# Exchange Online allows a mailbox 30 messages a minute, 3 connections and 10,000 recipients a day.
EXCHANGE_RATE: Final = ("25 messages/1m burst 5", "10000 recipients/24h")
EXCHANGE_CONCURRENCY: Final = 2
# Exchange's daily limit holds for Graph too; whether its messages a minute do is not documented.
GRAPH_RATE: Final = ("10000 recipients/24h",)
GRAPH_CONCURRENCY: Final = 2
# What Workspace allows a user (support.google.com/a/answer/166852; 3,000 of the recipients elsewhere; consumers and
# trial accounts have 500 messages a day). Over it: 550 5.4.5, for 1 to 24 hours.
GMAIL_RATE: Final = ("2000 messages/24h", "10000 recipients/24h")
# The API counts too: 6,000 units a minute for a user, and messages.send takes 100 (projects since May 2026).
GMAIL_API_RATE: Final = ("50 messages/1m", *GMAIL_RATE)
GMAIL_CONCURRENCY: Final = 2  # unverified: Google publishes no number for SMTP
YAHOO_CONCURRENCY: Final = 2  # unverified: Yahoo publishes no number for SMTP
SMARTHOST_CONCURRENCY: Final = 20

# RFC 6409 3.1 (submission), RFC 8314 3.3 (implicit TLS), RFC 5321 (relay).
SUBMISSION_PORT: Final = 587
IMPLICIT_TLS_PORT: Final = 465
SMTP_PORT: Final = 25

# The retirement of Basic authentication for SMTP AUTH at Exchange Online: Message Center MC786329, updated
# 27 January 2026, and the Exchange team's blog of that day. It replaces every earlier date.
BASIC_OFF_BY_DEFAULT: Final = "end of December 2026"
BASIC_REMOVAL_ANNOUNCED: Final = "second half of 2027"
BASIC_SOURCE: Final = "MC786329"

BASIC_RETIRING_HOSTS: Final = (
    "smtp.office365.com",
    "smtp-legacy.office365.com",
    "smtp-mail.outlook.com",
)
"""Hosts of Exchange Online that a plain smarthost account may name; High Volume Email has dates of its own."""
