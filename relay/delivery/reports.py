"""Reports about mail that was not delivered: found in the queue as debts, composed, and put into the queue as mail.

A debt is paid in the commit that queues its report. So a crash can come at any point: what is due is found again.
"""

from collections.abc import Sequence

from relay import bounce, log
from relay.bounce import Action, Notice, Told
from relay.database import StorageError
from relay.model import Clock, DsnWishes, Envelope, Origin
from relay.policy.reports import ReportRules, Route
from relay.spool import Submission
from relay.spool.debts import Debt
from relay.spool.details import RecipientState
from relay.spool.endings import EXPIRED
from relay.spool.reporting import Reports

MOST_AN_HOUR = 20
"""Reports to one address: an application that has run wild must not fill the mailbox of who has to mend it."""

_HOUR = 3600.0
_POLL = 10.0
_LATE_EVERY = 60.0
_EVENTS = {Action.FAILED: "FAILURE", Action.DELAYED: "DELAY", Action.RELAYED: "SUCCESS"}
_ORIGIN = Origin(client="relay", listener="", peer="")


class Reporter:
    """Looks for debts when something has happened, and every few seconds."""

    def __init__(self, reports: Reports, rules: ReportRules, hostname: str, clock: Clock | None = None) -> None:
        self._reports = reports
        self._rules = rules
        self._hostname = hostname
        self._clock = clock or Clock()
        self._looked_at = 0.0

    def use(self, rules: ReportRules, hostname: str) -> None:
        """Tell by these rules from now on: the configuration has changed."""
        self._rules = rules
        self._hostname = hostname

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
            except StorageError as error:
                self._reports.failed(error)
            await self._reports.wait(_POLL)

    async def once(self) -> None:
        """Pay what is due now."""
        debts = await self._reports.due()
        now = self._clock.time()
        # To find what is late takes a look at everything that waits.
        if self._rules.delay is not None and abs(now - self._looked_at) >= _LATE_EVERY:
            self._looked_at = now
            debts += await self._reports.late(self._rules.delay)
        for debt in debts:
            try:
                await self._pay(debt)
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001 (one message must not keep the others' reports back)
                log.internal_error(f"{debt.id}: its report cannot be made", error)
                await self._reports.settle(debt, untold=not debt.late)

    async def _pay(self, debt: Debt) -> None:
        if debt.kind == "report":
            await self._after_refusal(debt)
            return
        told = [one for one in (_told(each, debt) for each in debt.recipients) if _is_wanted(one, debt.dsn)]
        route = self._rules.route(debt.client, debt.sender, debt.account)
        if not isinstance(route, Route) or route.to != debt.sender:
            # That all went well is for who asked, not for the operator.
            told = [one for one in told if one.action is not Action.RELAYED]
        if not told or not self._rules.wanted:
            await self._reports.settle(debt, untold=False)
            return
        if isinstance(route, Route) and await self._reports.count(route.to, _HOUR) >= MOST_AN_HOUR:
            route = f"{route.to} has had {MOST_AN_HOUR} reports within the hour, which is the most"
        if isinstance(route, Route):
            await self._queue(debt, told, route)
            return
        failed = _worst(told) is Action.FAILED
        if await self._reports.settle(debt, untold=failed) and failed:
            log.reports.untold(debt.id, _worst(told).value, route)

    async def _queue(self, debt: Debt, told: Sequence[Told], route: Route) -> None:
        now = self._clock.time()
        identifier = self._reports.new_id()
        notice = await self._notice(debt, told, route, identifier)
        report = bounce.compose(notice)
        # A report about the report would go to a mailbox, not to the null sender: nobody is to write one.
        silent = DsnWishes(notify={route.to: "NEVER"})
        utf8 = report.smtputf8 or not route.to.isascii() or not route.sender.isascii()
        submission = Submission(
            account=route.account,
            envelope=Envelope(route.sender, (route.to,), eight_bit=report.eight_bit, smtputf8=utf8, dsn=silent),
            headers=report.headers,
            origin=_ORIGIN,
            received_at=now,
            expires_at=now + self._rules.max_age(),
            message_id=report.message_id,
            subject=report.subject,
            kind="report",
        )
        if await self._reports.queue(debt, identifier, submission, report.body):
            log.reports.queued(debt.id, identifier, notice.action.value, route.to, [one.address for one in told])

    async def _notice(self, debt: Debt, told: Sequence[Told], route: Route, identifier: str) -> Notice:
        wishes = debt.dsn or DsnWishes()
        wanted = _worst(told) is Action.FAILED and bounce.wants_body(wishes.ret, debt.body_size)
        contacted = any(one.code and one.status != EXPIRED for one in told)
        return Notice(
            report_id=identifier,
            hostname=self._hostname,
            now=self._clock.time(),
            author=route.author,
            to=route.to,
            message=debt.id,
            sender=debt.sender,
            subject=debt.subject,
            message_id=debt.message_id,
            client=debt.client,
            peer=debt.peer,
            account=debt.account,
            received_at=debt.received_at,
            recipients=tuple(told),
            remote=self._rules.remote(debt.account) if contacted else "",
            envid=wishes.envid,
            retry_until=debt.expires_at if debt.late else None,
            headers=debt.headers,
            body=await self._reports.body(debt) if wanted else None,
        )

    async def _after_refusal(self, debt: Debt) -> None:
        """A report has failed: a null sender makes way for a real one, as some servers want; else it stays failed."""
        sender = self._rules.second_sender(debt.account)
        reply = debt.recipients[0] if debt.recipients else RecipientState("", "", 0, "", "", "")
        if sender and not debt.sender and reply.status != EXPIRED:
            await self._reports.send_from(debt, sender)
            log.reports.sent_anew(debt.id, sender)
        elif await self._reports.settle(debt, untold=False):
            log.reports.not_sent(debt.id, reply.address, f"{reply.code} {reply.status} {reply.text}")


def _told(one: RecipientState, debt: Debt) -> Told:
    action = Action.DELAYED if debt.late else Action.RELAYED if one.state == "sent" else Action.FAILED
    orcpt = debt.dsn.orcpt.get(one.address, "") if debt.dsn else ""
    return Told(one.address, action, one.code, one.status, one.text, one.hint, orcpt)


def _is_wanted(told: Told, wishes: DsnWishes | None) -> bool:
    return (wishes or DsnWishes()).wants(told.address, _EVENTS[told.action])


def _worst(told: Sequence[Told]) -> Action:
    actions = {one.action for one in told}
    return next(action for action in Action if action in actions)
