"""Access tokens that apps show to the relay (RFC 6750, RFC 9068): whether they are of an issuer that is trusted.

Verified are the signature (with an asymmetric algorithm and a key that the issuer publishes), issuer, audience,
the time from which and until which a token counts, and that it is for the user whom the app names. Nothing of a token
is kept or shown.
"""

from collections.abc import Mapping
from typing import Any

from relay import log
from relay.http.hostile_json import as_number, as_text
from relay.log import clean
from relay.model import Clock
from relay.oauth.discovery import is_issuer
from relay.oauth.key_set import KeysError, KeySet
from relay.oauth.logins import Answer, Verdict
from relay.oauth.signed import NotBelievedError, Signed, shown

LEEWAY = 60.0
"""Seconds by which this machine's clock and the issuer's may differ."""

USUAL_CLAIMS = ("preferred_username", "upn", "email", "sub")
"""Where issuers write the user's name, the best to read first."""


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
        except NotBelievedError as error:
            return Answer(Verdict.WRONG, f"the access token {error}")
        except KeysError as error:
            return Answer(Verdict.LATER, f"an access token cannot be verified: {error}")
        except Exception as error:  # noqa: BLE001 (a token that somebody made up is no reason to fail)
            log.internal_error("verifying an access token", error)
            return Answer(Verdict.LATER, "an internal error")

    async def _verified(self, token: bytes) -> Mapping[str, Any]:
        """The claims of a token that may be believed."""
        signed = Signed(token)
        # Another issuer's token is refused before anybody is asked for keys.
        issuer = signed.unverified.get("iss")
        if not is_issuer(self.issuer, as_text(issuer)):
            raise NotBelievedError(f"was issued by {shown(issuer)}, not by {self.issuer}")
        signed.check_algorithm()
        keys = await self._keys.find(signed.kid)
        if not keys:
            raise NotBelievedError(f"is signed with a key that {self.issuer} does not publish")
        return self._in_time(signed.claims(keys, self._audience))

    def _in_time(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        now = self._clock.time()
        until, since = as_number(claims.get("exp")), as_number(claims.get("nbf", 0))
        if until is None or since is None:
            raise NotBelievedError("does not say from when and until when it counts")
        if until + LEEWAY <= now:
            raise NotBelievedError(f"ended {now - until:,.0f} seconds ago: the app has to get a new one")
        if since - LEEWAY > now:
            raise NotBelievedError(
                f"counts only in {since - now:,.0f} seconds: check the clocks of both machines (NTP)"
            )
        return claims

    def _user(self, claims: Mapping[str, Any], named: str) -> str:
        names = [name for key in self._names if (name := clean(as_text(claims.get(key), 320)))]
        if not names:
            raise NotBelievedError(f"does not say whose it is: it has no {' or '.join(self._names)}")
        if self._login is not None and names[0].casefold() != self._login.casefold():
            raise NotBelievedError(f"is that of {names[0]}, and only {self._login} is meant")
        fitting = [name for name in names if name.casefold() == named.casefold()]
        if named and not fitting:
            raise NotBelievedError(f"is that of {names[0]}, not of the user whom the app names")
        return next(iter(fitting), names[0])

    @property
    def _names(self) -> tuple[str, ...]:
        return USUAL_CLAIMS if self._claim is None else (self._claim,)
