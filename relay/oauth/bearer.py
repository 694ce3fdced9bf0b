"""Access tokens that apps show to the relay (RFC 6750, RFC 9068): whether they are of an issuer that is trusted.

Verified are the signature (with an asymmetric algorithm and a key that the issuer publishes), issuer, audience,
the time from which and until which a token counts, and that it is for the user whom the app names. Nothing of a token
is kept or shown.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

import jwt

from relay import log
from relay.log import clean
from relay.model import Clock
from relay.oauth.discovery import is_issuer
from relay.oauth.hostile_json import as_number, as_text
from relay.oauth.key_set import KeysError, KeySet, SigningKey
from relay.oauth.logins import Answer, Verdict

LEEWAY = 60.0
"""Seconds by which this machine's clock and the issuer's may differ."""

_ALGORITHMS = frozenset({f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"EdDSA"})
USUAL_CLAIMS = ("preferred_username", "upn", "email", "sub")
"""Where issuers write the user's name, the best to read first."""
_MOST_TRIED = 8
"""Keys, for a token that names none."""
# TypeError and AttributeError: a key of another kind than the algorithm needs.
_NOT_THIS_KEY = (
    *(jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.InvalidAlgorithmError),
    *(TypeError, AttributeError),
)


class _RefusedError(Exception):
    """The token is not to be believed: the text says why."""


class Bearer:
    """The tokens that are one client: of `keys`' issuer, for `audience`.

    `claim` holds the user (None: one of the usual ones); `login` is the only user who is meant, if there is one.
    """

    def __init__(
        self, keys: KeySet, audience: str, clock: Clock, *, claim: str | None = None, login: str | None = None
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._clock = clock
        self._claim = claim
        self._login = login

    @property
    def issuer(self) -> str:
        return self._keys.issuer

    async def check(self, user: str, token: bytes) -> Answer:
        """Whether `token` is one of the client's, and of `user` ("" when the app named nobody).

        When it is RIGHT, the answer holds the user that it is for. LATER: the issuer's keys could not be had.
        """
        try:
            return Answer(Verdict.RIGHT, user=self._user(await self._verified(token), user))
        except _RefusedError as error:
            return Answer(Verdict.WRONG, f"the access token {error}")
        except KeysError as error:
            return Answer(Verdict.LATER, f"an access token cannot be verified: {error}")
        except Exception as error:  # noqa: BLE001 (a token that somebody made up is no reason to fail)
            log.internal_error("verifying an access token", error)
            return Answer(Verdict.LATER, "an internal error")

    async def _verified(self, token: bytes) -> Mapping[str, Any]:
        """The claims of a token that may be believed."""
        header, said = _unverified(token)
        # Another issuer's token is refused before anybody is asked for keys.
        if not is_issuer(self.issuer, as_text(said.get("iss"))):
            raise _RefusedError(f"was issued by {_shown(said.get('iss'))}, not by {self.issuer}")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in _ALGORITHMS:
            raise _RefusedError(f"is signed in a way that is not accepted: {_shown(algorithm)}")
        keys = await self._keys.find(kid if isinstance(kid, str) else None)
        if not keys:
            raise _RefusedError(f"is signed with a key that {self.issuer} does not publish")
        for key in [key for key in keys if key.algorithm in ("", algorithm)][:_MOST_TRIED]:
            with contextlib.suppress(*_NOT_THIS_KEY):
                return self._in_time(_claims(token, key, algorithm, self._audience))
        raise _RefusedError("has a signature that is not the issuer's")

    def _in_time(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        now = self._clock.time()
        until, since = as_number(claims.get("exp")), as_number(claims.get("nbf", 0))
        if until is None or since is None:
            raise _RefusedError("does not say from when and until when it counts")
        if until + LEEWAY <= now:
            raise _RefusedError(f"ended {now - until:,.0f} seconds ago: the app has to get a new one")
        if since - LEEWAY > now:
            raise _RefusedError(f"counts only in {since - now:,.0f} seconds: check the clocks of both machines (NTP)")
        return claims

    def _user(self, claims: Mapping[str, Any], named: str) -> str:
        names = [name for key in self._names if (name := clean(as_text(claims.get(key), 320)))]
        if not names:
            raise _RefusedError(f"does not say whose it is: it has no {' or '.join(self._names)}")
        if self._login is not None and names[0].casefold() != self._login.casefold():
            raise _RefusedError(f"is that of {names[0]}, and only {self._login} is meant")
        fitting = [name for name in names if name.casefold() == named.casefold()]
        if named and not fitting:
            raise _RefusedError(f"is that of {names[0]}, not of the user whom the app names")
        return next(iter(fitting), names[0])

    @property
    def _names(self) -> tuple[str, ...]:
        return USUAL_CLAIMS if self._claim is None else (self._claim,)


def _unverified(token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims as anybody may have written them."""
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        raise _RefusedError("is no JWT, so it cannot be verified (RFC 9068)") from None
    return header, claims


def _claims(token: bytes, key: SigningKey, algorithm: str, audience: str) -> Mapping[str, Any]:
    # The times are compared with the relay's own clock.
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["iss", "aud", "exp"]}
    try:
        claims: Mapping[str, Any] = jwt.decode(token, key.key, [algorithm], audience=audience, options=options)
    except _NOT_THIS_KEY:
        raise
    except jwt.InvalidAudienceError:
        raise _RefusedError(f"is not for {audience}: the app has to ask for one that is") from None
    except (jwt.PyJWTError, ValueError) as error:
        raise _RefusedError(f"cannot be believed: {clean(str(error))[:200]}") from None
    return claims


def _shown(value: object) -> str:
    return clean(as_text(value, 200)) or "nobody knows whom"
