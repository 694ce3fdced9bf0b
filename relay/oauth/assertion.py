"""Assertions: JSON Web Tokens that the relay signs to prove who it is (RFC 7523). Loads the signing library."""

import base64
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from relay.config.private_key import PrivateKey, SigningKey

LIFETIME = 600
"""Seconds from `nbf` to `exp`: Microsoft asks for at most ten minutes."""
_EARLIER = 60
"""An assertion is dated back: a server whose clock is a little slow takes it all the same."""
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def algorithm(key: PrivateKey, *, rsa_pss: bool = False) -> str:
    """The `alg` (RFC 7518 3.1, RFC 8037) for a key; `rsa_pss` prefers PS256 to RS256."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "PS256" if rsa_pss else "RS256"
    return _CURVES.get(key.curve.name, "") if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"


def signed(key: SigningKey, claims: Mapping[str, Any], now: float, *, alg: str, header: Mapping[str, str]) -> str:
    """`claims` with a time, a lifetime and an id of their own, signed. `now` is in seconds since the epoch."""
    begin = int(now) - _EARLIER
    stamped = {**claims, "jti": str(uuid.uuid4()), "iat": begin, "nbf": begin, "exp": begin + LIFETIME}
    return jwt.encode(stamped, key.private, algorithm=alg, headers=dict(header))


def thumbprint_header(key: SigningKey) -> dict[str, str]:
    """`x5t#S256` (RFC 7515 4.1.8), by which a server finds the registered certificate; {} without one."""
    thumbprint = key.thumbprint
    if thumbprint is None:
        return {}
    return {"x5t#S256": base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode("ascii")}
