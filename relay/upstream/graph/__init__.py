"""Microsoft Graph: mail over HTTPS, where SMTP AUTH is no option (PROVIDERS 4).

`client` makes requests, `replies` says what answers mean, `plan` chooses the form. `small` sends a message in one
request, as it is; `json_form` where no copy may be kept; `large` makes a draft of what does not fit, with its
attachments behind it (`layout` finds them, `content` reads them, `upload` sends them).
"""

from dataclasses import replace

from relay import mime, providers
from relay.config import Account
from relay.config.secret import SecretError
from relay.http import HttpClient
from relay.model import Clock, Identity, Message, Outcome, Result, Scope
from relay.oauth import TokenSource
from relay.upstream.api import ApiUpstream, Parcel
from relay.upstream.gates import Gate, Gates
from relay.upstream.graph import content, plan
from relay.upstream.graph.client import GraphClient
from relay.upstream.graph.json_form import as_json
from relay.upstream.graph.large import LargeMessage
from relay.upstream.graph.small import send_json, send_mime
from relay.upstream.rests import Rests
from relay.upstream.trouble import AttemptError

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
        self._gates = gates or Gates()
        self._clock = clock or Clock()
        self._root = (account.mail_endpoint or providers.CLOUDS[account.cloud].graph_root).rstrip("/")
        self._app = app_of(account)
        self._rests = Rests(self._clock)

    async def _deliver(self, parcel: Parcel) -> Result:
        if not self._account.acts_as_sender:
            return await self._send(parcel, self._account.mailbox or "", self.identity)
        mailbox = _sender(parcel.message)
        # Each sender is a mailbox of its own: what is wrong with one must not hold up the others.
        if (result := self._rests.of(mailbox)) is not None:
            return result
        result = await self._send(parcel, mailbox, replace(self.identity, mailbox=mailbox.lower()))
        if result.scope is not Scope.IDENTITY:
            return result
        return self._rests.begin(mailbox, replace(result, scope=Scope.MESSAGE))

    async def _send(self, parcel: Parcel, mailbox: str, identity: Identity) -> Result:
        client = GraphClient(self._name, mailbox, self._root, self._tokens, self._http, self._account.timeout)
        gate = self._gate(identity)
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

    def _gate(self, identity: Identity) -> Gate:
        most = providers.GRAPH_CONCURRENCY if self._account.acts_as_sender else self.concurrency
        return self._gates.of(identity, most, self._app, providers.GRAPH.requests_per_app)


def app_of(account: Account) -> str:
    """What Graph counts requests for besides the mailbox: the app registration, in its cloud."""
    identifier = account.oauth.client_id if account.oauth is not None else None
    try:
        client = identifier.read() if identifier is not None else ""
    except SecretError:
        client = ""  # the token endpoint's turn will tell of it
    return f"{account.cloud}/{(account.tenant or '').lower()}/{client}"


def _sender(message: Message) -> str:
    """Whose mailbox sends: who the message says it is from, or else the envelope. Raises AttemptError."""
    for field in mime.split_headers(message.headers):
        found = mime.addresses(field.value) if field.name == b"from" else None
        if found:
            return found[0]
    if message.envelope.sender:
        return message.envelope.sender
    text = 'the message names no sender, and with mailbox = "sender" the sender\'s mailbox would send it'
    raise AttemptError(Result(Outcome.FAILED, 550, "5.1.7", text, Scope.MESSAGE, hint="Add a From in the application"))
