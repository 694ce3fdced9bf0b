"""Logins with access tokens at a real listener: what the verdict on a token becomes. tests/oauth has the verdicts."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from relay.listener import bearer_login
from relay.listener.authentication import MOST_FAILURES
from relay.listener.mechanisms import Proof
from relay.oauth import Bearer
from relay.oauth.logins import Answer, Verdict
from tests.support.door import SMARTHOST, Line, door
from tests.support.sasl import plain

APP = '[clients.app]\nissuer = "https://id.example.com/x"\naudience = "relay"\n'
TOKEN = "ey.secret.token"


class Verifier:
    """Says `answer` to every token, and notes them."""

    issuer = "https://id.example.com/x"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, bytes]] = []

    async def check(self, user: str, token: bytes) -> Answer:
        self.asked.append((user, token))
        return self.answer


def known(**verifiers: Verifier) -> Mapping[str, Bearer]:
    return cast("Mapping[str, Bearer]", verifiers)


def shown(mechanism: str, user: str = "ann") -> str:
    start = f"user={user}" if mechanism == "XOAUTH2" else f"n,a={user},\x01host=h\x01port=25"
    if not user:
        start = start.replace("a=", "")
    message = f"{start}\x01auth=Bearer {TOKEN}\x01\x01"
    return f"AUTH {mechanism} {base64.b64encode(message.encode()).decode()}"


async def greeted(line: Line) -> Line:
    assert "AUTH XOAUTH2 OAUTHBEARER" in await line.say("EHLO c")
    return line


RIGHT = Answer(Verdict.RIGHT, user="ann@x.org")


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_good_token_is_the_client(tmp_path: Path, caplog: pytest.LogCaptureFixture, mechanism: str) -> None:
    verifier = Verifier(RIGHT)
    caplog.set_level("DEBUG")
    async with door(tmp_path, clients=APP, bearers=known(app=verifier)) as at:
        line = await greeted(await at.knock())
        assert (await line.say(shown(mechanism))).startswith("235 2.7.0")
        assert verifier.asked == [("ann", TOKEN.encode())]
        assert (await line.say("MAIL FROM:<ann@x.org>")).startswith("550 5.7.1"), "its rights are the client's"
        await line.begin(sender="office@x.org")
        assert (await line.say(b"From: office@x.org\r\n\r\nHello\r\n.\r\n")).startswith("250")
        ((claim, _),) = await at.taken()
        assert (claim.message.origin.client, claim.message.origin.login) == ("app", "ann@x.org")
    assert TOKEN not in caplog.text


async def test_who_names_nobody_is_who_the_token_says(tmp_path: Path) -> None:
    verifier = Verifier(RIGHT)
    async with door(tmp_path, clients=APP, bearers=known(app=verifier)) as at:
        line = await greeted(await at.knock())
        assert (await line.say(shown("OAUTHBEARER", ""))).startswith("235")
        assert verifier.asked == [("", TOKEN.encode())]


@pytest.mark.parametrize(
    ("mechanism", "document"),
    [
        ("XOAUTH2", {"status": "401", "schemes": "Bearer"}),
        (
            "OAUTHBEARER",
            {
                "status": "invalid_token",
                "openid-configuration": "https://id.example.com/x/.well-known/openid-configuration",
            },
        ),
    ],
)
async def test_a_bad_token_is_refused_in_two_steps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mechanism: str, document: dict[str, str]
) -> None:
    verifier = Verifier(Answer(Verdict.WRONG, "the access token ended 7 seconds ago"))
    async with door(tmp_path, clients=APP, bearers=known(app=verifier)) as at:
        line = await greeted(await at.knock())
        prompt = await line.say(shown(mechanism))
        assert prompt.startswith("334 ")
        assert json.loads(base64.b64decode(prompt[4:])) == document
        assert (await line.say("AQ==")).startswith("535 5.7.8")
        assert "login refused (the access token ended 7 seconds ago): user <ann> from [127.0.0.1]" in caplog.text
        assert at.checker.failures("ann", "127.0.0.1") == 1
        assert (await line.say("MAIL FROM:<office@x.org>")).startswith("530")
        assert TOKEN not in caplog.text


async def test_the_third_bad_token_ends_the_session(tmp_path: Path) -> None:
    verifier = Verifier(Answer(Verdict.WRONG, "no"))
    async with door(tmp_path, clients=APP, bearers=known(app=verifier)) as at:
        line = await greeted(await at.knock())
        for _ in range(2):
            assert (await line.say(shown("XOAUTH2"))).startswith("334")
            assert (await line.say("")).startswith("535")
        assert (await line.say(shown("XOAUTH2"))).startswith("421")
        assert await line.hear() == ""


async def test_trouble_at_the_issuer_is_temporary(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    verifier = Verifier(Answer(Verdict.LATER, "status 503"))
    async with door(tmp_path, clients=APP, bearers=known(app=verifier)) as at:
        line = await greeted(await at.knock())
        assert (await line.say(shown("XOAUTH2"))).startswith("454 4.7.0 Temporary")
        assert at.checker.failures("ann", "127.0.0.1") == 0
        assert "could not be checked: status 503" in caplog.text


async def test_the_first_client_whose_token_it_is(tmp_path: Path) -> None:
    other = APP.replace(".app]", ".other]").replace('"relay"', '"other"')
    verifiers = {"app": Verifier(Answer(Verdict.WRONG, "not for relay")), "other": Verifier(RIGHT)}
    async with door(tmp_path, clients=APP + other, bearers=known(**verifiers)) as at:
        line = await greeted(await at.knock())
        assert (await line.say(shown("XOAUTH2"))).startswith("235")
        await line.begin(sender="office@x.org")
        await line.say(b"From: office@x.org\r\n\r\nHello\r\n.\r\n")
        assert (await at.taken())[0][0].message.origin.client == "other"


async def test_passwords_are_no_way_to_be_such_a_client(tmp_path: Path) -> None:
    clients = APP + '[clients.printer]\npassword = "x"\n'
    verifier = Verifier(RIGHT)
    async with door(tmp_path, clients=clients, bearers=known(app=verifier)) as at:
        line = await at.knock()
        await line.say("EHLO c")
        for login in ("app", "ann@x.org", ""):
            line = await at.knock()
            await line.say("EHLO c")
            assert (await line.say(f"AUTH PLAIN {plain(login, TOKEN)}")).startswith("535"), login
        assert verifier.asked == []


async def test_passwords_are_not_offered_where_nobody_has_one(tmp_path: Path) -> None:
    async with door(tmp_path, clients=APP, bearers=known(app=Verifier(RIGHT))) as at:
        line = await greeted(await at.knock())
        assert (await line.say("AUTH PLAIN")) == "504 5.5.4 Only AUTH XOAUTH2 and AUTH OAUTHBEARER are offered"


async def test_who_may_not_come_from_there_is_asked_about_nobody(tmp_path: Path) -> None:
    verifier = Verifier(RIGHT)
    clients = f'{APP}networks = ["192.0.2.0/24"]\n'
    async with door(tmp_path, clients=clients, account=SMARTHOST, bearers=known(app=verifier)) as at:
        line = await greeted(await at.knock())
        assert (await line.say(shown("XOAUTH2"))).startswith("334")
        assert (await line.say("")).startswith("535")
        assert verifier.asked == []


async def test_an_address_that_guesses_is_heard_no_more(tmp_path: Path) -> None:
    verifier = Verifier(RIGHT)
    async with door(tmp_path, clients=APP, bearers=known(app=verifier)) as at:
        for _ in range(MOST_FAILURES):
            at.checker.note_failure("ann", "127.0.0.1")
        line = await greeted(await at.knock())
        assert (await line.say(shown("XOAUTH2"))).startswith("454 4.7.0 Too many logins")
        assert verifier.asked == []


class Stranger:
    """A session from another machine, on whatever way it came to a listener without TLS."""

    tls = ""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.heard: list[str] = []

    def push(self, reply: str) -> None:
        self.heard.append(reply)


async def test_a_token_that_has_crossed_a_network_is_not_looked_at() -> None:
    session: Any = Stranger("192.0.2.7")
    await bearer_login.decide(session, cast("Any", None), Proof("ann", b"x", bearer="XOAUTH2"))
    assert [reply[:3] for reply in session.heard] == ["538"]
