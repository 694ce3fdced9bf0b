"""One request to a mail API: told to the log and to whoever watches, and an answer or the end of the attempt."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from relay import log
from relay.http import HttpClient, HttpError, HttpResponse
from relay.oauth import Token, TokenSource
from relay.upstream.trouble import AttemptError, Trace
from relay.upstream.verdicts import not_answered

Content = bytes | Callable[[], AsyncIterable[bytes]]
"""What is sent, or what makes it anew for each try."""
_SLOWEST = 32 * 1024
"""Octets a second: a request that goes slower than this, all in all, is given up."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What is asked of the API for `account`; `timeout` is in seconds for a small request.

    `id` is the request's own, by which the provider's support finds it. `final` says that a request which is not
    answered may have sent the message.
    """

    account: str
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: Content = field(repr=False)
    size: int
    timeout: float
    id: str = ""
    final: bool = False
    trace: Trace | None = None

    @property
    def shown(self) -> str:
        """Method and address, without what an upload's address has of a secret."""
        return f"{self.method} {self.url.partition('?')[0]}"

    def say(self, line: str) -> None:
        """Tell whoever watches the conversation."""
        if self.trace is not None:
            self.trace(line)


async def exchange(request: ApiRequest, http: HttpClient, said: Callable[[bytes], str]) -> HttpResponse:
    """Make the request; `said` reads what the answer says of an error. Raises AttemptError when there is no answer."""
    about = f"client-request-id {request.id}" if request.id else ""
    request.say(f"> {request.shown} ({f'{about}, ' if about else ''}{request.size:,} octets)")
    try:
        response = await http.request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content if isinstance(request.content, bytes) else request.content(),
            timeout=request.timeout + request.size / _SLOWEST,
        )
    except HttpError as error:
        log.upstream.api_unanswered(request.account, request.shown, request.id, error.text)
        request.say(f"({error.text})")
        raise AttemptError(not_answered(error, final=request.final, about=about)) from None
    reply = f"{response.status} {said(response.body)}".rstrip()
    answered = response.headers.get("request-id", "") if request.id else ""
    log.upstream.api_answered(request.account, request.shown, reply, request.id, answered)
    request.say(f"< {reply}{f' (request-id {log.clean(answered)})' if answered else ''}")
    return response


async def with_token(tokens: TokenSource, ask: Callable[[Token], Awaitable[HttpResponse]]) -> HttpResponse:
    """What `ask` is answered, whatever it is. A token that is refused is replaced once. Raises TokenError."""
    token = await tokens.get()
    response = await ask(token)
    if response.status == 401:
        fresh = await tokens.replace(token)
        if fresh.value != token.value:
            response = await ask(fresh)
    return response
