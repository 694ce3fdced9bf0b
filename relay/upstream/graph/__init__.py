"""Microsoft Graph: mail over HTTPS, where SMTP AUTH is no option (docs/sources.md).

`client` makes requests, `replies` says what answers mean, `plan` chooses the form. `small` sends a message in one
request, as it is; `json_form` where no copy may be kept; `draft` makes a draft of what does not fit, with its
attachments behind it (`layout` finds them, `content` reads them, `upload` sends them). `people` and `attachment` are
what Graph's JSON has for mailboxes and attachments.
"""

from dataclasses import replace

from relay import providers
from relay.config import Account
from relay.config.secret import SecretError
from relay.http import HttpClient
from relay.model import Clock, Identity, Outcome, Result
from relay.oauth import TokenSource
from relay.upstream.api import ApiUpstream, Parcel
from relay.upstream.body import all_of
from relay.upstream.gates import Gate, Gates
from relay.upstream.graph import plan, replies
from relay.upstream.graph.client import GraphClient
from relay.upstream.graph.draft import NOT_PERMITTED, DraftMessage
from relay.upstream.graph.json_form import as_json
from relay.upstream.graph.plan import Divided, Whole
from relay.upstream.graph.small import send_json, send_mime
from relay.upstream.trouble import AttemptError

_REST = 30.0
"""Seconds for an application that is throttled, where Graph names none."""
MOST_RECIPIENTS = providers.EXCHANGE.recipients_per_message
_COPY = (
    "a copy is in Sent Items: JSON would damage this message, and deleting the copy of what is sent as it is needs the "
    "permission Mail.ReadWrite"
)


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
        whole = await plan.small(parcel)
        if whole is None:
            return await self._send_draft(client, gate, parcel, await plan.large(parcel))
        if not account.save_to_sent:
            return await self._send_without_copy(client, gate, parcel, whole)
        async with gate.passing():
            return await send_mime(client, parcel, whole)

    async def _send_draft(self, client: GraphClient, gate: Gate, parcel: Parcel, divided: Divided) -> Result:
        keep = self._account.save_to_sent
        async with gate.passing():
            message = DraftMessage(client, parcel, divided.skeleton, divided.attachments, self._clock, keep_copy=keep)
            return await message.send()

    async def _send_without_copy(self, client: GraphClient, gate: Gate, parcel: Parcel, whole: Whole) -> Result:
        """As JSON; what JSON would damage as a draft whose copy is deleted, where the application may do that."""
        form = await as_json(parcel.headers, parcel.message.body, parcel.addressed.recipients)
        if form is not None:
            async with gate.passing():
                return _told(await send_json(client, parcel, form), form.told)
        skeleton = whole.headers + b"\r\n" + await all_of(whole.body)
        try:
            return await self._send_draft(client, gate, parcel, Divided(skeleton))
        except AttemptError as error:
            if error.result.status != NOT_PERMITTED:
                raise
        async with gate.passing():
            return _told(await send_mime(client, parcel, whole), _COPY)


def _told(result: Result, more: str) -> Result:
    """The result of what was sent with `more` about it."""
    return replace(result, text=f"{result.text}; {more}") if more and result.outcome is Outcome.SENT else result


def app_of(account: Account) -> str:
    """What Graph counts requests for besides the mailbox: the app registration, in its cloud."""
    identifier = account.oauth.client_id if account.oauth is not None else None
    try:
        client = identifier.read() if identifier is not None else ""
    except SecretError:
        client = ""  # the token endpoint's turn will tell of it
    return f"{account.cloud}/{(account.tenant or '').lower()}/{client}"
