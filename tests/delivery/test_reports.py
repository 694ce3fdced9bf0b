"""Who is told of what, when and how often: on a real queue, with upstreams that answer as they are told."""

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from relay import config
from relay.database.sqlite import SqliteDatabase
from relay.delivery import Delivery
from relay.delivery.reports import MOST_AN_HOUR, Reporter
from relay.model import DsnWishes, Message, Origin
from relay.policy import Policy
from relay.policy.reports import ReportRules
from relay.spool import Queue, Spool, Submission
from relay.spool.reporting import Reports
from relay.upstream import Upstream
from tests.support.clock import FakeClock
from tests.support.spool import HEADERS, put, submission
from tests.support.upstream import BUSY, NO_USER, REVOKED, SENT, ScriptedUpstream

CONFIG = """
hostname = "relay.test"
[accounts.office]
provider = "smtp"
host = "mail.example"
mailbox = "office@example.com"
[accounts.exchange]
provider = "microsoft"
tenant = "contoso.example"
mailbox = "noreply@contoso.example"
[accounts.exchange.oauth]
client_id = "x"
client_secret = "y"
[clients.app]
networks = ["127.0.0.0/8"]
senders = ["app@example.com"]
account = "office"
[queue]
"""
OPERATOR = 'bounce_to = "admin@example.com"\n'
SENDER = 'bounces = "sender"\n'


class Works:
    """A spool, a delivery at work on it, and a reporter that works when it is told to."""

    def __init__(self, spool: Spool, reports: Reports, reporter: Reporter, clock: FakeClock) -> None:
        self.spool = spool
        self.reports = reports
        self.reporter = reporter
        self.clock = clock

    async def submit(self, *recipients: str, body: bytes = b"Hello\r\n", **changes: object) -> str:
        given = submission(*recipients, now=self.clock.time())
        envelope = {key: changes.pop(key) for key in ("sender", "dsn") if key in changes}
        given = replace(given, envelope=replace(given.envelope, **envelope), **changes)  # type: ignore[arg-type]
        return await put(self.spool, given, body)

    async def until(self, state: str, count: int = 1) -> None:
        async with asyncio.timeout(10):
            while len([one for one in await self.spool.recent(1000) if one.state == state]) < count:
                await asyncio.sleep(0.005)

    async def until_seen(self, upstream: ScriptedUpstream, count: int) -> list[Message]:
        """The reports that the upstream has been given."""
        async with asyncio.timeout(10):
            while len(found := [one for one in upstream.seen if one.origin.client == "relay"]) < count:
                await asyncio.sleep(0.005)
        return found

    async def failed(self, *recipients: str, **changes: object) -> str:
        """A message that has failed; its id."""
        before = len([one for one in await self.spool.recent(1000) if one.state == "failed"])
        identifier = await self.submit(*recipients, **changes)  # type: ignore[arg-type]
        await self.until("failed", before + 1)
        return identifier

    async def nobody_is_told(self) -> None:
        await self.reporter.once()
        assert [one for one in await self.spool.recent(1000) if one.kind == "report"] == []


@contextlib.asynccontextmanager
async def works(folder: Path, queue: str, **upstreams: ScriptedUpstream) -> AsyncIterator[Works]:
    path = folder / "relay.toml"
    path.write_text(CONFIG + queue)
    path.chmod(0o600)
    settings = config.load(path, {})
    clock = FakeClock()
    database = SqliteDatabase(folder / "relay.db")
    spool = Spool(database, folder, clock=clock)
    await spool.open()
    ways: dict[str, Upstream] = dict(upstreams)
    delivery = Delivery(spool, ways, retry=(60.0,), clock=clock, jitter=lambda: 0.5)
    reports = Reports(spool, database, folder, clock)
    task = asyncio.create_task(delivery.run())
    await asyncio.sleep(0)
    yield Works(spool, reports, Reporter(reports, ReportRules(settings, Policy(settings)), "relay.test", clock), clock)
    await delivery.stop(5)
    await task
    await spool.close()
    await database.close()


