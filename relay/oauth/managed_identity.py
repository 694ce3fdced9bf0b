"""Managed identity: the machine that the relay runs on vouches for it, and there is no secret at all.

The service is on this machine or beside it, so it is never asked through a proxy, and mostly without TLS.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from relay.advice import managed_identity as advice
from relay.http import HttpClient, HttpError, HttpResponse
from relay.log import clean
from relay.model import Clock
from relay.oauth import azure_host, errors
from relay.oauth.access_token import Granted
from relay.oauth.azure_host import Arc, Service, UnsupportedError
from relay.oauth.request import is_private
from relay.oauth.response import parse

_DEFAULT = "/.default"
_TIMEOUT = 10.0
_MOST_OCTETS = 256 * 1024
_MOST_PASSWORD = 4096
_REALM = re.compile(r'basic realm="?([^"]+)"?', re.IGNORECASE)
# Not yet, or gone for a moment: Microsoft's page on the metadata service has both of these beside 429 and 5xx.
_ASK_LATER = (404, 410)
_LONG = 7200.0


class ManagedIdentity:
    """Asks for tokens on the resource of `scope`; `client_id` chooses among identities that were assigned."""

    def __init__(
        self,
        account: str,
        scope: str,
        client_id: str | None,
        *,
        http: HttpClient,
        clock: Clock,
        environ: Mapping[str, str],
        arc: Arc | None = None,
    ) -> None:
        self._account = account
        self._resource = scope.removesuffix(_DEFAULT)
        self._client_id = client_id
        self._http = http
        self._clock = clock
        self._environ = environ
        self._arc = arc or Arc.here(environ)

    async def fetch(self) -> Granted:
        """One request. Raises TokenError."""
        service = self._service()
        host = urlsplit(service.url).hostname or ""
        try:
            response = await self._ask(service, {})
            if service.challenges and response.status == 401:
                response = await self._ask(service, {"authorization": f"Basic {self._password(response)}"})
        except HttpError as error:
            raise errors.unreachable(self._account, error, advice.unreachable(self._account, service.name)) from None
        answer = parse(response, self._clock.time())
        if isinstance(answer, Granted):
            return _with_refresh(answer)
        temporary = answer.temporary or response.status in _ASK_LATER
        said = (answer.error, answer.codes, answer.description)
        hint = advice.hint(*said, account=self._account, temporary=temporary)
        answer = replace(answer, temporary=temporary, hint=hint)
        raise errors.refused(self._account, host, answer, response.retry_after)

    def _service(self) -> Service:
        try:
            service = azure_host.service(self._environ, self._arc)
        except UnsupportedError as error:
            raise errors.no_identity(self._account, str(error)) from None
        if not is_private(service.url, to_neighbours=True):
            raise errors.no_identity(self._account, f"{service.name} would be asked without TLS on another network")
        if self._client_id is not None and not service.client_id:
            key = f"accounts.{self._account}.oauth.managed_identity_client_id"
            raise errors.no_identity(self._account, f"{service.name} has only the machine's own identity: remove {key}")
        return service

    async def _ask(self, service: Service, more: Mapping[str, str]) -> HttpResponse:
        headers = {"accept": "application/json", **service.headers, **more}
        address = service.address(self._resource, self._client_id)
        return await self._http.request(
            "GET", address, headers=headers, timeout=_TIMEOUT, max_response=_MOST_OCTETS, direct=True
        )

    def _password(self, response: HttpResponse) -> str:
        """The content of the file that Arc's agent names, which only who may use the identity can read."""
        found = _REALM.search(response.headers.get("www-authenticate", ""))
        if found is None:
            raise errors.no_identity(self._account, "Azure Arc names no file in its challenge: update its agent")
        file = Path(found[1])
        # Whoever else answered on that port could name any file of this machine.
        if file.parent != self._arc.tokens or file.suffix != ".key":
            raise errors.no_identity(
                self._account, f"Azure Arc names a file outside {self._arc.tokens}: check its agent"
            )
        try:
            with file.open("rb") as opened:
                octets = opened.read(_MOST_PASSWORD + 1)
        except OSError as error:
            name = clean(str(file))
            advised = "Add the relay's user to the group himds (on Windows: Hybrid agent extension applications)"
            raise errors.no_identity(self._account, f"{name} cannot be read ({error.strerror}). {advised}") from None
        if len(octets) > _MOST_PASSWORD:
            raise errors.no_identity(self._account, f"{clean(str(file))} is larger than {_MOST_PASSWORD} octets")
        return octets.decode("ascii", "replace").strip()


def _with_refresh(granted: Granted) -> Granted:
    """A day's token is renewed at half its life, as Microsoft's libraries do: the service may be away for hours."""
    if granted.refresh_in is None and granted.lifetime >= _LONG:
        return replace(granted, refresh_in=granted.lifetime / 2)
    return granted
