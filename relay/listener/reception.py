"""One message on its way in: header block first, then policy, then the body into the spool."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from relay import log, metrics, mime
from relay.config import Listener
from relay.database import Activity, StorageError
from relay.limits import Memory
from relay.listener import repair
from relay.listener.authentication import MailboxLogin, PasswordChecker
from relay.listener.data import DataReader
from relay.listener.legacy import LegacyReader
from relay.listener.making import Admitted, Maker, waits
from relay.listener.rates import Rates
from relay.metrics.visits import VisitorBook, What
from relay.model import Clock, Envelope, Origin, Outcome, Results
from relay.oauth.bearer import Bearer
from relay.policy import ClientPolicy, Decision, Policy, Refusal, SizeLimit
from relay.sink.faults import Faults
from relay.spool import Queue, Spool, Submission, Upload

LARGEST_HEADER = 256 * 1024
"""Octets of header block: it is kept in memory and in a column."""

_SMALL = 16 * 1024
"""Octets that every message may hold, however little memory is left; a session itself holds about as much."""
NO_ROOM = Refusal(452, "4.3.1", "The message cannot be stored now, please try again later")
"""Why stands in the log: once for all that hear it, while the queue takes nothing at all."""
TOO_MUCH = Refusal(452, "4.3.1", "Too much mail is being received at once, please try again later")
_LONGEST_REPLY = 400
"""RFC 5321 4.5.3.1.5 allows a reply line of 512 octets."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every session of a listener works with."""

    name: str
    settings: Listener
    policy: Policy
    spool: Spool
    checker: PasswordChecker
    hostname: str
    clock: Clock
    faults: Faults = field(default_factory=Faults)
    """Refusals on purpose, for clients of a sink."""
    rates: Rates = field(default_factory=Rates)
    logins: Mapping[str, MailboxLogin] = field(default_factory=dict)
    """For each account whose users log in with the passwords of their mailboxes: what checks them."""
    bearers: Mapping[str, Bearer] = field(default_factory=dict)
    """For each client that is recognised by access tokens: what verifies them."""
    visitors: VisitorBook = field(default_factory=VisitorBook)
    """Who came, and what they heard: for the page."""
    activity: Activity = field(default_factory=Activity)
    """What all clients send: a commit waits for those who talk."""
    memory: Memory = field(default_factory=Memory)
    """What all messages that arrive hold of it together."""
    conversations: Collection[str] = ()
    """Clients whose dialogue is written to the log."""

    def refused(self, what: What, refusal: Refusal, *, client: str, peer: str, subject: str) -> None:
        """Count a refusal, and note it for the page."""
        metrics.REFUSED.labels(self.name, metrics.reason_of(refusal.status)).inc()
        self.visitors.refused(what, at=self.clock.time(), client=client, peer=peer, subject=subject, reply=str(refusal))


