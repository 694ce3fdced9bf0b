"""Microsoft Graph: mail over HTTPS, where SMTP AUTH is no option (PROVIDERS 4).

`client` makes requests, `replies` says what answers mean. `small` sends a message in one request, as it is; `json_form`
does where no copy may be kept; `large` makes a draft of what does not fit, with its attachments sent after it.
"""

from relay import providers
from relay.config import Account
from relay.config.secret import SecretError
from relay.http import HttpClient
from relay.model import Identity, Result
from relay.oauth import TokenSource
from relay.upstream.api import ApiUpstream, Parcel
from relay.upstream.gates import Gates
from relay.upstream.graph.client import GraphClient
from relay.upstream.graph.replies import too_large
from relay.upstream.graph.small import send_mime
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
    ) -> None:
        super().__init__(name, account, identity, most=MOST_RECIPIENTS)
        self._tokens = tokens
        self._http = http
        self._gates = gates or Gates()
        self._root = (account.mail_endpoint or providers.CLOUDS[account.cloud].graph_root).rstrip("/")
        self._app = app_of(account)

    async def _deliver(self, parcel: Parcel) -> Result:
        client = self._client(self._account.mailbox or "")
        if parcel.size > providers.GRAPH.mime_size:
            raise AttemptError(too_large(parcel.size))
        gate = self._gates.of(self.identity, self.concurrency, self._app, providers.GRAPH.requests_per_app)
        async with gate.passing():
            return await send_mime(client, parcel, parcel.headers, parcel.message.body)

    def _client(self, mailbox: str) -> GraphClient:
        return GraphClient(self._name, mailbox, self._root, self._tokens, self._http, self._account.timeout)


def app_of(account: Account) -> str:
    """What Graph counts requests for besides the mailbox: the app registration, in its cloud."""
    identifier = account.oauth.client_id if account.oauth is not None else None
    try:
        client = identifier.read() if identifier is not None else ""
    except SecretError:
        client = ""  # the token endpoint's turn will tell of it
    return f"{account.cloud}/{(account.tenant or '').lower()}/{client}"
