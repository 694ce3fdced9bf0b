"""What is written down of a session, and what is not."""

from pathlib import Path

from relay.listener.conversation import LONGEST_LINE, MOST_LINES, Conversation
from tests.support.door import door


def test_no_login_is_written_down() -> None:
    talk = Conversation()
    for line in (
        b"EHLO c",
        b"auth PLAIN c2VjcmV0",
        b"AUTH LOGIN",
        b"AUTH LOGIN c2VjcmV0 x",
        b"c2VjcmV0",
        b"AUTH  PLAIN\tc2VjcmV0",
    ):
        talk.heard(line)
    assert "c2VjcmV0" not in talk.text
    assert talk.text.splitlines()[1:] == [
        "C: auth PLAIN ***",
        "C: AUTH LOGIN",
        "C: AUTH LOGIN ***",
        "C: (not a command)",
        "C: AUTH PLAIN ***",
    ]


def test_it_has_an_end() -> None:
    talk = Conversation()
    for _ in range(1000):
        talk.heard(b"NOOP " + b"x" * 5000)
    assert talk.text.count("\n") + 1 == MOST_LINES
    assert len(talk.text) < MOST_LINES * (LONGEST_LINE + 10)


def test_the_next_message_begins_after_the_greeting() -> None:
    talk = Conversation()
    for line in (b"EHLO c", b"MAIL FROM:<a@x>", b"RCPT TO:<b@x>"):
        talk.heard(line)
    talk.next_message()
    talk.heard(b"MAIL FROM:<c@x>")
    assert talk.text == "C: EHLO c\nC: MAIL FROM:<c@x>"


async def test_who_logs_in_for_a_sink_is_written_down_from_the_start(tmp_path: Path) -> None:
    """Also where the address alone is that of a client whose mail really leaves."""
    clients = (
        '[clients.app]\nnetworks = ["127.0.0.0/8"]\naccount = "office"\nsenders = ["*"]\n'
        '[clients.staging]\npassword = "secret"\naccount = "tests"\nsenders = ["*"]\nreply = "queued"\n'
        '[accounts.tests]\nprovider = "sink"\n'
    )
    async with door(tmp_path, clients=clients) as opened:
        line = await opened.knock()
        assert (await line.say("EHLO c")).startswith("250")
        assert (await line.say("AUTH PLAIN AHN0YWdpbmcAc2VjcmV0")).startswith("235")
        await line.begin()
        assert (await line.say(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250")
        ((claim, _),) = await opened.taken("tests")
    told = claim.message.origin.conversation
    assert told.startswith("S: 220 ")
    assert "C: EHLO c" in told
    assert "C: AUTH PLAIN ***" in told
    assert "AHN0YWdpbmcAc2VjcmV0" not in told
    assert told.splitlines()[-2:] == ["C: DATA", "S: 354 End data with <CR><LF>.<CR><LF>"]


async def test_nothing_is_written_down_of_a_client_whose_mail_leaves(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        line = await opened.knock()
        await line.begin()
        assert (await line.say(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250")
        ((claim, _),) = await opened.taken()
    assert claim.message.origin.conversation == ""
