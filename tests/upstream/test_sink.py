"""Accounts that send nothing: what they answer, and what they tell."""

import logging
import time

import pytest

from relay.database import StorageError
from relay.model import Envelope, Identity, MemoryBody, Message, Origin, Outcome, Result, Scope
from relay.upstream.sink import Discard, Fail, Sink, text
from tests.upstream.parts import message, only

WHO = Identity("sink", "", "", "sink")


def mail(headers: str, body: bytes = b"Hello\r\n", *recipients: str) -> Message:
    return message(*recipients, headers=headers.replace("\n", "\r\n").encode(), body=body)


async def test_sink_tells_what_it_got(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    subject = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?4oKs?=\n from Ann\n"
    got = await Sink("sink", WHO, full=False).send(mail(subject, b"Secret text\r\n", "a@x", "b@x"))
    assert got == dict.fromkeys(("a@x", "b@x"), Result(Outcome.SENT, 250, "2.0.0", "logged by the sink, not delivered"))
    (record,) = caplog.records
    line = record.getMessage()
    for part in ('"Grüße€ from Ann"', "<office@contoso.com>", "<a@x>, <b@x>", "octets", "by erp", "m1"):
        assert part in line
    assert "Secret" not in line


async def test_sink_with_full_tells_the_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    body = b"Your code is 123456\r\n\r\nm1: sent to nobody\r\n"
    await Sink("sink", WHO, full=True).send(mail("Subject: code\n", body))
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "m1: | Your code is 123456",
        "m1: | ",
        "m1: | m1: sent to nobody",
    ]


async def test_many_recipients_make_no_endless_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    people = [f"person{number}@example.com" for number in range(1000)]
    await Sink("sink", WHO, full=False).send(mail("Subject: x\n", b"", *people))
    assert "and 990 more" in caplog.text
    assert len(caplog.records[0].getMessage()) < 1000


MULTIPART = """Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe =
weiter
--c
Content-Type: text/html

<p>Gr&uuml;&szlig;e</p>
--c--
--b
Content-Type: text/plain
Content-Disposition: attachment; filename=notes.txt

not this
--b--
"""
HTML = """Content-Type: text/html; charset=utf-8

<html><style>p {color: red}</style><p>Your&nbsp;code: <b>42</b></p>
<script>alert(1)</script><a href="https://x/?a=1">reset</a></html>
"""


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (MULTIPART, "Grüße weiter"),
        (HTML, "Your code: 42\nreset"),
        ("Content-Type: text/plain; charset=klingon\n\nHällo\n", "Hällo\n"),
        ("Content-Transfer-Encoding: base64\n\nSGVsbG8=\n", "Hello"),
        ("Content-Transfer-Encoding: base64\n\n!!!\n", "(no text)"),
        ("Content-Type: image/png\n\nxxx\n", "(no text)"),
        ("Content-Type: multipart/mixed; boundary=b\n\nno part at all\n", "(no text)"),
    ],
)
async def test_the_text_as_people_read_it(source: str, shown: str) -> None:
    headers, _, body = source.partition("\n\n")
    found = await text(mail(headers + "\n", body.replace("\n", "\r\n").encode()))
    assert found.replace("\r\n", "\n") == shown


async def test_hostile_mail_costs_no_more_than_other_mail() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000))
    unclosed = b"Content-Type: text/html\r\n\r\n" + b"<style" * 80_000 + b"<p>seen"
    began = time.process_time()
    assert (await text(mail("A: b\n", deep))).startswith("A: b")
    for body in (deep, unclosed, b"<" * 500_000, b"&" * 500_000):
        assert await text(mail("Content-Type: text/html\n", body))
    assert time.process_time() - began < 5


async def test_the_text_has_an_end() -> None:
    found = await text(mail("A: b\n", b"x" * 10_000_000))
    assert len(found) < 66_000
    assert found.endswith("(cut here)")


async def test_a_body_that_cannot_be_read_is_still_taken() -> None:
    class Gone(MemoryBody):
        @property
        def size(self) -> int:
            return 10

    stored = mail("A: b\n")
    lost = Message(
        stored.id, stored.account, Envelope("", ("a@x",)), b"", Gone(b"", 0), Origin("c", "l", "p"), received_at=0.0
    )
    assert "stored body" in await text(lost)
    assert only(await Sink("sink", WHO, full=True).send(lost)).outcome is Outcome.SENT


class Keeping:
    """A store that a test looks into; `trouble` is what it meets."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.kept: list[Message] = []
        self._trouble = trouble

    async def keep(self, message: Message) -> None:
        if self._trouble is not None:
            raise self._trouble
        self.kept.append(message)


async def test_what_is_taken_has_been_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    keeper = Keeping()
    given = mail("Subject: x\n")
    result = only(await Sink("sink", WHO, full=False, keeper=keeper).send(given))
    assert (keeper.kept, result.text) == ([given], "kept by the sink, not delivered")


@pytest.mark.parametrize("trouble", [StorageError("no room left"), OSError(28, "no room left")])
async def test_what_cannot_be_kept_waits_and_is_not_told_as_taken(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    result = only(await Sink("sink", WHO, full=False, keeper=Keeping(trouble)).send(mail("Subject: x\n")))
    assert (result.outcome, result.code, result.scope) == (Outcome.DEFERRED, 452, Scope.ACCOUNT)
    assert "no room left" in result.text
    assert caplog.records == []


async def test_discard_says_little(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "relay")
    result = only(await Discard("bin", WHO).send(mail("Subject: x\n")))
    assert (result.outcome, result.code, result.status) == (Outcome.SENT, 250, "2.0.0")
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG


async def test_fail_refuses() -> None:
    trace: list[str] = []
    result = only(await Fail("no", WHO).send(mail("Subject: x\n"), trace.append))
    assert (result.outcome, result.code, result.status, result.scope) == (
        Outcome.FAILED,
        550,
        "5.7.1",
        Scope.MESSAGE,
    )
    assert result.text == 'this account refuses everything (provider = "fail")'
    assert trace == [f"(550 5.7.1 {result.text})"]
