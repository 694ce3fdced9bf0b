"""What a job does: examine an account, send a test message, have somebody sign in. The commands do the same."""

from collections.abc import Awaitable, Callable

from relay import doctor
from relay.config import Settings
from relay.oauth.consent import ConsentError, authorize
from relay.web.jobs import Job

Task = Callable[[Job], Awaitable[bool]]


def examination(settings: Settings, name: str) -> Task:
    """`relay doctor`: the account's whole way, with nothing sent."""

    async def work(job: Job) -> bool:
        return (await doctor.diagnose(settings, name, job.tell)).good

    return work


def test_message(settings: Settings, name: str, recipient: str, sender: str) -> Task:
    """`relay send-test`: one message the whole way, each step told."""

    async def work(job: Job) -> bool:
        return await doctor.send_test(settings, name, recipient or None, sender or None, job.say)

    return work


def sign_in(settings: Settings, name: str, *, here: bool) -> Task:
    """`relay authorize`; `here`: the browser is on the relay's own machine, and can come back to a port on it."""

    async def work(job: Job) -> bool:
        person = _OnThePage(job, here=here)
        try:
            return (await authorize(settings, name, person, doctor.trial_of(settings, name, job.say))).works
        except ConsentError as error:
            job.say(str(error))
            return False

    return work


class _OnThePage:
    """The person in front of the page."""

    def __init__(self, job: Job, *, here: bool) -> None:
        self._job = job
        self._here = here

    def say(self, text: str) -> None:
        for line in text.splitlines():
            if line.startswith(("https://", "http://")) and " " not in line:
                self._job.link = line
            else:
                self._job.say(line)

    def countdown(self, seconds: float) -> None:
        self._job.left = seconds

    async def open(self, link: str) -> bool:
        self._job.link = link
        return self._here

    async def paste(self) -> str:
        return await self._job.ask("The address at which the browser ended (it may show an error: that is all right)")

    async def ask(self, question: str) -> str:
        return await self._job.ask(question)

    async def confirm(self, question: str) -> bool:
        return await self._job.ask(question, yes_or_no=True) == "yes"