class Reception:
    """Takes what follows DATA, octets as they come, and ends in one reply; `gone` says that nobody will read it.

    A message that is refused is read to its end all the same: a client that is still sending does not hear us.
    """

    def __init__(
        self,
        parts: Parts,
        client: ClientPolicy,
        envelope: Envelope,
        origin: Origin,
        reader: DataReader | LegacyReader,
        *,
        limit: SizeLimit,
        announced: int,
        extended: bool,
        gone: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._client = client
        self._envelope = repair.readdressed(envelope, client)
        self._first_recipients = envelope.recipients
        self._origin = origin
        self._limit = limit
        self._extended = extended
        self._gone = gone
        self._reader = reader
        self._head = bytearray()
        self._headers: list[mime.Header] = []
        self._decisions: tuple[Decision, ...] = ()
        self._subject = ""
        self._waits: dict[str, float] = {}
        """The seconds that a recipient's copy is held, for the client's rates."""
        self._upload: Upload = parts.spool.upload()
        self._refusal: Refusal | None = None
        self._spilling = False
        self._arrival = parts.spool.capacity.arrival()
        self._arrival.grow(announced)
        self._held = 0
        """Octets of memory that are accounted for."""
        self._hold()
        self.handed_over = False
        """Its commit has begun: the upload is the spool's, and a reply is certain."""

    @property
    def done(self) -> bool:
        return self._reader.done

    @property
    def size(self) -> int:
        """Octets that have come, counted as SIZE counts them."""
        return self._reader.size

    @property
    def rest(self) -> bytes:
        """What the client sent after the end of the data."""
        return self._reader.rest

    @property
    def full(self) -> bool:
        """The disk has to take something before more can come: `spill()`."""
        return self._upload.full or (self._parts.memory.over and self._upload.in_memory > _SMALL)

    def take(self, data: bytes) -> None:
        """Take the next octets."""
        dots = self._reader.dots
        part = self._reader.feed(data)
        if too_large := self._limit.refusal(self._reader.size):
            self._refuse(too_large)
        if self._refusal is None and not self._decisions:
            self._take_header(part)
        elif self._refusal is None:
            self._upload.add(part, self._reader.dots - dots)
        self._bound()

    def _bound(self) -> None:
        """Keep within the room of the queue, and within the memory for all messages together."""
        if self._refusal is None and self._arrival.grow(self._reader.size):
            self._refuse(NO_ROOM)
        self._hold()
        if self._parts.memory.over and len(self._head) > _SMALL:
            # A body goes to the disk instead, but a header block cannot.
            self._refuse(TOO_MUCH)
            self._hold()

    def _hold(self) -> None:
        """Account for the memory that is in use."""
        now = _SMALL + len(self._head) + self._upload.in_memory
        self._parts.memory.take(now - self._held)
        self._held = now

    def leave(self) -> None:
        """The message is stored, refused or forgotten: it needs neither room nor memory any more."""
        self._arrival.end()
        self._parts.memory.take(-self._held)
        self._held = 0

    async def spill(self) -> None:
        """Write to the disk what has come."""
        self._spilling = True
        try:
            await self._upload.spill()
        except OSError as error:
            # The rest is read all the same: cut short, it would be taken for commands.
            self._refuse_for_now(error)
        except asyncio.CancelledError:
            self._upload.drop()
            raise
        finally:
            self._spilling = False
            if self._held:
                self._hold()
            else:
                self._upload.drop()  # the client has gone meanwhile, perhaps too late to break this off

    def finish(self) -> Coroutine[Any, Any, str]:
        """Decide and begin the commit, now; what is returned waits for the reply to the end of the data."""
        if self._refusal is None and not self._decisions:
            self._end_of_headers(bytes(self._head), b"")
        if self._reader.bare:
            text = "A line of the message ends in a bare LF or CR; lines must end in CRLF (RFC 5321 2.3.8)"
            self._refuse(Refusal(554, "5.6.0", text))
        elif self._reader.nul:
            self._refuse(Refusal(554, "5.6.0", "The message holds a NUL octet; send it base64-encoded (RFC 5321 2.4)"))
        if self._refusal is None:
            self._count()
        if self._refusal is not None or not self._decisions:
            return self._refused()
        submission = self._submission(self._decisions)
        self._subject = submission.subject
        self.handed_over = True
        spool = self._parts.spool
        if self._client.reply != "delivered" or submission.is_held:
            return self._reply(spool.put(self._upload, submission))
        queue = spool.mailboxes.queue(submission)
        outcome = spool.watch(self._upload.id, queue)
        return self._reply_when_delivered(spool.put(self._upload, submission), queue, outcome)

    def abandon(self) -> None:
        """The client has gone: forget the message, unless its commit has begun, and what its reply would have been."""
        self.leave()
        self._parts.spool.unwatch(self._upload.id)
        if not (self.handed_over or self._spilling):
            self._upload.drop()

    def answer_soon(self) -> None:
        """Wait for the commit and for nothing after it."""
        self._parts.spool.answer_soon(self._upload.id)

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse the message, unless it has been refused: the first reason stays."""
        self._refusal = self._refusal or refusal
        self._head.clear()
        if not self._spilling:
            self._upload.drop()  # the rest is only read to its end

    def _refuse_for_now(self, error: Exception) -> None:
        self._parts.spool.capacity.fail(error)
        self._refuse(NO_ROOM)

    def _take_header(self, part: bytes) -> None:
        head = self._head
        searched = max(0, len(head) - 3)
        head += part
        if head.startswith(b"\r\n"):
            self._end_of_headers(b"", bytes(head[2:]))
            return
        end = head.find(b"\r\n\r\n", searched)
        if 0 <= end <= LARGEST_HEADER:
            self._end_of_headers(bytes(head[: end + 2]), bytes(head[end + 4 :]))
        elif len(head) > LARGEST_HEADER:
            self._refuse(Refusal(552, "5.3.4", f"The header block is larger than {LARGEST_HEADER:,} octets"))

    def _end_of_headers(self, block: bytes, body: bytes) -> None:
        """Have the policy decide before the body is spooled."""
        self._head.clear()
        headers = mime.split_headers(block)
        if headers and not any(header.name for header in headers):
            # Some devices send nothing but text: all of it is body.
            headers, body = [], block + (b"\r\n" + body if body else b"")
        decisions = self._parts.policy.decide(self._client, self._envelope, headers)
        if isinstance(decisions, Refusal):
            self._refuse(decisions)
            return
        self._headers, self._decisions = headers, decisions
        # Nearly always there is none in all that has come.
        self._upload.add(body, body.count(b"\n.") + body.startswith(b".") if self._reader.dots else 0)

    def _count(self) -> None:
        """Take the message's places in the client's rates, or refuse it."""
        found = waits(self._parts.rates, self._client, self._envelope.recipients)
        if isinstance(found, Refusal):
            self._refuse(found)
        else:
            self._waits = found

    def _submission(self, decisions: Sequence[Decision]) -> Submission:
        parts = self._parts
        maker = Maker(parts.hostname, parts.clock.time(), self._upload.id, parts.spool.new_id, self._extended)
        envelope = replace(self._envelope, eight_bit=self._reader.eight_bit)
        first = self._first_recipients
        return maker.submission(
            Admitted(self._client, envelope, first, self._headers, decisions, self._origin, self._waits)
        )

    async def _refused(self) -> str:
        await self._upload.discard()
        origin, sender = self._origin, self._envelope.sender
        if self._refusal is not NO_ROOM or not self._parts.spool.capacity.troubles:
            log.listener.message_refused(origin.client, origin.peer, sender, str(self._refusal))
        if self._refusal is not None:
            self._parts.refused("message", self._refusal, client=origin.client, peer=origin.peer, subject=sender)
        return str(self._refusal)

    async def _reply(self, stored: Awaitable[None]) -> str:
        """What the client hears when the message is safe, or cannot be."""
        try:
            await stored
        except (StorageError, OSError) as error:
            self._refuse_for_now(error)
            return await self._refused()
        self._note()
        return self._queued()

    def _note(self) -> None:
        """The page tells who sent what."""
        self._parts.visitors.accepted(
            self._client.name,
            at=self._parts.clock.time(),
            peer=self._origin.peer,
            sender=self._envelope.sender,
            subject=self._subject,
            size=self._reader.size,
        )

    async def _reply_when_delivered(
        self, stored: Awaitable[None], queue: Queue, outcome: asyncio.Future[Results]
    ) -> str:
        """`reply = "delivered"`: the client hears what the upstream said, if that comes in time."""
        spool = self._parts.spool
        try:
            reply = await self._reply(stored)
            if self._refusal is not None or not (outcome.done() or spool.courier.sends(queue)):
                return reply
            async with asyncio.timeout(self._client.reply_timeout):
                results = await outcome
            return await self._told(results)
        except TimeoutError:
            return self._queued()
        finally:
            # Until here a report waits for what the client hears; whoever hangs up gets the report.
            spool.unwatch(self._upload.id)

    def _queued(self) -> str:
        return f"250 2.0.0 Queued as {self._upload.id}"

    async def _told(self, results: Results) -> str:
        """Never a 4xx: what is left is in the queue, and a client that tries again would send it twice."""
        if not results or any(result.outcome is not Outcome.FAILED for result in results.values()) or self._gone():
            return self._queued()
        try:
            if not await self._parts.spool.mark_reported(self._upload.id, self._gone):
                return self._queued()  # which nobody reads
        except StorageError:
            return self._queued()  # what cannot be noted would be told twice: the report tells it
        first = next(iter(results.values()))
        text = log.clean(first.text).encode("ascii", "backslashreplace").decode()
        return f"{first.code} {first.status} {text[:_LONGEST_REPLY]}"
