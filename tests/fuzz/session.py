"""The listener's octet path: a whole session in this process, over a transport that is only a list.

The first octet of an input chooses the profile and how the rest is cut. Whatever comes: no internal error, replies that
are replies, content without bare line ends, and the same messages whether the octets come one by one or all at once.
"""

import asyncio
import logging
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

from relay import config
from relay.listener import Parts, Server
from relay.listener.authentication import Attempt, PasswordChecker, Verdict
from relay.listener.foreign import looks_foreign
from relay.model import Clock
from relay.oauth import Bearer
from relay.oauth.logins import Answer
from relay.oauth.logins import Verdict as TokenVerdict
from relay.policy import Policy
from relay.spool import Nobody, Spool, Submission, Upload
from tests.fuzz.invariants import count_of_dots

CONFIGURATION = """
hostname = "relay.test"
[listeners.standard]
bind = ["127.0.0.1:2525"]
max_recipients = 5
max_message_size = "20KiB"
[listeners.legacy]
bind = ["127.0.0.1:2526"]
profile = "legacy"
max_message_size = "20KiB"
[clients.near]
networks = ["127.0.0.0/8"]
account = "hub"
senders = ["*"]
[clients.printer]
password = "secret"
account = "hub"
senders = ["printer@x.org"]
[clients.scanner]
password = "secret"
account = "hub"
sender = "force"
[clients.app]
issuer = "https://id.example.com"
audience = "relay"
account = "hub"
[accounts.hub]
provider = "smtp"
host = "mail.example"
mailbox = "hub@x.org"
"""
_REPLY = re.compile(rb"(220 relay\.test ESMTP relay|250[ -][^\r\n]*|334 [A-Za-z0-9+/=]*|354 [ -~]+)\r\n")
_STATUS = re.compile(rb"([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3} [^\r\n\0]+\r\n")


class Kept(NamedTuple):
    """A message that was taken: its envelope and its content."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes


class _Room:
    """There is always room."""

    troubles = ()

    def refusal(self, _octets: int = 0) -> str:
        return ""

    def arrival(self) -> "_Room":
        return self

    def grow(self, _octets: int) -> str:
        return ""

    def end(self) -> None:
        pass


class _Spool:
    """Takes messages at once and keeps them in memory."""

    def __init__(self, folder: Path) -> None:
        self.capacity = _Room()
        self.courier = Nobody()
        self.kept: list[Kept] = []
        self._folder = folder
        self._pool = ThreadPoolExecutor(1)
        self._count = 0

    def upload(self) -> Upload:
        return Upload(self.new_id(), self._folder, self._pool)

    def new_id(self) -> str:
        self._count += 1
        return f"{self._count:016x}"

    def put(self, upload: Upload, submission: Submission) -> asyncio.Future[None]:
        body = upload.data
        assert body.count(b"\r") == body.count(b"\n") == body.count(b"\r\n"), "a bare line end was kept"
        assert b"\0" not in body
        assert upload.dots == count_of_dots(body)
        assert upload.size == len(body)
        assert b"\r\n\r\n" not in submission.headers
        for part in (submission, *submission.parts):
            self.kept.append(Kept(part.envelope.sender, part.envelope.recipients, body))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def unwatch(self, message_id: str) -> None:
        pass


class _Checker(PasswordChecker):
    """Knows at once, and lets nobody wait."""

    def at_once(self, attempt: Attempt) -> Verdict | None:
        return (
            Verdict.RIGHT if attempt.plain is not None and attempt.plain.encode() == attempt.password else Verdict.WRONG
        )

    async def failed(self, login: str, address: str) -> None:
        pass


class _NoToken:
    issuer = "https://id.example.com"

    async def check(self, _user: str, _token: bytes) -> Answer:
        return Answer(TokenVerdict.WRONG, "no")


class _Line(asyncio.Transport):
    """A connection whose other end is a list of octets."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000)})
        self.heard = bytearray()
        self.closed = False
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.closed, "something was said after the end"
        self.heard += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class _Mistakes(logging.Handler):
    """Internal errors are what is looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.seen.append(record)


class Sessions:
    """Everything that is made once."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        file = folder / "relay.toml"
        file.write_text(CONFIGURATION)
        file.chmod(0o600)
        settings = config.load(file, {"HOME": str(folder)})
        self._loop = asyncio.new_event_loop()
        self._mistakes = _Mistakes()
        logging.getLogger("relay").addHandler(self._mistakes)
        logging.getLogger("relay").propagate = False
        self._spool = _Spool(folder)
        policy, checker, spool = Policy(settings), _Checker(), cast("Spool", self._spool)
        self._servers = {
            name: Server(
                Parts(
                    *(name, settings.listeners[name], policy, spool, checker, "relay.test", Clock()),
                    bearers={"app": cast("Bearer", _NoToken())},
                )
            )
            for name in ("standard", "legacy")
        }

    def close(self) -> None:
        logging.getLogger("relay").removeHandler(self._mistakes)
        logging.getLogger("relay").propagate = True
        self._spool._pool.shutdown()
        self._loop.close()
        self._folder.cleanup()

    def run(self, name: str, pieces: Sequence[bytes]) -> tuple[bytes, list[Kept]]:
        """What the client hears, and what is kept."""
        self._spool.kept.clear()
        self._mistakes.seen.clear()
        heard = self._loop.run_until_complete(self._talk(name, pieces))
        for mistake in self._mistakes.seen:
            assert mistake.exc_info
            raise AssertionError(mistake.getMessage()) from mistake.exc_info[1]
        return heard, list(self._spool.kept)

    async def _talk(self, name: str, pieces: Sequence[bytes]) -> bytes:
        line = _Line()
        server = self._servers[name]
        begin = server._factory(None)
        session = cast("Any", begin())
        session.connection_made(line)
        for piece in pieces:
            if line.closed:
                break
            session.data_received(piece)
            await _rest(session, line)
        if not line.closed:
            session.eof_received()
            await _rest(session, line)
        session.connection_lost(None)
        await asyncio.sleep(0)
        return bytes(line.heard)


async def _rest(session: Any, line: _Line) -> None:
    """Until nothing of the session is under way."""
    for _ in range(10_000):
        await asyncio.sleep(0)
        if line.closed or (session._step is None and (line.reading or not session._held_up)):
            return
    raise AssertionError("the session does not come to rest")


_made: list[Sessions] = []


def session(data: bytes) -> None:
    """Any octets of a client."""
    if not _made:
        _made.append(Sessions())
    if len(data) < 2:
        return
    name = "legacy" if data[0] & 1 else "standard"
    step = (len(data), 1, 7, 64)[data[0] >> 1 & 3]
    said = data[1:]
    heard, kept = _made[0].run(name, [said])
    for reply in heard.splitlines(keepends=True):
        assert _REPLY.fullmatch(reply) or _STATUS.fullmatch(reply), reply
    if step >= len(data) or looks_foreign(said) or looks_foreign(said[:step]) or said[:1] in b"\rP":
        return
    _, again = _made[0].run(name, [said[start : start + step] for start in range(0, len(said), step)])
    assert kept == again, "how the network cuts it makes a difference"


def forget() -> None:
    """Give back what the target holds."""
    while _made:
        _made.pop().close()
