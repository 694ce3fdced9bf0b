"""What clients ask to be told (RFC 3461): read strictly, kept with the message."""

from pathlib import Path

import pytest

from relay.listener.dsn import RecipientWishes, Wishes, recipient_wishes
from relay.listener.paths import BadPath, mail_parameters, parse
from relay.model import DsnWishes
from tests.support.door import CONTENT, door


def test_the_parameters_of_mail() -> None:
    given = mail_parameters(parse("FROM:<a@b> ret=hdrs ENVID=Job+2B7", "FROM"))
    assert (given.ret, given.envid) == ("HDRS", "Job+2B7")


@pytest.mark.parametrize(
    "parameter", ["RET=ALL", "RET", "ENVID", "ENVID=a+b", "ENVID=a+0A", f"ENVID={'x' * 101}", "RET=FULL RET=HDRS"]
)
def test_bad_parameters_of_mail(parameter: str) -> None:
    with pytest.raises(BadPath) as refused:
        mail_parameters(parse(f"FROM:<a@b> {parameter}", "FROM"))
    assert refused.value.code == 501


@pytest.mark.parametrize(
    ("parameters", "wishes"),
    [
        ("", RecipientWishes()),
        ("NOTIFY=never", RecipientWishes("NEVER")),
        ("NOTIFY=SUCCESS,DELAY", RecipientWishes("SUCCESS,DELAY")),
        ("ORCPT=rfc822;Bob+2Bx@y", RecipientWishes("", "rfc822;Bob+2Bx@y")),
        ("ORCPT=utf-8;\\x{FC}@y", RecipientWishes("", "utf-8;\\x{FC}@y")),
        ("ORCPT=UTF-8;ü@y", RecipientWishes("", "UTF-8;ü@y")),
    ],
)
def test_the_parameters_of_rcpt(parameters: str, wishes: RecipientWishes) -> None:
    assert recipient_wishes(parse(f"TO:<a@b> {parameters}", "TO").parameters) == wishes


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("NOTIFY", 501),
        ("NOTIFY=", 501),
        ("NOTIFY=NEVER,SUCCESS", 501),
        ("NOTIFY=SUCCESS,SUCCESS", 501),
        ("NOTIFY=SOMETIMES", 501),
        ("ORCPT", 501),
        ("ORCPT=a@b", 501),
        ("ORCPT=rfc822;a+b", 501),
        ("ORCPT=rfc822;ü@y", 501),
        ("ORCPT=utf-8;a+b", 501),
        (f"ORCPT=rfc822;{'x' * 500}", 501),
        ("RET=FULL", 555),
    ],
)
def test_bad_parameters_of_rcpt(parameter: str, code: int) -> None:
    with pytest.raises(BadPath) as refused:
        recipient_wishes(parse(f"TO:<a@b> {parameter}", "TO").parameters)
    assert refused.value.code == code


def test_the_first_wish_for_a_recipient_counts() -> None:
    wishes = Wishes()
    assert wishes.asked is None
    wishes.add("a@b", RecipientWishes("NEVER"))
    wishes.add("a@b", RecipientWishes("SUCCESS", "rfc822;x@y"))
    assert wishes.asked == DsnWishes("", "", {"a@b": "NEVER"}, {"a@b": "rfc822;x@y"})


async def test_wishes_are_kept_with_their_message_and_no_other(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        assert "250-DSN" in await line.say("EHLO c")
        assert (await line.say("MAIL FROM:<a@x.org> RET=FULL ENVID=e1")).startswith("250")
        assert (await line.say("RCPT TO:<B@x.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y")).startswith("250")
        assert (await line.say("RCPT TO:<c@x.org> NOTIFY=ALWAYS")).startswith("501 5.5.4")
        assert (await line.say("RCPT TO:<d@x.org>")).startswith("250")
        await line.say("DATA")
        assert (await line.say(CONTENT + b".\r\n")).startswith("250")
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250")
        first, second = [claim.message.envelope for claim, _ in await at.taken()]
        assert first.dsn == DsnWishes("FULL", "e1", {"B@x.org": "SUCCESS,FAILURE"}, {"B@x.org": "rfc822;b@y"})
        assert first.recipients == ("B@x.org", "d@x.org")
        assert second.dsn is None
