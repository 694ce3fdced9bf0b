"""What Entra ID keeps of users who sign in: authorization codes, device codes, refresh tokens (docs/sources.md).

Every user of the tenant is one of its mailboxes. Nothing here speaks HTTP: the pages are in `sign_in_pages.py`.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relay.model import Clock
from relay.sandbox.aadsts import EntraError
from relay.sandbox.faults import Fault
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.tokens import EXCHANGE, GRAPH, Tokens

OIDC_SCOPES = ("openid", "profile", "email", "offline_access")
_CODE_LIFETIME = 600
_DEFAULT = ".default"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The scopes of a request: one resource with its permissions, and those of OpenID Connect."""

    resource: str
    permissions: tuple[str, ...]
    oidc: tuple[str, ...]

    def __str__(self) -> str:
        shown = [f"{self.resource}/{permission}" for permission in self.permissions]
        return " ".join([*shown, *(scope for scope in self.oidc if scope != "offline_access")])


@dataclass(frozen=True, slots=True)
class Consented:
    """A user who has said yes, to what, and what comes back with the tokens."""

    user: str
    wanted: Wanted
    issuer: str
    nonce: str = ""


@dataclass(slots=True)
class _Code:
    consented: Consented
    redirect_uri: str
    challenge: str
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class DeviceCode:
    """A sign-in on another device, under way."""

    user_code: str
    wanted: Wanted
    issuer: str
    expires_at: float
    consented: Consented | None = None
    declined: bool = False
    used: bool = False


