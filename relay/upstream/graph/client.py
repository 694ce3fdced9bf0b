"""Requests to Microsoft Graph for one mailbox: the token, the ids that support asks for, and what an answer means."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from relay.http import HttpClient, HttpResponse
from relay.model import Outcome, Result, Scope
from relay.oauth import Token, TokenSource
from relay.upstream.api_request import ApiRequest, Content, exchange, with_token
from relay.upstream.graph.replies import classify, read_error
from relay.upstream.trouble import Trace
from relay.upstream.verdicts import UNCERTAIN, doubtful


@dataclass(frozen=True, slots=True)
class GraphClient:
    """Asks for the mailbox at `root`/v1.0/users/`mailbox` ("": that of the token's user).

    `timeout` is in seconds for a small request.
    """

    account: str
    mailbox: str
    root: str
    tokens: TokenSource
    http: HttpClient
    timeout: float

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: Content = b"",
        content_type: str = "",
        size: int = 0,
        final: bool = False,
        trace: Trace | None = None,
    ) -> HttpResponse:
        """The answer, whatever it is. A token that is refused is replaced once.

        `final` says that a request which is not answered may have sent the message. Raises AttemptError, TokenError.
        """
        fields = {"content-type": content_type} if content_type else {}
        size = len(content) if isinstance(content, bytes) else size

        async def once(token: Token) -> HttpResponse:
            url = f"{self.root}/v1.0/users/{quote(self.mailbox or token.user, safe='@')}/{path}"
            headers = {"authorization": f"Bearer {token.value}", "content-length": str(size), **fields}
            return await self.exchange(method, url, headers, content, size, final=final, trace=trace)

        return await with_token(self.tokens, once)

    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Content,
        size: int,
        *,
        final: bool = False,
        trace: Trace | None = None,
    ) -> HttpResponse:
        """One request with exactly these headers and an id of its own. Raises AttemptError."""
        request_id = str(uuid.uuid4())
        sent = {**headers, "client-request-id": request_id, "prefer": 'IdType="ImmutableId"'}
        request = ApiRequest(
            self.account, method, url, sent, content, size, self.timeout, id=request_id, final=final, trace=trace
        )
        return await exchange(request, self.http, _said)

    def judged(self, response: HttpResponse, *, final: bool = True) -> Result:
        """What an answer means; 202 is the only yes of a request that sends."""
        result = classify(
            response.status,
            read_error(response.body),
            response.retry_after,
            request_id=response.headers.get("request-id", ""),
            mailbox=self.mailbox,
            account=self.account,
        )
        if result.outcome is Outcome.SENT and not final:
            # A 202 to what creates or uploads: nothing has been sent by that.
            return Result(
                Outcome.DEFERRED, 451, "4.3.0", f"Graph answered {response.status} out of place", Scope.MESSAGE
            )
        if final and response.status in UNCERTAIN and result.outcome is Outcome.DEFERRED:
            return doubtful(result)
        return result


def _said(body: bytes) -> str:
    """What an answer says of an error, in a line."""
    error = read_error(body)
    return f"{error.code} {error.message}"
