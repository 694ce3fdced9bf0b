"""Accounts that send nothing: `sink` keeps what it got and tells of it, `discard` forgets it, `fail` refuses it."""

import email.parser
import html
from collections.abc import Iterator
from email.message import Message as Parsed
from typing import Protocol

from relay import log, mime
from relay.database import StorageError
from relay.model import Identity, Message, Outcome, Result, Results, Scope
from relay.upstream.body import ContentError, chunks
from relay.upstream.trouble import Trace

_MOST_TEXT = 64 * 1024
_MOST_READ = 512 * 1024
"""Octets of a body in which its text is looked for."""
_MOST_MULTIPARTS = 20
"""A message with more, parts within parts, is shown as it came: the parser's work grows with their square."""
_SILENT = ("style", "script")
_CONCURRENCY = 20


class Keeper(Protocol):
    """Where a sink's mail is kept."""

    async def keep(self, message: Message) -> None:
        """Keep `message`, durably. Raises StorageError or OSError: then it was not kept."""
        ...


class _LocalUpstream:
    """What accounts without a server have in common: nothing to connect to, nothing to close."""

    concurrency = _CONCURRENCY

    def __init__(self, name: str, identity: Identity) -> None:
        self.identity = identity
        self._name = name

    async def close(self) -> None:
        """Nothing to close."""


class Sink(_LocalUpstream):
    """Takes everything, has `keeper` keep it and says so; `full` writes the text of each message to the log too."""

    def __init__(self, name: str, identity: Identity, *, full: bool, keeper: Keeper | None = None) -> None:
        super().__init__(name, identity)
        self._full = full
        self._keeper = keeper

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Keep and log the message: sent, or deferred while the disk refuses."""
        try:
            if self._keeper is not None:
                await self._keeper.keep(message)
        except (StorageError, OSError) as error:
            reason = f"the sink cannot keep it now: {error}"
            return _all(message, Result(Outcome.DEFERRED, 452, "4.3.1", reason, Scope.ACCOUNT), trace)
        await self._tell(message)
        kept = "kept by the sink, not delivered" if self._keeper else "logged by the sink, not delivered"
        return _all(message, Result(Outcome.SENT, 250, "2.0.0", kept), trace)

    async def _tell(self, message: Message) -> None:
        envelope, client = message.envelope, message.origin.client
        subject = mime.subject(mime.split_headers(message.headers))
        log.upstream.sink_took(
            message.id, self._name, envelope.sender, envelope.recipients, subject, message.size, client
        )
        if self._full:
            for line in (await text(message)).splitlines():
                log.upstream.sink_text(message.id, line)


class Discard(_LocalUpstream):
    """Takes everything and forgets it."""

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Always sent."""
        log.upstream.discarded(message.id, self._name, message.envelope.recipients, message.size)
        return _all(message, Result(Outcome.SENT, 250, "2.0.0", "discarded, not delivered"), trace)


class Fail(_LocalUpstream):
    """Refuses everything, to see what an application does then."""

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Always failed."""
        reason = 'this account refuses everything (provider = "fail")'
        return _all(message, Result(Outcome.FAILED, 550, "5.7.1", reason, Scope.MESSAGE), trace)


async def text(message: Message) -> str:
    """The text of the message as people read it, at most 64 KiB of it."""
    read = bytearray(message.headers + b"\r\n")
    try:
        async for chunk in chunks(message.body):
            read += chunk[:_MOST_READ]
            if len(read) > _MOST_READ:
                break
    except ContentError as error:
        return f"({error})"
    nested = read.lower()
    if nested.count(b"multipart/") + nested.count(b"message/rfc822") > _MOST_MULTIPARTS:
        return bytes(read[:_MOST_TEXT]).decode("utf-8", "replace")
    parsed = email.parser.BytesParser().parsebytes(bytes(read[:_MOST_READ]))
    shown = "\n".join(_texts(parsed, "text/plain")) or "\n".join(map(_words, _texts(parsed, "text/html")))
    if len(shown) > _MOST_TEXT:
        return f"{shown[:_MOST_TEXT]}\n(cut here)"
    return shown or "(no text)"


def _texts(parsed: Parsed, wanted: str) -> Iterator[str]:
    for part in parsed.walk():
        if part.get_content_type() != wanted or part.get_content_disposition() == "attachment":
            continue
        octets = part.get_payload(decode=True)
        if not isinstance(octets, bytes):
            continue
        try:
            yield octets.decode(part.get_content_charset() or "utf-8", "replace")
        except LookupError:
            yield octets.decode("utf-8", "replace")


def _words(page: str) -> str:
    """HTML without its tags: enough to find the link or the code that a message is about. One pass, whatever comes."""
    first, *pieces = page.split("<")
    shown = [first]
    hidden = ""
    for piece in pieces:
        tag, _, words = piece.partition(">")
        name = tag[:7].lower()
        if hidden and not name.startswith(f"/{hidden}"):
            continue
        hidden = next((silent for silent in _SILENT if name.startswith(silent)), "")
        if not hidden:
            shown.append(words)
    lines = html.unescape(" ".join(shown)).splitlines()
    return "\n".join(" ".join(bare) for line in lines if (bare := line.split()))


def _all(message: Message, result: Result, trace: Trace | None) -> Results:
    if trace is not None:
        trace(f"({result.code} {result.status} {result.text})")
    return dict.fromkeys(message.envelope.recipients, result)
