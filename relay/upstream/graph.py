"""Microsoft Graph: the message as MIME to `sendMail` (PROVIDERS 4.1, 4.2).

Graph knows no envelope: it mails everybody in To, Cc and Bcc. So the copy that is sent gets a Bcc with those envelope
recipients that no header names, and a message whose To or Cc names somebody outside the envelope cannot be sent this
way at all: that address would get mail which nobody addressed to it.
"""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from urllib.parse import quote

from relay import log, mime, providers
from relay.config import Account
from relay.http import HttpClient, HttpError, HttpResponse
from relay.model import Identity, Message, Outcome, Result, Results, Scope
from relay.oauth import Token, TokenError, TokenSource
from relay.upstream.address import is_safe
from relay.upstream.body import ContentError, chunks
from relay.upstream.credentials import without_token
from relay.upstream.graph_replies import classify, read_error
from relay.upstream.trouble import DUPLICATE, AttemptError, Trace

_PIECE = 48 * 1024
"""Octets that are encoded at a time: a multiple of 3, so that base64 goes on without padding."""
_SLOWEST = 32 * 1024
_HIDDEN = frozenset((b"bcc", b"resent-bcc"))
# The server may have finished before it, or what stands in front of it, failed.
_UNCERTAIN = (500, 502, 504)


