"""Microsoft Graph: mail over HTTPS, where SMTP AUTH is no option (PROVIDERS 4).

`client` makes requests, `replies` says what answers mean, `plan` chooses the form. `small` sends a message in one
request, as it is; `json_form` where no copy may be kept; `large` makes a draft of what does not fit, with its
attachments behind it (`layout` finds them, `content` reads them, `upload` sends them).
"""

from dataclasses import replace

from relay import providers
from relay.config import Account
from relay.config.secret import SecretError
from relay.http import HttpClient
from relay.model import Clock, Identity, Outcome, Result
from relay.oauth import TokenSource
from relay.upstream.api import ApiUpstream, Parcel
from relay.upstream.gates import Gate, Gates
from relay.upstream.graph import content, plan, replies
from relay.upstream.graph.client import GraphClient
from relay.upstream.graph.json_form import as_json
from relay.upstream.graph.large import LargeMessage
from relay.upstream.graph.small import send_json, send_mime
from relay.upstream.trouble import AttemptError

_REST = 30.0
"""Seconds for an application that is throttled, where Graph names none."""
MOST_RECIPIENTS = providers.EXCHANGE.recipients_per_message


class GraphUpstream(ApiUpstream):
    """One account that sends by Graph."""

    def __init__(
        self,
        name: str,
        account: Account,
        identity: Identity,
        *,
        tokens: TokenSource,
        http: HttpClient,
        gates: Gates | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, account, identity, most=MOST_RECIPIENTS)
        self._tokens = tokens
        self._http = http
        self._clock = clock or Clock()
        self._gates = gates or Gates(self._clock)
        self._root = (account.mail_endpoint or providers.CLOUDS[account.cloud].graph_root).rstrip("/")
        self._app = app_of(account)

    async def _deliver(self, parcel: Parcel) -> Result:
        gate = self._gates.of(self.identity, self.concurrency, self._app, providers.GRAPH.requests_per_app)
        try:
            result = await self._pass(parcel, gate)
        except AttemptError as error:
            self._mind(error.result, gate)
            raise
        self._mind(result, gate)
        return result

    def _mind(self, result: Result, gate: Gate) -> None:
        """Let the application rest if it is throttled."""
        if replies.throttles_app(result):
            gate.rest.begin(result.retry_after or _REST, result.text)

    async def _pass(self, parcel: Parcel, gate: Gate) -> Result:
        account = self._account
        client = GraphClient(self._name, account.mailbox or "", self._root, self._tokens, self._http, account.timeout)
        if parcel.size > providers.GRAPH.mime_size:
            return await self._send_large(client, gate, parcel)
        if not self._account.save_to_sent:
            body = await content.whole(parcel.message.body)
            request = as_json(parcel.headers, body, parcel.addressed.recipients)
            if request is not None:
                async with gate.passing():
                    return await send_json(client, parcel, request)
        changed = await plan.unharmed(parcel)
        headers, body_sent = changed or (parcel.headers, parcel.message.body)
        if len(headers) + 2 + body_sent.size > providers.GRAPH.mime_size:
            return await self._send_large(client, gate, parcel)
        async with gate.passing():
            result = await send_mime(client, parcel, headers, body_sent)
        if result.outcome is Outcome.SENT and not self._account.save_to_sent:
            return replace(result, text=f"{result.text}; a copy is in Sent Items: JSON would damage this message")
        return result

    async def _send_large(self, client: GraphClient, gate: Gate, parcel: Parcel) -> Result:
        divided = await plan.large(parcel)
        keep = self._account.save_to_sent
        async with gate.passing():
            message = LargeMessage(client, parcel, divided.skeleton, divided.attachments, self._clock, keep_copy=keep)
            return await message.send()


def app_of(account: Account) -> str:
    """What Graph counts requests for besides the mailbox: the app registration, in its cloud."""
    identifier = account.oauth.client_id if account.oauth is not None else None
    try:
        client = identifier.read() if identifier is not None else ""
    except SecretError:
        client = ""  # the token endpoint's turn will tell of it
    return f"{account.cloud}/{(account.tenant or '').lower()}/{client}"
