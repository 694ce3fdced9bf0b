"""The judge of the chaos test sees what is wrong, and takes no excuse that is none."""

import random
from typing import Any

import pytest

from relay.sandbox import Fault
from tests.chaos import mail
from tests.chaos.agenda import TOO_LONG, agenda
from tests.chaos.evidence import Copy, End, Entry, Evidence, Life, Strike
from tests.chaos.relays import POSTMASTER
from tests.chaos.verdict import Verdict

MAILBOX = "one@sandbox.onmicrosoft.com"
CUT = Fault(kind="disconnect", times=1, mailbox=MAILBOX)


def entry(end: End = End.ACCEPTED, *recipients: str) -> Entry:
    return Entry("k", "app", recipients or ("k-0@x.org",), 100, 1000.0, end, "250 2.0.0 Queued as m1")


def copy(at: float = 1001.0, *recipients: str, **changes: Any) -> Copy:
    values: dict[str, Any] = {"way": "smtp", "mailbox": MAILBOX, "key": "k", "whole": True, "relay_id": "m1"} | changes
    return Copy(at, values.pop("way"), values.pop("mailbox"), recipients or ("k-0@x.org",), **values)


def line(at: float, outcome: str = "sent", recipients: str = "<k-0@x.org>") -> dict[str, Any]:
    stamp = f"1970-01-01T00:{int(at) // 60:02d}:{at % 60:06.3f}Z"
    return {"time": stamp, "event": outcome, "id": "m1", "recipients": recipients, "message": f"m1: {outcome}"}


def judge(one: Entry, *copies: Copy, killed_at: float = 0.0, **more: Any) -> Verdict:
    life = Life(1, 999.0, killed_at, more.pop("events", ()), more.pop("strange", ()))
    return Verdict(Evidence({"k": one}, list(copies), [life], **more))


def texts(verdict: Verdict) -> str:
    return " ".join(finding.text for finding in verdict.findings)


def test_all_is_well() -> None:
    assert judge(entry(), copy(), events=[line(1001.1)]).findings == []
    assert judge(entry(End.UNKNOWN)).findings == []
    assert judge(entry(End.UNKNOWN), copy()).findings == []
    assert judge(entry(End.REFUSED)).findings == []
    assert judge(entry(), copy(), copy(1002.0, POSTMASTER, key="")).findings == []


@pytest.mark.parametrize(
    ("one", "copies", "text"),
    [
        (entry(), [], "was accepted and never reached ['k-0@x.org']"),
        (entry(End.ACCEPTED, "k-0@x.org", "k-1@x.org"), [copy()], "never reached ['k-1@x.org']"),
        (entry(), [copy(1001.0, "k-0@x.org", "k-7@x.org")], "went to ['k-7@x.org'], who are not its recipients"),
        (entry(), [copy(), copy(1002.0, "boss@x.org", key="")], "mail that no client wrote"),
        (entry(), [copy(), copy(1002.0, "k-0@x.org", key="q")], "a message q was delivered that no client wrote"),
        (entry(), [copy(whole=False)], "arrived with another body"),
        (entry(End.UNFINISHED), [copy()], "was delivered though its client's end was: unfinished"),
        (entry(End.REFUSED), [copy()], "was delivered though its client's end was: refused"),
        (entry(), [copy(), copy(1002.0)], "was delivered 2 times to k-0@x.org; 0 of them have a reason"),
        (
            entry(End.ACCEPTED, "k-0@x.org", mail.REFUSED),
            [copy(1001.0, "k-0@x.org", mail.REFUSED)],
            "whom the stand-in",
        ),
    ],
)
def test_what_must_not_be(one: Entry, copies: list[Copy], text: str) -> None:
    assert text in texts(judge(one, *copies))


def test_without_recipients() -> None:
    nobody = Copy(1001.0, "smtp", MAILBOX, (), "k", whole=True, relay_id="m1")
    assert "without a recipient" in texts(judge(entry(), copy(), nobody))