class GraphUpstream:
    """One account that sends by Graph."""

    def __init__(
        self, name: str, account: Account, identity: Identity, *, tokens: TokenSource, http: HttpClient
    ) -> None:
        self.identity = identity
        self.concurrency = account.concurrency
        self._name = name
        self._account = account
        self._tokens = tokens
        self._http = http
        self._places = asyncio.Semaphore(account.concurrency)
        root = (account.mail_endpoint or providers.CLOUDS[account.cloud].graph_root).rstrip("/")
        self._users = f"{root}/v1.0/users"

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message`: a result for each recipient, whatever happens."""
        recipients = [recipient for recipient in message.envelope.recipients if is_safe(recipient)]
        refusal = Result(Outcome.FAILED, 553, "5.1.3", "the recipient's address cannot be written in a header")
        results = dict.fromkeys(message.envelope.recipients, refusal)
        if not recipients:
            return results
        try:
            result = await self._send(message, recipients, trace)
        except (AttemptError, ContentError) as error:
            result = error.result
        except TokenError as error:
            result = without_token(error)
        except Exception as error:  # noqa: BLE001 (whoever calls gets a result in any case; the log gets the traceback)
            log.internal_error(f"{message.id}: sending by {self._name} failed", error)
            result = Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
        return results | dict.fromkeys(recipients, result)

    async def close(self) -> None:
        """Nothing is kept open here: the connections are the HTTP client's."""

    async def _send(self, message: Message, recipients: list[str], trace: Trace | None) -> Result:
        headers = addressed(message.headers, recipients)
        self._check_size(len(headers) + 2 + message.body.size)
        async with self._places:
            token = await self._tokens.get()
            response = await self._post(message, headers, token, trace)
            if response.status == 401:
                fresh = await self._tokens.replace(token)
                if fresh.value != token.value:
                    response = await self._post(message, headers, fresh, trace)
        return self._judged(message, response)

    async def _post(self, message: Message, headers: bytes, token: Token, trace: Trace | None) -> HttpResponse:
        size = len(headers) + 2 + message.body.size
        request_id = str(uuid.uuid4())
        url = f"{self._users}/{quote(self._account.mailbox or token.user, safe='@')}/sendMail"
        if trace is not None:
            trace(f"> POST {url} (client-request-id {request_id}, {size:,} octets)")
        try:
            response = await self._http.request(
                "POST",
                url,
                headers={
                    "authorization": f"Bearer {token.value}",
                    "content-type": "text/plain",
                    "content-length": str((size + 2) // 3 * 4),
                    "client-request-id": request_id,
                },
                content=encoded(headers, message),
                timeout=self._account.timeout + size / _SLOWEST,
            )
        except HttpError as error:
            raise AttemptError(_not_answered(error, request_id)) from None
        if trace is not None:
            said = read_error(response.body)
            trace(f"< {response.status} {said.code} {said.message}".rstrip())
        return response

    def _judged(self, message: Message, response: HttpResponse) -> Result:
        request_id = response.headers.get("request-id", "")
        result = classify(
            response.status,
            read_error(response.body),
            response.retry_after,
            request_id=request_id,
            mailbox=self._account.mailbox or "",
            account=self._name,
        )
        if result.outcome is Outcome.SENT and not message.envelope.sender:
            return replace(result, text=f"{result.text}; sent as {self._account.mailbox}: Graph has no null sender")
        if response.status in _UNCERTAIN and result.outcome is Outcome.DEFERRED:
            return replace(result, text=f"{result.text}; {DUPLICATE}", scope=Scope.MESSAGE, uncertain=True)
        return result

    def _check_size(self, size: int) -> None:
        largest, key = providers.GRAPH.mime_size, "Graph"
        own = self._account.max_message_size
        if own is not None and own < largest:
            largest, key = own, f"accounts.{self._name}.max_message_size"
        if size > largest:
            text = f"the message has {size:,} octets; {key} allows {largest:,} (not sent)"
            hint = 'Send large mail by SMTP: via = ["smtp"]'
            raise AttemptError(Result(Outcome.FAILED, 552, "5.3.4", text, Scope.MESSAGE, hint=hint))


def addressed(block: bytes, recipients: Iterable[str]) -> bytes:
    """The header block whose To, Cc and Bcc together are exactly `recipients`. Raises AttemptError if none can be."""
    known = {_same(recipient): recipient for recipient in recipients}
    kept = mime.without(mime.split_headers(block), _HIDDEN)
    named: set[str] = set()
    certain: set[str] = set()
    # A line that is no field may end the block for Graph; of two To it may read one; `To :` it may not know.
    doubtful: set[bytes] = set()
    for header in kept:
        if header.name in (b"to", b"cc"):
            found = _named(header)
            named |= found
            if not doubtful & {b"all", header.name} and header.raw.lower().startswith(header.name + b":"):
                certain |= found
            doubtful.add(header.name)
        elif not header.name:
            doubtful.add(b"all")
    if strangers := sorted(named - known.keys()):
        raise _unsendable(
            f"To or Cc names {', '.join(strangers[:3])}, to whom this message is not addressed",
            'Graph would send it there all the same. Send such mail by SMTP: via = ["smtp"]',
        )
    # In front, where every reader finds it. Who is named twice gets one copy all the same.
    hidden = [recipient for same, recipient in known.items() if same not in certain]
    raws = [header.raw for header in kept]
    return b"".join([_bcc(hidden), *raws] if hidden else raws)


async def encoded(headers: bytes, message: Message) -> AsyncIterator[bytes]:
    """The whole message in base64 without line breaks, piece by piece."""
    rest = headers + b"\r\n"
    async for chunk in chunks(message.body):
        for start in range(0, len(chunk), _PIECE):
            rest += chunk[start : start + _PIECE]
            whole = len(rest) - len(rest) % 3
            yield base64.b64encode(rest[:whole])
            rest = rest[whole:]
    yield base64.b64encode(rest)


def _named(header: mime.Header) -> set[str]:
    found = mime.addresses(header.value)
    if found is None:
        name = header.name.decode("ascii", "replace").capitalize()
        raise _unsendable(
            f"the addresses in {name} cannot be read, so that nobody knows whom Graph would send to",
            f'Correct {name} in the application, or send by SMTP: via = ["smtp"]',
        )
    return set(map(_same, found))


def _bcc(recipients: Iterable[str]) -> bytes:
    return b"Bcc: " + b",\r\n ".join(recipient.encode() for recipient in recipients) + b"\r\n"


def _same(address: str) -> str:
    """What two spellings of one address have in common. Case does not matter: it does not at Exchange."""
    return (mime.canonical(address) or address).casefold()


def _unsendable(text: str, hint: str) -> AttemptError:
    return AttemptError(Result(Outcome.FAILED, 554, "5.6.0", text, Scope.MESSAGE, hint=hint))


def _not_answered(error: HttpError, request_id: str) -> Result:
    """No usable answer: harmless before the request was sent, uncertain after that."""
    if not error.sent:
        return Result(Outcome.DEFERRED, 451, "4.4.1", error.text, Scope.IDENTITY, hint=error.hint)
    text = f"{error.text} (client-request-id {request_id}); {DUPLICATE}"
    return Result(Outcome.DEFERRED, 451, "4.4.2", text, Scope.MESSAGE, hint=error.hint, uncertain=True)
