"""Discovery: from a provider's name for itself (its issuer) to its addresses (OpenID Connect Discovery 1.0, RFC 8414).

The document is kept for a day. One that says it is another provider's is not believed: who controls one path of a
server could else send everybody's secrets where he likes.
"""

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from relay import log, providers
from relay.http import HttpClient, HttpError, HttpResponse
from relay.http.hostile_json import as_text, read_object
from relay.log import clean
from relay.model import Clock
from relay.oauth import errors
from relay.oauth.pacing import PAUSE

KEPT = 86400.0
"""Seconds for which a document is used."""
WELL_KNOWN = "/.well-known/openid-configuration"

_MOST_OCTETS = 256 * 1024
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says about itself; "" where it says nothing. `issuer` can hold `{tenantid}` at Microsoft."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str = ""
    device_authorization_endpoint: str = ""
    jwks_uri: str = ""


class Discovery:
    """The addresses of one account's provider. `entra` says that it is Microsoft, whatever its address."""

    def __init__(self, account: str, issuer: str, http: HttpClient, clock: Clock, *, entra: bool = False) -> None:
        self._account = account
        self._issuer = issuer
        self._http = http
        self._clock = clock
        self._entra = entra or urlsplit(issuer).hostname in providers.ENTRA_HOSTS
        self._found: Metadata | None = None
        self._until = 0.0
        self._failure: errors.TokenError | None = None
        self._ask_at = 0.0
        self._turn = asyncio.Lock()

    async def token_endpoint(self) -> str:
        """The token endpoint that the provider names. Raises TokenError."""
        return (await self.metadata()).token_endpoint

    async def metadata(self) -> Metadata:
        """What is known, or what the provider says now. An old document is better than none. Raises TokenError.

        After a failure the provider is left alone for half a minute, and everybody in between hears of that failure.
        """
        async with self._turn:
            now = self._clock.monotonic()
            if self._found is not None and now < self._until:
                return self._found
            if now >= self._ask_at:
                await self._renew()
            if self._found is not None:
                return self._found
            assert self._failure is not None  # noqa: S101 (without a document, the last request has failed)
            raise self._failure.waiting(max(0.0, self._ask_at - self._clock.monotonic()))

    async def _renew(self) -> None:
        try:
            self._found = await self._ask()
        except errors.TokenError as error:
            pause = max(PAUSE, error.retry_after or 0.0)
            self._failure, self._ask_at = error, self._clock.monotonic() + pause
            if self._found is not None:
                log.oauth.metadata_kept(self._account, str(error))
            return
        self._until = self._clock.monotonic() + KEPT

    async def _ask(self) -> Metadata:
        address = self._issuer.rstrip("/") + WELL_KNOWN
        try:
            response = await self._http.request(
                "GET", address, headers={"accept": "application/json"}, max_response=_MOST_OCTETS
            )
        except HttpError as error:
            raise errors.unreachable(self._account, error) from None
        return self._read(address, response)

    def _read(self, address: str, response: HttpResponse) -> Metadata:
        document = read_object(response.body) if response.status == 200 else None
        if document is None:
            passing = response.status >= 500 or response.status == 429
            said = f"{address} answered status {response.status} and no provider metadata"
            raise errors.no_metadata(self._account, said, temporary=passing, retry_after=response.retry_after)
        names = ("issuer", "token_endpoint", "authorization_endpoint", "device_authorization_endpoint", "jwks_uri")
        found = Metadata(**{name: as_text(document.get(name)) for name in names})
        if not is_issuer(self._issuer, found.issuer, entra=self._entra):
            hint = " (at Microsoft an issuer ends in /v2.0)" if "sts.windows.net" in found.issuer else ""
            text = f'{address} is the metadata of "{clean(found.issuer)}", not of "{self._issuer}"{hint}'
            raise errors.no_metadata(self._account, text)
        if urlsplit(found.token_endpoint).scheme not in ("http", "https"):
            raise errors.no_metadata(self._account, f"{address} names no token_endpoint")
        return found


def is_issuer(asked: str, said: str, *, entra: bool = False) -> bool:
    """Whether metadata whose issuer is `said` are those of `asked` (RFC 8414 3.3).

    They must be the same. A slash at the end and a missing https:// make no difference, as both lead to one document.
    Microsoft names its tenants in another way than they were asked for: by `{tenantid}` when all were meant, by the
    id when a domain was (`entra`).
    """
    one, other = _parts(asked), _parts(said)
    if one == other:
        return True
    if one[0] != other[0] or len(one) != len(other) or len(one) < 2 or one[2:] != other[2:]:
        return False
    if other[1] == "{tenantid}":
        return True
    return entra and not _GUID.fullmatch(one[1]) and _GUID.fullmatch(other[1]) is not None


def _parts(issuer: str) -> list[str]:
    """Scheme and host, then the parts of the path."""
    whole = issuer if "://" in issuer else f"https://{issuer}"
    try:
        parts = urlsplit(whole)
    except ValueError:
        return [whole]
    if parts.query or parts.fragment:
        return [whole]
    return [f"{parts.scheme}://{parts.netloc.lower()}", *parts.path.rstrip("/").split("/")[1:]]
