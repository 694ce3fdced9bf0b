"""What an administrator types in Exchange Online PowerShell, with the tenant's own ids in it (docs/sources.md).

The ids come out of a token, whose claim `oid` is the object id of the *Enterprise application*: the one that
`New-ServicePrincipal` wants, and the one that people mix up with that of the app registration.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What PowerShell takes for one word as it stands.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]*")
# PowerShell takes typographic quotes for plain ones, also where they end a text.
_QUOTE = re.compile("(['\u2018\u2019\u201a\u201b])")

CONNECT = "Connect-ExchangeOnline"
"""Comes before all the others."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Who a token speaks for: ids, or what to put in their place where the token has none."""

    application: str = "<application id>"
    principal: str = "<object id of the Enterprise application>"

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Ids":
        """From the claims of a token; what is no GUID is not trusted to stand in a command."""
        application = _guid(claims.get("appid", claims.get("azp")))
        principal = _guid(claims.get("oid"))
        return cls(application or cls().application, principal or cls().principal)


def register(ids: Ids) -> str:
    """Make Exchange know the application."""
    return f"New-ServicePrincipal -AppId {ids.application} -ObjectId {ids.principal}"


def open_mailbox(mailbox: str, trustee: str) -> str:
    """Let `trustee`, an object id or a user's address, use `mailbox`."""
    return f"Add-MailboxPermission -Identity {quoted(mailbox)} -User {quoted(trustee)} -AccessRights FullAccess"


def send_as(sender: str, trustee: str) -> str:
    """Let `trustee` send as `sender`."""
    return f"Add-RecipientPermission -Identity {quoted(sender)} -Trustee {quoted(trustee)} -AccessRights SendAs"


def allow_smtp_auth(mailbox: str) -> str:
    """Switch SMTP AUTH on for `mailbox`: it governs OAuth too."""
    return f"Set-CASMailbox -Identity {quoted(mailbox)} -SmtpClientAuthenticationDisabled $false"


def allow_high_volume(mailbox: str, ids: Ids) -> str:
    """Let the application use an account of High Volume Email."""
    return f"Add-HVEAppAccess -Identity {quoted(mailbox)} -AppIds {ids.principal}"


def test_rights(ids: Ids, mailbox: str) -> str:
    """Show what RBAC for Applications allows the application, past the cache."""
    return f"Test-ServicePrincipalAuthorization -Identity {ids.application} -Resource {quoted(mailbox)}"


def _guid(value: object) -> str:
    return value if isinstance(value, str) and _GUID.fullmatch(value) else ""


def quoted(text: str) -> str:
    """`text` as one word of PowerShell; the placeholders of `Ids` stay as they are."""
    if _PLAIN.fullmatch(text) or text in (Ids().application, Ids().principal):
        return text
    return "'" + _QUOTE.sub(r"\1\1", text) + "'"
