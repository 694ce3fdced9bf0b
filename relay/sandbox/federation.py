"""Applications that prove themselves with a token of another issuer ("Workload identity federation")."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization

from relay.sandbox import jws
from relay.sandbox.aadsts import EntraError
from relay.sandbox.validity import check_times

AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """What an administrator has entered for the application; `public_key` (PEM) is what the issuer publishes."""

    issuer: str
    subject: str
    public_key: bytes = field(repr=False)
    audience: str = AUDIENCE


def check(signed: jws.Signed, credentials: Sequence[FederatedCredential], now: float) -> None:
    """Take the external token `signed`, or raise EntraError. Issuer, subject and audience must match to the letter."""
    issuer, subject, audiences = signed.text("iss"), signed.text("sub"), _audiences(signed)
    left = [one for one in credentials if one.issuer == issuer]
    _need(left, 700211, "issuer", issuer)
    left = [one for one in left if one.subject == subject]
    _need(left, 700213, "subject", subject)
    left = [one for one in left if one.audience in audiences]
    _need(left, 700212, "audience", ", ".join(audiences))
    if not any(signed.is_signed_by(serialization.load_pem_public_key(one.public_key)) for one in left):
        raise EntraError(50013)
    check_times(signed, now)


def _audiences(signed: jws.Signed) -> list[str]:
    """One text, or, as Kubernetes writes it, a list (RFC 7519 4.1.3)."""
    value = signed.claims.get("aud")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    return [signed.text("aud")]


def _need(left: list[FederatedCredential], number: int, what: str, value: str) -> None:
    if not left:
        raise EntraError(number, what=what, value=value)