class SignIns:
    """The sign-ins of one tenant."""

    def __init__(self, settings: SandboxSettings, tokens: Tokens, clock: Clock) -> None:
        self._settings = settings
        self._tokens = tokens
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, DeviceCode] = {}
        self._refresh_tokens: dict[str, Consented] = {}
        self._revoked: set[str] = set()

    def wanted(self, scope: str) -> Wanted:
        """What `scope` asks for. Raises EntraError."""
        named = [each for each in scope.split() if each not in OIDC_SCOPES]
        resources = {each.rpartition("/")[0] for each in named}
        if len(resources) != 1:
            raise EntraError(70011, scope=scope)
        resource = resources.pop()
        if resource not in EXCHANGE + GRAPH:
            raise EntraError(500011, resource=resource, tenant=self._settings.tenant)
        known = self._settings.exchange_scopes if resource in EXCHANGE else self._settings.graph_scopes
        asked = tuple(each.rpartition("/")[2] for each in named)
        if not set(asked) <= {*known, _DEFAULT}:
            raise EntraError(70011, scope=scope)
        permissions = known if _DEFAULT in asked else asked
        return Wanted(resource, permissions, tuple(each for each in OIDC_SCOPES if each in scope.split()))

    def consent(self, consented: Consented, redirect_uri: str, challenge: str) -> str:
        """An authorization code for a user who said yes."""
        code = f"1.{_random(64)}"
        self._codes[code] = _Code(consented, redirect_uri, challenge, self._clock.time() + _CODE_LIFETIME)
        return code

    def begin_device(self, scope: str, issuer: str) -> tuple[str, DeviceCode]:
        """A device code, and what the user is to type. Raises EntraError."""
        device_code = _random(64)
        user_code = "".join(secrets.choice(_LETTERS) for _ in range(9))
        expires_at = self._clock.time() + self._settings.device_code_lifetime
        self._devices[device_code] = DeviceCode(user_code, self.wanted(scope), issuer, expires_at)
        return device_code, self._devices[device_code]

    def device(self, user_code: str) -> DeviceCode | None:
        """The sign-in with this user code, in any case of letters, while it can still be answered."""
        found = (each for each in self._devices.values() if each.user_code == user_code.strip().upper())
        return next((each for each in found if each.expires_at > self._clock.time()), None)

    def renewal(self, user: str, scope: str, issuer: str) -> dict[str, str]:
        """The refresh token that comes with a token for `scope`, where `user` may have one. Raises EntraError."""
        if "offline_access" not in scope.split():
            return {}
        token = f"1.{_random(96)}"
        self._refresh_tokens[token] = Consented(user, self.wanted(scope), issuer)
        return {"refresh_token": token}

    def revoke(self, user: str) -> None:
        """What an administrator does with *Revoke sessions*: the refresh tokens of `user` give nothing any more."""
        self._revoked |= {token for token, of in self._refresh_tokens.items() if of.user.lower() == user.lower()}

    # --- grants, each RFC's own

    def authorization_code(self, parameters: Mapping[str, str], fault: Fault | None) -> dict[str, Any]:
        """RFC 6749 4.1.3 with RFC 7636 4.5."""
        _need(parameters, "code", "redirect_uri")
        code = self._codes.get(parameters["code"])
        if code is None:
            raise EntraError(9002313)
        if code.used:
            raise EntraError(54005)
        if code.expires_at <= self._clock.time():
            raise EntraError(70008)
        if parameters["redirect_uri"] != code.redirect_uri:
            raise EntraError(500112, sent=parameters["redirect_uri"], asked=code.redirect_uri)
        if code.challenge and not _matches(parameters.get("code_verifier", ""), code.challenge):
            raise EntraError(501481)
        code.used = True
        return self._granted(code.consented, fault)

    def device_code(self, parameters: Mapping[str, str], fault: Fault | None) -> dict[str, Any]:
        """RFC 8628 3.4 and 3.5, with Entra's names for its errors."""
        _need(parameters, "device_code")
        if fault is not None and fault.kind == "slow_down":
            raise EntraError(70016, error="slow_down")
        device = self._devices.get(parameters["device_code"])
        if device is None or device.used:
            raise EntraError(70018)
        if device.expires_at <= self._clock.time():
            raise EntraError(70019)
        if device.declined:
            raise EntraError(65004, error="authorization_declined")
        if device.consented is None:
            raise EntraError(70016)
        device.used = True
        return self._granted(device.consented, fault)

    def refresh_token(self, parameters: Mapping[str, str], fault: Fault | None) -> dict[str, Any]:
        """RFC 6749 6. Each answer brings a new refresh token; using the old one does not end it (docs/sources.md)."""
        _need(parameters, "refresh_token")
        token = parameters["refresh_token"]
        if fault is not None and fault.kind == "invalid_grant":
            raise EntraError(int(fault.code or 700082))
        if token not in self._refresh_tokens:
            raise EntraError(9002313)
        if token in self._revoked:
            raise EntraError(50173)
        consented = self._refresh_tokens[token]
        wanted = self.wanted(parameters["scope"]) if parameters.get("scope") else consented.wanted
        return self._granted(Consented(consented.user, wanted, consented.issuer), fault)

    def _granted(self, consented: Consented, fault: Fault | None) -> dict[str, Any]:
        wanted = consented.wanted
        permissions = () if fault is not None and fault.kind == "no_roles" else wanted.permissions
        left = int(self._settings.token_lifetime) - 1
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": str(wanted),
            "expires_in": left,
            "ext_expires_in": left,
            "access_token": self._tokens.issue_for_user(wanted.resource, consented.user, permissions),
        }
        if "offline_access" in wanted.oidc:
            body["refresh_token"] = f"1.{_random(96)}"
            self._refresh_tokens[body["refresh_token"]] = consented
        if "openid" in wanted.oidc:
            with_email = "email" in wanted.oidc
            body["id_token"] = self._tokens.id_token(
                consented.user, consented.issuer, consented.nonce, email=with_email
            )
        return body


def _need(parameters: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not parameters.get(name):
            raise EntraError(900144, parameter=name)


def _matches(verifier: str, challenge: str) -> bool:
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), challenge.encode("ascii", "replace"))


def _random(octets: int) -> str:
    return secrets.token_urlsafe(octets)
