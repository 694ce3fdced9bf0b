"""The keys that an issuer signs its tokens with (RFC 7517), found by its name (OpenID Connect Discovery 1.0).

Keys change without notice, so one that is not known makes the relay ask again; but who sends tokens can name a new key
in each, so it asks at most twice a minute, whatever comes.
"""

import asyncio
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt

from relay.http import HttpClient, HttpError
from relay.http.hostile_json import as_text, read_object
from relay.log import clean
from relay.model import Clock
from relay.oauth.discovery import WELL_KNOWN, is_issuer
from relay.oauth.pacing import PAUSE

FRESH = 3600.0
"""Seconds after which the keys are asked for again: one that was withdrawn counts no longer then."""
STALE = 86400.0
"""Seconds for which they are used while the issuer cannot be reached."""

_DEADLINE = 10.0
"""Seconds for one document: somebody waits at the other end of a login."""
_MOST_OCTETS = 256 * 1024
_MOST_KEYS = 100


class SigningKey(NamedTuple):
    """A public key; `algorithm` is the only one that it is for, "" where the issuer does not say (RFC 7517 4.4)."""

    kid: str
    algorithm: str
    key: Any


class KeysError(Exception):
    """The keys cannot be had now: the text says why, and what to look at."""


class KeySet:
    """The keys of one issuer, which many clients may share."""

    def __init__(self, issuer: str, http: HttpClient, clock: Clock) -> None:
        self.issuer = issuer
        self._http = http
        self._clock = clock
        self._keys: list[SigningKey] = []
        self._found_at: float | None = None
        self._ask_at = 0.0
        self._failure = ""
        self._turn = asyncio.Lock()

    async def find(self, kid: str | None) -> list[SigningKey]:
        """The keys with this id, those without one where a token names none; [] when the issuer has none such.

        Raises KeysError.
        """
        if self._age < FRESH and (found := self._with(kid)):
            return found
        async with self._turn:
            now = self._clock.monotonic()
            fresh, found = self._age < FRESH, self._with(kid)
            if fresh and found:
                return found
            if now >= self._ask_at:
                self._ask_at = now + PAUSE
                await self._renew()
                fresh, found = self._age < FRESH, self._with(kid)
            elif fresh:
                raise KeysError(f"the token's key is not among those that {self.issuer} published a moment ago")
            if not fresh and not (found and self._age < STALE):
                raise KeysError(self._failure)
            return found

    @property
    def _age(self) -> float:
        return STALE if self._found_at is None else self._clock.monotonic() - self._found_at

    def _with(self, kid: str | None) -> list[SigningKey]:
        return [key for key in self._keys if kid is None or key.kid == kid]

    async def _renew(self) -> None:
        try:
            self._keys = await self._ask()
        except KeysError as error:
            self._failure = str(error)
            return
        self._found_at = self._clock.monotonic()

    async def _ask(self) -> list[SigningKey]:
        address = (self.issuer if "://" in self.issuer else f"https://{self.issuer}").rstrip("/") + WELL_KNOWN
        said = await self._document(address)
        if not is_issuer(self.issuer, as_text(said.get("issuer"))) or "{" in as_text(said.get("issuer")):
            raise KeysError(f'{address} is the metadata of "{clean(as_text(said.get("issuer")))}": correct the issuer')
        place = as_text(said.get("jwks_uri"))
        if urlsplit(place).scheme != "https":
            raise KeysError(f"{address} names no https address as jwks_uri: is it an OpenID Connect provider?")
        return signing_keys(place, await self._document(place))

    async def _document(self, address: str) -> dict[str, Any]:
        try:
            answer = await self._http.request(
                "GET", address, headers={"accept": "application/json"}, timeout=_DEADLINE, max_response=_MOST_OCTETS
            )
        except HttpError as error:
            raise KeysError(f"{address}: {clean(error.text)}. {error.hint}") from None
        found = read_object(answer.body) if answer.status == 200 else None
        if found is None:
            raise KeysError(f"{address}: status {answer.status}, no JSON object: check the issuer")
        return found


def signing_keys(place: str, document: dict[str, Any]) -> list[SigningKey]:
    """The public keys for signatures in the key set at `place`, without what this machine does not know (RFC 7517 5).

    Raises KeysError when there is none.
    """
    written = document.get("keys")
    found = []
    for each in written[:_MOST_KEYS] if isinstance(written, list) else ():
        if not isinstance(each, dict) or each.get("kty") == "oct" or each.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(each).key
            found.append(SigningKey(as_text(each.get("kid")), as_text(each.get("alg")), key))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
            continue
    if not found:
        raise KeysError(f"{place} holds no key for signatures: check the issuer")
    return found
