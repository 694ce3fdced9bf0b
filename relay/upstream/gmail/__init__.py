"""The Gmail API: mail over HTTPS, where Google's SMTP is blocked (docs/sources.md).

`client` makes requests, `replies` says what answers mean, `upload` sends a message in one piece or in several.

The API mails who stands in To, Cc and Bcc. Whether it takes Bcc out of what the others get is not documented, and the
opposite has been reported. So nobody's address stands in a Bcc that somebody else could read: who is in the envelope
only gets a copy of his own. The others get one copy together, without any Bcc.
"""

from relay import mime, providers
from relay.config import Account
from relay.http import HttpClient
from relay.model import Clock, Identity, Message, Outcome, Result, Scope
from relay.oauth import TokenSource
from relay.upstream.api import ApiUpstream, Parcel, people_of
from relay.upstream.gates import Gates
from relay.upstream.gmail.client import GmailClient
from relay.upstream.gmail.upload import Resumable, multipart
from relay.upstream.recipients import apart, same
from relay.upstream.trouble import AttemptError

MOST_RECIPIENTS = providers.GMAIL.recipients_per_message
_ADDRESSES = (b"to", b"cc", b"bcc")


class GmailUpstream(ApiUpstream):
    """One account that sends by the Gmail API."""

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
        self._clock = clock or Clock()
        root = (account.mail_endpoint or providers.GMAIL_API_ROOT).rstrip("/")
        self._client = GmailClient(name, account.mailbox or "", root, tokens, http, self._clock, account.timeout)
        self._gate = (gates or Gates()).of(identity, account.concurrency)

    def _copies(self, message: Message, people: list[str]) -> list[list[str]]:
        return apart(message.headers, people, self._most)

    def first_copy(self, message: Message) -> tuple[str, ...]:
        """Those recipients with whom the first copy is over."""
        people = people_of(message)
        copies = self._copies(message, [spellings[0] for spellings in people.values()])
        later = {spelling for copy in copies[1:] for one in copy for spelling in people[same(one)]}
        return tuple(one for one in message.envelope.recipients if one not in later)

    async def _deliver(self, parcel: Parcel) -> Result:
        headers = addresses_first(parcel.headers)
        size = len(headers) + 2 + parcel.message.body.size
        if size > providers.GMAIL.api_size:
            text = f"the message has {size:,} octets; Gmail takes {providers.GMAIL.api_size:,} (not sent)"
            hint = "Send less at a time: no way to Gmail takes more"
            raise AttemptError(Result(Outcome.FAILED, 552, "5.3.4", text, Scope.MESSAGE, hint=hint))
        async with self._gate.passing():
            if size <= providers.GMAIL.multipart_size:
                return await multipart(self._client, parcel, headers)
            return await Resumable(self._client, parcel, headers, self._clock).send()


def addresses_first(block: bytes) -> bytes:
    """The header block with its addresses in front of what describes the content, where the API looks for them."""
    fields = mime.split_headers(block)
    names = [field.name for field in fields]
    content = next((place for place, name in enumerate(names) if name.startswith((b"content-", b"mime-"))), len(names))
    if not any(name in _ADDRESSES for name in names[content:]):
        return block
    late = [field.raw for field in fields[content:] if field.name in _ADDRESSES]
    rest = [field.raw for field in fields[content:] if field.name not in _ADDRESSES]
    return b"".join([*(field.raw for field in fields[:content]), *late, *rest])
