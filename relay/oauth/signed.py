"""JSON Web Tokens that a provider has signed (RFC 7519): what they say, once that may be believed.

Whoever reads one has the keys, and compares issuer and times; here are form, signature and audience.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from relay.http.hostile_json import as_text
from relay.log import clean
from relay.oauth.key_set import SigningKey

_ALGORITHMS = frozenset({f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"EdDSA"})
_MOST_TRIED = 8
"""Keys, for a token that names none."""
# TypeError and AttributeError: a key of another kind than the algorithm needs.
_NOT_THIS_KEY = (
    *(jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.InvalidAlgorithmError),
    *(TypeError, AttributeError),
)


class NotBelievedError(Exception):
    """The token is not to be believed: the text says why, to be read after its name."""


class Signed:
    """One such token. Raises NotBelievedError for what is none, or is signed in a way that nobody can check."""

    def __init__(self, token: bytes | str) -> None:
        self._token = token
        try:
            header = jwt.get_unverified_header(token)
            self.unverified: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            raise NotBelievedError("is no JWT, so it cannot be verified (RFC 7519)") from None
        self._algorithm, kid = header.get("alg"), header.get("kid")
        self.kid = kid if isinstance(kid, str) else None
        """Which key has signed it; None where it does not say."""

    def check_algorithm(self) -> str:
        """The algorithm, which is an asymmetric one: a public key is no secret to sign with."""
        if self._algorithm not in _ALGORITHMS:
            raise NotBelievedError(f"is signed in a way that is not accepted: {shown(self._algorithm)}")
        return str(self._algorithm)

    def claims(self, keys: Sequence[SigningKey], audience: str) -> Mapping[str, Any]:
        """What it says to `audience`, signed with one of `keys`. Its issuer and times are still to be looked at."""
        algorithm = self.check_algorithm()
        for key in [key for key in keys if key.algorithm in ("", algorithm)][:_MOST_TRIED]:
            with contextlib.suppress(*_NOT_THIS_KEY):
                return self._signed_with(key, algorithm, audience)
        raise NotBelievedError("has a signature that is not the issuer's")

    def _signed_with(self, key: SigningKey, algorithm: str, audience: str) -> Mapping[str, Any]:
        # The times are compared with the relay's own clock.
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["iss", "aud", "exp"]}
        try:
            found: Mapping[str, Any] = jwt.decode(self._token, key.key, [algorithm], audience=audience, options=options)
        except _NOT_THIS_KEY:
            raise
        except jwt.InvalidAudienceError:
            raise NotBelievedError(f"is not for {audience}: one that is has to be asked for") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise NotBelievedError(f"cannot be believed: {clean(str(error))[:200]}") from None
        return found


def shown(value: object) -> str:
    """A claim that a stranger wrote, for a line of text."""
    return clean(as_text(value, 200)) or "nobody knows whom"
