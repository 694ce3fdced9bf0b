"""The tenant's users, and what an application may do for one of them (docs/sources.md)."""

import hmac

from relay.sandbox.aadsts import EntraError
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.tokens import EXCHANGE, GRAPH

# Asked for beside a permission; they belong to no resource.
_OPENID = frozenset({"openid", "profile", "email", "offline_access"})


class Users:
    """Each mailbox has a user of its name; who has no password of his own has that of the settings, or none."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings

    def signed_in(self, username: str, password: str) -> str:
        """The user's name as the directory has it, or EntraError."""
        found = next((one for one in self._settings.mailboxes if one.lower() == username.lower()), None)
        if found is None:
            raise EntraError(50034, tenant=self._settings.tenant)
        own = {mailbox.lower(): each for mailbox, each in self._settings.mailbox_passwords.items()}
        right = own.get(found.lower(), self._settings.user_password)
        if not right or not hmac.compare_digest(password.encode(), right.encode()):
            raise EntraError(50126)
        if found.lower() in map(str.lower, self._settings.second_factor):
            raise EntraError(50076, resource=EXCHANGE[-1])
        return found

    def permission(self, scope: str) -> tuple[str, str]:
        """Resource and permission of a scope such as https://outlook.office.com/SMTP.Send, or EntraError."""
        wanted = [one for one in scope.split() if one not in _OPENID]
        if len(wanted) != 1:
            raise EntraError(70011, scope=scope)
        resource, _, permission = wanted[0].rpartition("/")
        if resource not in EXCHANGE + GRAPH:
            raise EntraError(500011, resource=resource, tenant=self._settings.tenant)
        if permission not in ("SMTP.Send" if resource in EXCHANGE else "Mail.Send", ".default"):
            raise EntraError(65001, client_id=self._settings.client_id)
        return resource, "SMTP.Send" if resource in EXCHANGE else "Mail.Send"
