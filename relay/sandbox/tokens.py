"""Access tokens as Entra issues them: JSON Web Tokens signed with RS256 (RFC 7519, RFC 7515, RFC 7518 3.3).

Written out here and not taken from a library that the relay may use too: a shared mistake would pass every test.
"""

import base64
import binascii
import functools
import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from relay.model import Clock
from relay.sandbox.settings import SandboxSettings, object_id

EXCHANGE = ("https://outlook.office365.com", "https://outlook.office.com", "00000002-0000-0ff1-ce00-000000000000")
"""The names of the resource Office 365 Exchange Online."""
GRAPH = ("https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000")
"""The names of the resource Microsoft Graph."""

_EARLIER = 300
"""Entra dates a token five minutes back, so that a resource with a slow clock takes it."""


class TokenRefusedError(Exception):
    """A resource does not take a token; `reason` is one of "malformed", "signature", "expired", "audience"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Tokens:
    """Issues and checks the access tokens of one tenant."""

    def __init__(self, settings: SandboxSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def issue(self, resource: str, *, with_roles: bool = True) -> str:
        """A token for the application itself on `resource` (app-only), with the permissions that it has there."""
        settings = self._settings
        roles = settings.exchange_roles if resource in EXCHANGE else settings.graph_roles
        claims = self._common(resource, settings.service_principal_id) | {"appidacr": "1", "idtyp": "app"}
        # Without any consent Entra issues the token all the same; only the claim is missing.
        if roles and with_roles:
            claims["roles"] = list(roles)
        return _signed(claims)

    def _common(self, resource: str, subject: str) -> dict[str, Any]:
        settings, now = self._settings, int(self._clock.time())
        return {
            "aud": resource,
            "iss": f"https://sts.windows.net/{settings.tenant_id}/",
            "iat": now - _EARLIER,
            "nbf": now - _EARLIER,
            "exp": now + int(settings.token_lifetime),
            "aio": _base64(secrets.token_bytes(27)),
            "app_displayname": "Relay sandbox",
            "appid": settings.client_id,
            "idp": f"https://sts.windows.net/{settings.tenant_id}/",
            "oid": subject,
            "rh": f"1.{_base64(secrets.token_bytes(48))}.",
            "sub": subject,
            "tid": settings.tenant_id,
            "uti": _base64(secrets.token_bytes(16)),
            "ver": "1.0",
        }

    def issue_for_user(self, resource: str, user: str, permissions: tuple[str, ...]) -> str:
        """A token for `user` on `resource` (delegated), with what the user has consented to."""
        claims = self._common(resource, object_id(user)) | {
            "amr": ["pwd"],
            "appidacr": "0",
            "idtyp": "user",
            "name": user,
            "upn": user,
            "unique_name": user,
        }
        if permissions:
            claims["scp"] = " ".join(permissions)
        return _signed(claims)

    def id_token(self, user: str, issuer: str, nonce: str, *, email: bool) -> str:
        """Who has signed in (OpenID Connect Core 2)."""
        now = int(self._clock.time())
        claims: dict[str, Any] = {
            "aud": self._settings.client_id,
            "iss": issuer,
            "iat": now - _EARLIER,
            "nbf": now - _EARLIER,
            "exp": now + 3600,
            "name": user.partition("@")[0],
            "oid": object_id(user),
            "preferred_username": user,
            "sub": _base64(object_id(user).encode()),
            "tid": self._settings.tenant_id,
            "uti": _base64(secrets.token_bytes(16)),
            "ver": "2.0",
        }
        claims |= {"nonce": nonce} if nonce else {}
        claims |= {"email": user} if email else {}
        return _signed(claims)

    def key_set(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set (RFC 7517 5)."""
        numbers = _key().public_key().public_numbers()
        octets = {"n": numbers.n, "e": numbers.e}
        shown = {name: _base64(value.to_bytes((value.bit_length() + 7) // 8)) for name, value in octets.items()}
        return {"keys": [{"kty": "RSA", "use": "sig", "kid": _key_id(), "x5t": _key_id(), **shown}]}

    def check(self, token: str, audience: tuple[str, ...]) -> dict[str, Any]:
        """The claims of `token` if a resource called `audience` takes it; else raises TokenRefusedError."""
        claims = _verified(token)
        if claims["exp"] <= self._clock.time():
            raise TokenRefusedError("expired")
        if claims["aud"] not in audience or claims["tid"] != self._settings.tenant_id:
            raise TokenRefusedError("audience")
        return claims


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    # One for the whole process: Entra signs for all tenants with the same keys, and making one takes a while.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def _key_id() -> str:
    public = (
        _key().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)
    return _base64(digest.finalize()[:20])


def _signed(claims: dict[str, Any]) -> str:
    header = {"typ": "JWT", "alg": "RS256", "x5t": _key_id(), "kid": _key_id()}
    head, body = (_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    signature = _key().sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{body}.{_base64(signature)}"


def _verified(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefusedError("malformed")
    try:
        header = json.loads(_unbase64(parts[0]))
        signature = _unbase64(parts[2])
        if header["alg"] != "RS256":
            raise TokenRefusedError("malformed")
        _key().public_key().verify(signature, f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256())
        claims: dict[str, Any] = json.loads(_unbase64(parts[1]))
    except InvalidSignature:
        raise TokenRefusedError("signature") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TokenRefusedError("malformed") from None
    return claims


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    if not text.isascii() or "=" in text:
        raise binascii.Error
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
