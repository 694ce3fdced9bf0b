"""A request to a token endpoint, put together from its two halves.

A *grant* says what goes into the form: what the client shows to be given a token. A *client authentication* says how
the client proves who it is. Each is a file of its own, and any grant goes with any authentication.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self
from urllib.parse import urlencode, urlsplit

from relay.advice import oauth as advice
from relay.config.secret import SecretError
from relay.http import HttpClient, HttpError, HttpResponse
from relay.model import Clock
from relay.oauth import errors
from relay.oauth.access_token import Granted
from relay.oauth.errors import Refused
from relay.oauth.response import parse

_MOST_OCTETS = 256 * 1024

Address = str | Callable[[], Awaitable[str]]
"""Where a token endpoint is, or what finds it at each request (and raises TokenError)."""


async def located(address: Address) -> str:
    """The address of the token endpoint as it is now. Raises TokenError."""
    return address if isinstance(address, str) else await address()


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is posted. `secrets` are the parts of it that no error may show.

    `token_endpoint` names the server in an assertion, whichever of its addresses is asked (RFC 7523 3); "" when that is
    `url`.
    """

    url: str
    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    token_endpoint: str = ""

    @property
    def audience(self) -> str:
        """Whom an assertion in this request is for."""
        return self.token_endpoint or self.url

    def adding(
        self,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Self:
        """The request with more in it."""
        return replace(
            self,
            form={**self.form, **(form or {})},
            headers={**self.headers, **(headers or {})},
            secrets=(*self.secrets, *secrets),
        )


class Grant(Protocol):
    """What the client shows. After a refusal that needs a person it waits `pause_after_refusal` seconds at least."""

    @property
    def name(self) -> str: ...
    @property
    def pause_after_refusal(self) -> float: ...

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with the grant's parameters. Raises SecretError."""
        ...


class ClientAuthentication(Protocol):
    """How the client proves who it is."""

    def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with the proof. Called anew for each request, with secrets read anew. Raises SecretError."""
        ...


class TokenEndpoint:
    """Asks one token endpoint for one account's tokens, whenever it is told to.

    `url` is its address, or finds it. `method` is "POST", or "GET" for the
    odd server that wants the parameters in the address.
    """

    def __init__(
        self,
        account: str,
        url: Address,
        *,
        grant: Grant,
        authentication: ClientAuthentication,
        extra_parameters: Mapping[str, str],
        http: HttpClient,
        clock: Clock,
        method: str = "POST",
    ) -> None:
        self._account = account
        self._url = url
        self._method = method
        self._grant = grant
        self._authentication = authentication
        self._extra_parameters = dict(extra_parameters)
        self._http = http
        self._clock = clock

    async def fetch(self) -> Granted:
        """One request. Raises TokenError."""
        url = await located(self._url)
        host = urlsplit(url).hostname or url
        if not is_private(url):
            raise errors.insecure_endpoint(self._account, host)
        request = TokenRequest(url, self._extra_parameters, {"accept": "application/json"})
        try:
            request = self._authentication.add_to(await self._grant.add_to(request))
            response = await self._send(request)
        except SecretError as error:
            raise errors.secret_unreadable(self._account, error) from None
        except HttpError as error:
            raise errors.unreachable(self._account, error) from None
        answer = parse(response, self._clock.time())
        if isinstance(answer, Granted):
            return answer
        if response.status == 401:
            answer = _of_client(answer)
        wait = response.retry_after
        if not answer.temporary and self._grant.pause_after_refusal:
            wait = max(wait or 0.0, self._grant.pause_after_refusal)
        raise errors.refused(self._account, host, answer.without(request.secrets), wait, grant=self._grant.name)

    async def _send(self, request: TokenRequest) -> HttpResponse:
        if self._method == "POST":
            return await self._http.request(
                "POST", request.url, headers=request.headers, form=request.form, max_response=_MOST_OCTETS
            )
        # RFC 6749 3.2: a query that the address has already is kept.
        mark = "&" if urlsplit(request.url).query else "?"
        address = f"{request.url}{mark}{urlencode(request.form)}"
        return await self._http.request(self._method, address, headers=request.headers, max_response=_MOST_OCTETS)


def _of_client(answer: Refused) -> Refused:
    """A refusal of the client in the words of what stands before the server: RFC 6749 5.2 has one error for that."""
    if answer.error in advice.ERRORS:
        return answer
    words = answer.description if answer.error == errors.INVALID_RESPONSE else f"{answer.error} {answer.description}"
    return replace(answer, error="invalid_client", description=words.strip(), hint="")


def is_private(url: str, *, to_neighbours: bool = False) -> bool:
    """Whether what is sent to `url` stays unread: by TLS, or because it does not leave this machine.

    With `to_neighbours` it may also go to an address of a private network.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private if to_neighbours else address.is_loopback
