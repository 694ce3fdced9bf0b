"""JSON Web Signatures, read and checked (RFC 7515): what others have signed for the stand-in.

Written out here and not taken from a library that the relay may use too: a shared mistake would pass every test.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class MalformedError(Exception):
    """It is no such thing; the text is for people."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Header, claims, and what the signature is over."""

    header: dict[str, Any]
    claims: dict[str, Any]
    octets: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def is_signed_by(self, key: object) -> bool:
        """Whether `key`, a public RSA key, verifies the signature by the algorithm in the header."""
        alg = self.header.get("alg")
        if not isinstance(key, rsa.RSAPublicKey) or alg not in ("RS256", "PS256"):
            return False
        # RFC 7518 3.5: the salt is as long as the hash.
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        try:
            key.verify(self.signature, self.octets, pss if alg == "PS256" else padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def text(self, claim: str) -> str:
        """A claim that is a text, "" when it is not there. Raises MalformedError."""
        value = self.claims.get(claim, "")
        if not isinstance(value, str):
            raise MalformedError(f"The claim '{claim}' is not a string.")
        return value

    def time(self, claim: str, default: float) -> float:
        """A claim that is a time (RFC 7519 2, NumericDate). Raises MalformedError."""
        value = self.claims.get(claim, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedError(f"The claim '{claim}' is not a number.")
        return value


def read(token: str) -> Signed:
    """The parts of a compact JWS with a JSON payload. Raises MalformedError."""
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedError("JWT must have three segments (JWS).")
    try:
        header, claims = (json.loads(decoded(part)) for part in parts[:2])
        signature = decoded(parts[2])
    except (ValueError, RecursionError):
        raise MalformedError("The segments are not base64url and JSON.") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise MalformedError("Header and claims must be objects.")
    return Signed(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def decoded(text: str) -> bytes:
    """Base64url without padding. Raises ValueError."""
    if not text.isascii() or "=" in text or "+" in text or "/" in text:
        raise binascii.Error
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
