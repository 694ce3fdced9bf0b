"""What the ways out over HTTP share: whom a message is for, in how many copies, and a result for everybody.

An API answers once for a message, not once for a recipient. More recipients than it takes become several messages, one
after the other; what one of them meets says what becomes of its recipients only.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from relay import log, mime
from relay.config import Account
from relay.model import Identity, Message, Outcome, Result, Results, Scope
from relay.oauth import TokenError
from relay.upstream.address import is_safe
from relay.upstream.body import ContentError
from relay.upstream.credentials import without_token
from relay.upstream.recipients import Addressed, addressed, groups, is_writable, same
from relay.upstream.trouble import DUPLICATE, AttemptError, Trace


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message for some of its recipients, ready to be sent."""

    message: Message
    addressed: Addressed
    trace: Trace | None = None

    @property
    def headers(self) -> bytes:
        return self.addressed.headers

    @property
    def size(self) -> int:
        """Octets of the whole message as it is sent."""
        return len(self.headers) + 2 + self.message.body.size

    def say(self, line: str) -> None:
        """Tell whoever watches the conversation."""
        if self.trace is not None:
            self.trace(line)


class ApiUpstream(ABC):
    """One account that sends by an API. `most` recipients are named in one message."""

    def __init__(self, name: str, account: Account, identity: Identity, *, most: int) -> None:
        self.identity = identity
        self.concurrency = account.concurrency
        self._name = name
        self._account = account
        self._most = most

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message`: a result for each recipient, whatever happens."""
        people = people_of(message)
        results: Results = dict.fromkeys(message.envelope.recipients, self._not_writable())
        everybody = [spellings[0] for spellings in people.values()]
        result = None
        for group in self._copies(message, everybody) if everybody else ():
            # What holds up one copy holds up the next: it is not asked for.
            if result is None or result.outcome is not Outcome.DEFERRED:
                result = await self._safely(Parcel(message, addressed(message.headers, group), trace))
            else:
                result = _not_asked(result)
            results |= {one: result for recipient in group for one in people[same(recipient)]}
        return results

    async def close(self) -> None:  # noqa: B027 (an upstream has it; nothing to do is the usual case)
        """Nothing is kept open here: the connections are the HTTP client's."""

    def reservation(self, message: Message) -> str:
        """Why another way would serve this message better; "" for no reason."""
        if mime.looks_signed(mime.split_headers(message.headers)):
            return "the message is signed or encrypted, which an API may damage"
        people = [one for one in message.envelope.recipients if is_writable(one)]
        if len(people) < len(message.envelope.recipients):
            return "the address of a recipient cannot be written in a header"
        copies = len(self._copies(message, list({same(one): one for one in people}.values())))
        if copies > 1:
            return f"it becomes {copies} messages here"
        return addressed(message.headers, people).told

    def _copies(self, message: Message, people: list[str]) -> list[list[str]]:
        """Who gets a copy together."""
        return groups(message.headers, people, self._most)

    @abstractmethod
    async def _deliver(self, parcel: Parcel) -> Result:
        """Send one copy. Raises AttemptError, ContentError, TokenError."""

    async def _safely(self, parcel: Parcel) -> Result:
        message = parcel.message
        try:
            self._check_own_size(parcel.size)
            result = await self._deliver(parcel)
        except (AttemptError, ContentError) as error:
            return error.result
        except TokenError as error:
            return without_token(error)
        except Exception as error:  # noqa: BLE001 (whoever calls gets a result in any case; the log gets the traceback)
            log.internal_error(f"{message.id}: sending by {self._name} failed", error)
            return Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
        if result.outcome is Outcome.SENT and parcel.addressed.told:
            return replace(result, text=f"{result.text}; {parcel.addressed.told}")
        return result

    def _not_writable(self) -> Result:
        hint = f'Send such mail by SMTP: accounts.{self._name}.via = ["{self._account.via[-1]}", "smtp"]'
        text = "the recipient's address cannot be written in a header, which is where this way takes it from"
        return Result(Outcome.FAILED, 553, "5.1.3", text, hint=hint)

    def _check_own_size(self, size: int) -> None:
        own = self._account.max_message_size
        if own is not None and size > own:
            key = f"accounts.{self._name}.max_message_size"
            text = f"the message has {size:,} octets; {key} allows {own:,} (not sent)"
            raise AttemptError(Result(Outcome.FAILED, 552, "5.3.4", text, Scope.MESSAGE, hint=f"Raise {key}"))


def people_of(message: Message) -> dict[str, list[str]]:
    """The recipients whose addresses can stand in a field, each with the ways in which the envelope spells it."""
    people: dict[str, list[str]] = {}
    for recipient in message.envelope.recipients:
        if is_safe(recipient) and is_writable(recipient):
            people.setdefault(same(recipient), []).append(recipient)
    return people


def _not_asked(result: Result) -> Result:
    """The result of a copy that was not sent, since the one before it was held up: nothing is uncertain about it."""
    if not result.uncertain:
        return result
    text = f"this copy was not sent, since an earlier one was held up: {result.text.removesuffix(f'; {DUPLICATE}')}"
    return replace(result, text=text, uncertain=False)
