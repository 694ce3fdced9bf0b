"""Requests to the Gmail API: the token, and what an answer means. `me` is whom the token is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from relay.http import HttpClient, HttpResponse
from relay.model import Clock, Outcome, Result
from relay.oauth import Token, TokenSource
from relay.upstream.api_request import ApiRequest, Content, exchange, with_token
from relay.upstream.gmail.replies import classify, read_error
from relay.upstream.trouble import Trace
from relay.upstream.verdicts import UNCERTAIN, doubtful

SEND = "gmail/v1/users/me/messages/send"


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

        async def once(token: Token) -> HttpResponse:
            sent = {**headers, "content-length": str(size)}
            if self.knows(url):
                sent["authorization"] = f"Bearer {token.value}"
            request = ApiRequest(self.account, method, url, sent, content, size, self.timeout, final=final, trace=trace)
            return await exchange(request, self.http, _said)

        return await with_token(self.tokens, once)

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


def _said(body: bytes) -> str:
    """What an answer says of an error, in a line."""
    error = read_error(body)
    return f"{error.reason} {error.message}"