async def read(message: Message) -> EmailMessage:
    body = b"".join([part async for part in message.body.chunks()])
    found = email.message_from_bytes(message.headers + b"\r\n" + body, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def recipients_of(report: EmailMessage) -> dict[str, str]:
    """Final-Recipient -> Action."""
    status = list(report.iter_parts())[1]
    groups = status.get_payload()[1:]  # type: ignore[index]
    return {str(group["Final-Recipient"]).removeprefix("rfc822; "): str(group["Action"]) for group in groups}  # type: ignore[index]


async def test_one_report_for_all_that_failed(tmp_path: Path) -> None:
    upstream = ScriptedUpstream({"a@x.org": SENT, "b@x.org": NO_USER, "c@x.org": NO_USER}, SENT)
    async with works(tmp_path, OPERATOR, office=upstream) as at:
        identifier = await at.failed("a@x.org", "b@x.org", "c@x.org")
        await at.reporter.once()
        await at.reporter.once()
        (message,) = await at.until_seen(upstream, 1)
        assert message.envelope.recipients == ("admin@example.com",)
        assert (message.envelope.sender, message.account) == ("", "office")
        report = await read(message)
        assert recipients_of(report) == {"b@x.org": "failed", "c@x.org": "failed"}
        assert identifier in str(next(report.iter_parts()))
        assert HEADERS in b"".join([part async for part in message.body.chunks()])
        await at.until("sent", 1)
        assert await at.reports.due() == []
        assert len([one for one in await at.spool.recent() if one.kind == "report"]) == 1


@pytest.mark.parametrize(
    ("sender", "client", "to"),
    [
        ("app@example.com", "app", "app@example.com"),
        ("else@example.com", "app", "admin@example.com"),
        ("app@example.com", "gone", "admin@example.com"),
    ],
)
async def test_the_sender_hears_only_when_a_client_may_be_that(
    tmp_path: Path, sender: str, client: str, to: str
) -> None:
    upstream = ScriptedUpstream(NO_USER, SENT)
    async with works(tmp_path, SENDER + OPERATOR, office=upstream) as at:
        await at.failed(sender=sender, origin=Origin(client, "default", "127.0.0.1"))
        await at.reporter.once()
        (message,) = await at.until_seen(upstream, 1)
        assert message.envelope.recipients == (to,)


async def test_exchange_gets_reports_from_its_mailbox(tmp_path: Path) -> None:
    upstream, exchange = ScriptedUpstream(NO_USER), ScriptedUpstream(SENT, mailbox="noreply@contoso.example")
    queue = OPERATOR + 'bounce_account = "exchange"\n'
    async with works(tmp_path, queue, office=upstream, exchange=exchange) as at:
        await at.failed()
        await at.reporter.once()
        (message,) = await at.until_seen(exchange, 1)
        assert message.envelope.sender == "noreply@contoso.example"
        report = await read(message)
        assert report["From"] == "Mail relay <noreply@contoso.example>"
        assert report["Auto-Submitted"] == "auto-replied"
        # Nobody may answer a report with a report.
        assert message.envelope.dsn == DsnWishes(notify={"admin@example.com": "NEVER"})


@pytest.mark.parametrize("queue", ['bounces = "off"\n' + OPERATOR, OPERATOR])
async def test_no_report_about_a_null_sender_or_when_it_is_off(tmp_path: Path, queue: str) -> None:
    async with works(tmp_path, queue, office=ScriptedUpstream(NO_USER)) as at:
        await at.failed(sender="app@example.com" if "off" in queue else "")
        await at.nobody_is_told()
        assert await at.reports.troubles() == (0, 0)


async def test_no_report_about_a_report_whatever_its_sender(tmp_path: Path) -> None:
    upstream, exchange = ScriptedUpstream(NO_USER), ScriptedUpstream(NO_USER, mailbox="noreply@contoso.example")
    queue = OPERATOR + 'bounce_account = "exchange"\n'
    async with works(tmp_path, queue, office=upstream, exchange=exchange) as at:
        await at.failed()
        await at.reporter.once()
        await at.until("failed", 2)
        await at.reporter.once()
        assert len([one for one in await at.spool.recent() if one.kind == "report"]) == 1
        assert await at.reports.troubles() == (0, 1)
        assert await at.reports.due() == []


async def test_a_null_sender_that_is_refused_makes_way_for_the_mailbox_once(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(NO_USER)
    async with works(tmp_path, OPERATOR, office=upstream) as at:
        await at.failed()
        await at.reporter.once()
        await at.until("failed", 2)
        await at.reporter.once()
        await at.until_seen(upstream, 2)
        await at.until("failed", 2)
        await at.reporter.once()
        assert [one.envelope.sender for one in upstream.seen] == ["app@example.com", "", "office@example.com"]
        assert await at.reports.troubles() == (0, 1)


async def test_without_anybody_to_tell_it_is_counted(tmp_path: Path) -> None:
    async with works(tmp_path, "", office=ScriptedUpstream(NO_USER)) as at:
        await at.failed()
        await at.nobody_is_told()
        assert await at.reports.troubles() == (1, 0)
        assert await at.reports.due() == []


async def test_one_address_is_not_flooded(tmp_path: Path) -> None:
    upstream = ScriptedUpstream({"a@example.org": NO_USER}, concurrency=1)
    async with works(tmp_path, OPERATOR, office=upstream) as at:
        for _ in range(MOST_AN_HOUR + 3):
            await at.failed()
        await at.reporter.once()
        found = [one for one in await at.spool.recent(1000) if one.kind == "report"]
        assert len(found) == MOST_AN_HOUR
        assert (await at.reports.troubles())[0] == 3
        await at.clock.advance(3601)
        assert await at.reports.count("ADMIN@example.com", 3600) == 0


async def test_a_clock_that_is_set_back_silences_nobody(tmp_path: Path) -> None:
    upstream = ScriptedUpstream({"a@example.org": NO_USER}, concurrency=1)
    async with works(tmp_path, OPERATOR, office=upstream) as at:
        for _ in range(MOST_AN_HOUR):
            await at.failed()
        await at.reporter.once()
        at.clock.jump(-5 * 3600.0)
        await at.failed()
        await at.reporter.once()
        found = [one for one in await at.spool.recent(1000) if one.kind == "report"]
        assert (len(found), await at.reports.troubles()) == (MOST_AN_HOUR + 1, (0, 0))


async def test_what_expires_is_told_with_its_last_reason(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(REVOKED)
    async with works(tmp_path, OPERATOR, office=upstream) as at:
        identifier = await at.submit(expires_at=at.clock.time() + 100)
        async with asyncio.timeout(10):
            while not upstream.seen or not (await at.spool.recent())[0].reason:
                await asyncio.sleep(0.005)
        await at.clock.advance(101)
        async with asyncio.timeout(10):
            # The pause has ended too: it is being tried once more. Then delivery may be the first to see its end.
            while not (await at.spool.expire() or (await at.spool.recent())[0].state == "failed"):
                await asyncio.sleep(0.005)
        await at.reporter.once()
        (made,) = [one for one in await at.spool.recent() if one.kind == "report"]
        assert made.subject == "Not delivered: Test"
        assert identifier != made.id
        assert await at.reports.due() == []


async def test_a_delay_is_told_once(tmp_path: Path) -> None:
    async with works(tmp_path, OPERATOR + 'delay_warning = "4h"\n', office=ScriptedUpstream(BUSY)) as at:
        await at.submit()
        await at.submit("b@x.org", dsn=DsnWishes(notify={"b@x.org": "FAILURE"}))
        async with asyncio.timeout(10):
            while [one.reason for one in await at.spool.recent() if one.kind == "mail"].count("451 4.3.0 busy") < 2:
                await asyncio.sleep(0.005)
        await at.reporter.once()
        assert len(await at.spool.recent()) == 2
        at.clock.now += 4 * 3600
        for _ in range(2):
            await at.reporter.once()
        (made,) = [one for one in await at.spool.recent() if one.kind == "report"]
        assert made.subject == "Delayed: Test"


@pytest.mark.parametrize(
    ("notify", "told"), [("NEVER", 0), ("SUCCESS,DELAY", 0), ("FAILURE", 1), ("SUCCESS,FAILURE", 1)]
)
async def test_what_the_client_asked_for_is_honoured(tmp_path: Path, notify: str, told: int) -> None:
    async with works(tmp_path, OPERATOR, office=ScriptedUpstream(NO_USER)) as at:
        await at.failed(dsn=DsnWishes(notify={"a@example.org": notify}))
        await at.reporter.once()
        assert len([one for one in await at.spool.recent() if one.kind == "report"]) == told


@pytest.mark.parametrize(("queue", "passed_on", "told"), [(SENDER, False, 1), (SENDER, True, 0), (OPERATOR, False, 0)])
async def test_success_is_told_to_who_asked_where_the_upstream_does_not(
    tmp_path: Path, queue: str, passed_on: bool, told: int
) -> None:
    upstream = ScriptedUpstream(replace(SENT, passed_on=passed_on), SENT)
    async with works(tmp_path, queue, office=upstream) as at:
        await at.submit(dsn=DsnWishes("HDRS", "e1", {"a@example.org": "SUCCESS,FAILURE"}, {}))
        await at.until("sent")
        await at.reporter.once()
        reports = [one for one in await at.spool.recent() if one.kind == "report"]
        assert len(reports) == told
        if told:
            (message,) = await at.until_seen(upstream, 1)
            report = await read(message)
            assert recipients_of(report) == {"a@example.org": "relayed"}
            assert b"Original-Envelope-Id: e1" in bytes(report)
            assert list(report.iter_parts())[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize(("size", "ret", "whole"), [(70_000, "", False), (70_000, "FULL", True), (70, "HDRS", False)])
async def test_large_messages_go_back_only_when_asked(tmp_path: Path, size: int, ret: str, whole: bool) -> None:
    upstream = ScriptedUpstream(NO_USER, SENT)
    body = (b"x" * 68 + b"\r\n") * (size // 70)
    async with works(tmp_path, OPERATOR, office=upstream) as at:
        await at.failed(body=body, dsn=DsnWishes(ret))
        await at.reporter.once()
        (message,) = await at.until_seen(upstream, 1)
        assert (body in b"".join([part async for part in message.body.chunks()])) is whole


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE message SET dsn = '{', origin = 'x' WHERE kind = 'mail'",
        "UPDATE message SET headers = x'58' WHERE kind = 'mail'",
        "UPDATE message SET received_at = 1e300 WHERE seq = 1",
    ],
)
async def test_a_damaged_message_keeps_no_other_report_back(tmp_path: Path, damage: str) -> None:
    async with works(tmp_path, OPERATOR, office=ScriptedUpstream(NO_USER, NO_USER, SENT)) as at:
        await at.failed(body=b"x" * 100_000, dsn=DsnWishes("FULL"))
        await at.failed()
        for path in (tmp_path / "bodies").iterdir():
            path.unlink()
        await at.spool._write(lambda connection: connection.execute(damage))
        await at.reporter.once()
        assert await at.reports.due() == []
        untold, _ = await at.reports.troubles()
        assert untold + len([one for one in await at.spool.recent() if one.kind == "report"]) == 2


async def test_a_debt_is_paid_once_and_survives_until_it_is(tmp_path: Path) -> None:
    """Two who look at the same debt, and a retry between look and report."""
    async with works(tmp_path, OPERATOR, office=ScriptedUpstream(NO_USER)) as at:
        await at.failed()
        (debt,) = await at.reports.due()
        (again,) = await at.reports.due()
        to = submission("admin@example.com").envelope
        made = Submission("office", to, b"X: y\r\n", Origin("relay", "", ""), 0.0, 1e12, kind="report")
        assert await at.reports.queue(debt, "first", made, b"")
        assert not await at.reports.queue(again, "second", made, b"")
        assert not await at.reports.settle(again, untold=False)
        assert "second" not in {one.id for one in await at.spool.recent()}


async def test_who_waits_for_a_reply_gets_no_report_until_he_has_gone(tmp_path: Path) -> None:
    async with works(tmp_path, OPERATOR, office=ScriptedUpstream(NO_USER)) as at:
        upload = at.spool.upload()
        results = at.spool.watch(upload.id, Queue("office"))
        await at.spool.put(upload, submission(now=at.clock.time()))
        assert await results == {"a@example.org": NO_USER}
        await at.nobody_is_told()
        at.spool.unwatch(upload.id)
        assert at.spool.owed.is_set()
        await at.reporter.once()
        assert len([one for one in await at.spool.recent() if one.kind == "report"]) == 1


async def test_who_has_heard_it_himself_gets_no_report(tmp_path: Path) -> None:
    async with works(tmp_path, OPERATOR, office=ScriptedUpstream(NO_USER)) as at:
        identifier = await at.failed()
        assert await at.spool.mark_reported(identifier, lambda: False)
        await at.nobody_is_told()


async def test_a_pause_lets_those_go_who_wait_for_a_reply(tmp_path: Path) -> None:
    async with works(tmp_path, OPERATOR, office=ScriptedUpstream(REVOKED)) as at:
        waiting = at.spool.watch("another", Queue("office"))
        assert at.spool.courier.sends(Queue("office"))
        await at.submit()
        async with asyncio.timeout(5):
            assert await waiting == {}
        assert not at.spool.courier.sends(Queue("office"))
        assert not at.spool.courier.sends(Queue("nowhere"))
