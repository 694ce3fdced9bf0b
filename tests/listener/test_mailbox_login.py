"""Logins with mailbox passwords at a real listener: what the provider's answer becomes."""

from pathlib import Path
from typing import Any, cast

import pytest

from relay.listener import mailbox_login
from relay.listener.authentication import MOST_FAILURES
from relay.oauth.logins import Answer, Verdict
from tests.support import certificates
from tests.support.clock import FakeClock
from tests.support.door import door
from tests.support.sasl import plain

PEOPLE = '[clients.people]\nauthenticate = "upstream"\n'
ACCOUNT = (
    '[accounts.office]\nprovider = "microsoft"\ntenant = "x.org"\nmailbox = "sender"\n'
    '[accounts.office.oauth]\ngrant = "password"\nclient_id = "1"\n'
)


class Provider:
    """Says `answer` to every login, and notes them."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, bytes]] = []

    async def check(self, mailbox: str, login: str, password: bytes) -> Answer:
        self.asked.append((mailbox, login, password))
        return self.answer


async def test_who_has_logged_in_is_his_mailbox(tmp_path: Path) -> None:
    provider = Provider(Answer(Verdict.RIGHT))
    async with door(tmp_path, clients=PEOPLE, account=ACCOUNT, logins={"office": provider.check}) as at:
        line = await at.knock()
        assert "AUTH PLAIN LOGIN" in await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('Ann@X.org', 'päss')}")).startswith("235")
        assert provider.asked == [("ann@x.org", "Ann@X.org", "päss".encode())]
        assert (await line.say("MAIL FROM:<bob@x.org>")).startswith("550 5.7.1")
        await line.begin(sender="Ann@x.org")
        assert (await line.say(b"From: ann@x.org\r\n\r\nHello\r\n.\r\n")).startswith("250")
        ((claim, _),) = await at.taken()
        assert claim.message.origin.login == "ann@x.org"


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (Answer(Verdict.WRONG, "AADSTS50126"), "535 5.7.8 Authentication credentials invalid"),
        (
            Answer(Verdict.WRONG, "x", "AADSTS50076: Ask \u2013 now.\r\n250 x"),
            "535 5.7.8 AADSTS50076: Ask \\u2013 now.",
        ),
        (Answer(Verdict.LATER, "unreachable"), "454 4.7.0 Temporary authentication failure, please try again later"),
    ],
)
async def test_what_the_client_hears(tmp_path: Path, answer: Answer, reply: str) -> None:
    provider = Provider(answer)
    async with door(tmp_path, clients=PEOPLE, account=ACCOUNT, logins={"office": provider.check}) as at:
        line = await at.knock()
        await line.say("EHLO c")
        heard = await line.say(f"AUTH PLAIN {plain('ann@x.org', 'x')}")
        assert heard.startswith(reply)
        assert "\n" not in heard
        assert (await line.say("MAIL FROM:<ann@x.org>")).startswith("451" if reply.startswith("454") else "530")


async def test_what_is_no_mailbox_is_asked_nobody(tmp_path: Path) -> None:
    provider = Provider(Answer(Verdict.RIGHT))
    async with door(tmp_path, clients=PEOPLE, account=ACCOUNT, logins={"office": provider.check}) as at:
        line = await at.knock()
        await line.say("EHLO c")
        for login in ("printer", "", "a@b@", "\x01@x.org"):
            line = await at.knock()
            await line.say("EHLO c")
            assert (await line.say(f"AUTH PLAIN {plain(login, 'x')}")).startswith("535"), login
        assert provider.asked == []


async def test_where_tls_is_required_nothing_is_taken_before_it(tmp_path: Path) -> None:
    files = certificates.server_files(tmp_path)
    listener = f'tls = "starttls"\n{files.toml}require_tls = true'
    provider = Provider(Answer(Verdict.RIGHT))
    async with door(tmp_path, listener, PEOPLE, account=ACCOUNT, logins={"office": provider.check}) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('ann@x.org', 'x')}")).startswith("538")
        assert provider.asked == []
        assert (await line.say("STARTTLS")).startswith("220")
        await line.start_tls(files.authority.client)
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('ann@x.org', 'x')}")).startswith("235")


class Stranger:
    """A session from another machine, on whatever way it came to a listener without TLS."""

    tls = ""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.heard: list[str] = []

    def push(self, reply: str) -> None:
        self.heard.append(reply)


@pytest.mark.parametrize("peer", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "unknown"])
async def test_a_password_that_has_crossed_a_network_is_not_looked_at(peer: str) -> None:
    session: Any = Stranger(peer)
    await mailbox_login.decide(session, cast("Any", None), cast("Any", None), "ann@x.org", b"x")
    assert [reply[:3] for reply in session.heard] == ["538"]


async def test_an_address_that_guesses_is_heard_no_more(tmp_path: Path) -> None:
    provider = Provider(Answer(Verdict.WRONG))
    clock = FakeClock()
    async with door(tmp_path, clients=PEOPLE, account=ACCOUNT, logins={"office": provider.check}, clock=clock) as at:
        for _ in range(MOST_FAILURES):
            at.checker.note_failure("ann@x.org", "127.0.0.1")
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('ann@x.org', 'x')}")).startswith("454 4.7.0 Too many logins")
        assert provider.asked == []
