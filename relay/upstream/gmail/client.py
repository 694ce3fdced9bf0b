"""Requests to the Gmail API: the token, and what an answer means. `me` is whom the token is for."""

from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from relay import log
from relay.http import HttpClient, HttpError, HttpResponse
from relay.model import Clock, Outcome, Result
from relay.oauth import Token, TokenSource
from relay.upstream.api import SLOWEST
from relay.upstream.gmail.replies import classify, read_error
from relay.upstream.trouble import AttemptError, Trace
from relay.upstream.verdicts import UNCERTAIN, doubtful, not_answered

SEND = "gmail/v1/users/me/messages/send"
Content = bytes | Callable[[], AsyncIterable[bytes]]


@dataclass(frozen=True, slots=True)
class GmailClient:
    """Asks at `root` for `mailbox`; `timeout` is in seconds for a small request."""

    account: str
    mailbox: str
    root: str
    tokens: TokenSource
    http: HttpClient
    clock: Clock
    timeout: float

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Content,
        size: int,
        *,
        final: bool,
        trace: Trace | None,
    ) -> HttpResponse:
        """The answer, whatever it is. A token that is refused is replaced once.

        `final` says that a request which is not answered may have sent the message. Raises AttemptError, TokenError.
        """
        token = await self.tokens.get()
        response = await self._once(method, url, headers, content, size, token, final=final, trace=trace)
        if response.status == 401:
            fresh = await self.tokens.replace(token)
            if fresh.value != token.value:
                response = await self._once(method, url, headers, content, size, fresh, final=final, trace=trace)
        return response

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Content,
        size: int,
        token: Token,
        *,
        final: bool,
        trace: Trace | None,
    ) -> HttpResponse:
        shown = url.partition("?")[0]
        if trace is not None:
            trace(f"> {method} {shown} ({size:,} octets)")
        sent = {**headers, "content-length": str(size)}
        if self.knows(url):
            sent["authorization"] = f"Bearer {token.value}"
        try:
            response = await self.http.request(
                method,
                url,
                headers=sent,
                content=content if isinstance(content, bytes) else content(),
                timeout=self.timeout + size / SLOWEST,
            )
        except HttpError as error:
            log.upstream.api_unanswered(self.account, f"{method} {shown}", "", error.text)
            if trace is not None:
                trace(f"({error.text})")
            raise AttemptError(not_answered(error, final=final)) from None
        said = read_error(response.body)
        reply = f"{response.status} {said.reason} {said.message}".rstrip()
        log.upstream.api_answered(self.account, f"{method} {shown}", reply, "", "")
        if trace is not None:
            trace(f"< {reply}")
        return response

    def knows(self, url: str) -> bool:
        """Whether the token may be shown at `url`: at the API itself and nowhere else."""
        here, there = urlsplit(self.root), urlsplit(url)
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)

    def judged(self, response: HttpResponse, *, final: bool = True) -> Result:
        """What an answer means; 200 with a message's id is the only yes."""
        result = classify(
            response.status,
            response.body,
            response.retry_after,
            self.clock.time(),
            mailbox=self.mailbox,
            account=self.account,
        )
        if final and response.status in (200, *UNCERTAIN) and result.outcome is Outcome.DEFERRED:
            return doubtful(result)
        return result
