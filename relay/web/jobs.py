"""What takes a while and is watched on a page: a test message, an examination, a sign-in. The last ones are kept."""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from relay import log
from relay.doctor import Step
from relay.log import clean
from relay.model import Clock

_MOST = 50
_MOST_RUNNING = 8
_MOST_LINES = 500
_QUESTION_LASTS = 900.0


@dataclass
class Job:
    """One piece of work: `lines` and `steps` grow while it runs; `good` is None until it has ended.

    `question` is what the person is asked now ("" for nothing), `link` what he is to open, `left` the seconds that he
    has for it.
    """

    id: str
    kind: str
    account: str
    started_at: float
    lines: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    good: bool | None = None
    question: str = ""
    yes_or_no: bool = False
    link: str = ""
    left: float = 0.0
    changes: int = 0
    _answer: "asyncio.Future[str] | None" = None
    _task: "asyncio.Task[None] | None" = None

    def say(self, text: str) -> None:
        """One more line."""
        if len(self.lines) < _MOST_LINES:
            self.lines.extend(clean(line) for line in text.splitlines() if line.strip())
        self.changes += 1

    def tell(self, step: Step) -> None:
        """One more finding."""
        self.steps.append(step)
        self.changes += 1

    async def ask(self, question: str, *, yes_or_no: bool = False) -> str:
        """What the person answers on the page. Raises TimeoutError after a quarter of an hour."""
        self._answer = asyncio.get_running_loop().create_future()
        self.question, self.yes_or_no = clean(question), yes_or_no
        self.changes += 1
        try:
            async with asyncio.timeout(_QUESTION_LASTS):
                return await self._answer
        finally:
            self.question, self._answer = "", None
            self.changes += 1

    def answer(self, text: str) -> bool:
        """Answer the question; False when none is open."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(text)
        return True

    def stop(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()


class TooManyJobsError(Exception):
    """Too much is under way."""


class Jobs:
    """All jobs of the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Job] = OrderedDict()

    def start(self, kind: str, account: str, work: Callable[[Job], Awaitable[bool]]) -> Job:
        """Begin `work`, which says whether all went well. Raises TooManyJobsError."""
        if sum(job.good is None for job in self._kept.values()) >= _MOST_RUNNING:
            raise TooManyJobsError("too much is under way already: wait for one to end")
        job = Job(secrets.token_urlsafe(9), kind, account, self._clock.time())
        self._kept[job.id] = job
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)[1].stop()
        job._task = asyncio.create_task(_run(job, work), name=f"{kind} {account}")  # noqa: SLF001 (they are one)
        return job

    def find(self, identifier: str) -> Job | None:
        """The job of that id."""
        return self._kept.get(identifier)

    @property
    def changes(self) -> int:
        """Another number when something has happened."""
        return sum(job.changes for job in self._kept.values())

    async def close(self) -> None:
        """Give up what is under way: the relay stops."""
        tasks = [job._task for job in self._kept.values() if job._task is not None]  # noqa: SLF001 (they are one)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _run(job: Job, work: Callable[[Job], Awaitable[bool]]) -> None:
    job.good = None
    try:
        good = await work(job)
    except asyncio.CancelledError:
        job.say("given up")
        job.good = False
        raise
    except TimeoutError:
        job.say("no answer came: start over")
        good = False
    except Exception as error:  # noqa: BLE001 (the page tells of it, and the relay goes on)
        log.internal_error(f"{job.kind} {job.account} failed", error)
        job.say(f"internal error: {type(error).__name__}; the log has more")
        good = False
    job.good = good
    job.changes += 1
