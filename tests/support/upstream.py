"""An upstream that answers as a test tells it to."""

import asyncio
from collections.abc import Callable

from relay.model import Identity, Message, Outcome, Result, Results, Scope

SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
BUSY = Result(Outcome.DEFERRED, 451, "4.3.0", "busy", Scope.MESSAGE)
NO_USER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")
REVOKED = Result(Outcome.DEFERRED, 454, "4.7.0", "token revoked", Scope.IDENTITY, hint="sign in again")


class ScriptedUpstream:
    """Answers each attempt with the next of `answers`, the last one for ever; `hold()` makes attempts wait."""

    def __init__(
        self, *answers: Result | Results | Exception, mailbox: str = "office@x.org", concurrency: int = 2
    ) -> None:
        self.identity = Identity("smtp", "", "", mailbox)
        self.concurrency = concurrency
        self.seen: list[Message] = []
        self.running = 0
        self.most_running = 0
        self.closed = False
        self._answers = list(answers)
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    async def send(self, message: Message, trace: Callable[[str], None] | None = None) -> Results:
        if trace is not None:
            trace(f"> {message.id}")
        self.seen.append(message)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self._open.wait()
        finally:
            self.running -= 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, dict) else dict.fromkeys(message.envelope.recipients, answer)

    async def close(self) -> None:
        self.closed = True