@pytest.mark.parametrize(
    ("events", "killed_at", "text"),
    [
        ([line(1001.1), line(1002.1)], 0.0, "was sent 2 times to k-0@x.org, says the log"),
        ([line(1001.1, "failed")], 0.0, "failed for k-0@x.org"),
        ([line(1000.5)], 0.0, "is said to have been sent to k-0@x.org, and nobody had taken it"),
        ([{"event": "internal error", "message": "m1 failed"}], 0.0, "m1 failed"),
    ],
)
def test_what_the_log_must_not_say(events: list[dict[str, Any]], killed_at: float, text: str) -> None:
    assert text in texts(judge(entry(), copy(), killed_at=killed_at, events=events))


def test_a_kill_explains_only_what_the_relay_cannot_have_known() -> None:
    twice = (copy(1001.0), copy(1005.0))
    assert judge(entry(), *twice, killed_at=1001.3, events=[line(1005.1)]).reasons == {"kill": 1}
    assert "2 times" in texts(judge(entry(), *twice, killed_at=1001.3, events=[line(1001.1), line(1005.1)]))
    assert "2 times" in texts(judge(entry(), *twice, killed_at=1001.3, events=[line(1001.1, "deferred")]))
    assert "2 times" in texts(judge(entry(), *twice, killed_at=1000.0))
    assert "3 times" in texts(judge(entry(), *twice, copy(1006.0), killed_at=1001.3))


@pytest.mark.parametrize(
    ("strike", "well"),
    [
        (Strike(1001.0, CUT), True),
        (Strike(1001.0, Fault(kind="disconnect", times=1, mailbox="two@x.org")), False),
        (Strike(1001.0, Fault(kind="disconnect", times=1, after_reply=True)), False),
        (Strike(1001.0, Fault(kind="disconnect", at="rcpt", times=1)), False),
        (Strike(1001.0, Fault(kind="disconnect", at="graph_taken", times=1)), False),
        (Strike(1001.5, CUT), False),
        (Strike(1001.0 - TOO_LONG, Fault(kind="slow", seconds=TOO_LONG, times=1)), True),
        (Strike(1001.0, Fault(kind="slow", seconds=TOO_LONG, times=1)), False),
        (Strike(1000.6, Fault(kind="slow", seconds=0.4, times=1)), False),
    ],
)
def test_a_fault_explains_only_the_message_that_it_struck(strike: Strike, well: bool) -> None:
    found = judge(entry(), copy(1001.0), copy(1020.0), strikes=[strike], events=[line(1020.1)])
    assert (found.findings == []) is well, texts(found)


def test_an_outage_explains_what_the_relay_could_not_hear() -> None:
    twice = (copy(1001.0), copy(1009.0))
    deferred = [line(1001.5, "deferred"), line(1009.1)]
    assert judge(entry(), *twice, outages=[1001.2], events=deferred).reasons == {"outage": 1}
    assert judge(entry(), *twice, events=deferred).findings


def test_the_history_tells_who_did_what_when() -> None:
    twice = (copy(1001.0), copy(1002.0))
    told = judge(entry(), *twice, events=[line(1001.5), line(1002.1)], strikes=[Strike(1002.5, CUT)]).told(1)
    rows = [row.split(None, 1)[1] for row in told.splitlines() if row.startswith("     ")]
    assert [row.split()[0] for row in rows] == ["client", "stand-in", "relay", "stand-in", "relay", "fault"]
    assert "in the end the client knows: accepted 250 2.0.0 Queued as m1" in told


def test_a_seed_is_one_order_of_troubles() -> None:
    assert agenda("a", 60) == agenda("a", 60)
    assert agenda("a", 60) != agenda("b", 60)
    assert {step.what for step in agenda("a", 60)} == {"fault", "kill", "outage", "behave"}


@pytest.mark.parametrize("seed", range(20))
def test_a_message_is_known_by_what_arrives(seed: int) -> None:
    made = mail.make(f"app0-{seed}", MAILBOX, random.Random(seed))
    hop = b"Received: from app by relay.chaos.example with ESMTPA id 06gzvfrk8ybrkcr7\r\n"
    assert mail.look(hop + made.content) == mail.Seen(made.key, whole=True, relay_id="06gzvfrk8ybrkcr7")
    assert not mail.look(made.content[:-1] + b"?").whole
    assert mail.look(b"Subject: report\r\n\r\n" + made.content).key == ""
    assert made.on_the_wire.replace(b"\r\n..", b"\r\n.") == made.content
