"""Logins on a real socket: the dialogues of AUTH, and what is closed to whom it has refused."""

from pathlib import Path

import pytest

from relay.listener.authentication import MOST_FAILURES
from tests.support import certificates
from tests.support.door import LOCAL, LOGIN, door
from tests.support.sasl import plain


async def test_a_login_that_is_refused_closes_the_way_without_one(tmp_path: Path) -> None:
    """Some clients go on to MAIL after 535."""
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}")).startswith("535 5.7.8")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235 2.7.0")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("250")


@pytest.mark.parametrize(
    "said",
    [
        ["AUTH GSSAPI"],
        ["AUTH PLAIN ?"],
        ["AUTH PLAIN", "A" * 20_000],
        ["AUTH LOGIN", "a\0b"],
        ["AUTH CRAM-MD5", "bm9ib2R5"],
    ],
)
async def test_a_login_that_comes_to_nothing_closes_the_way_as_well(tmp_path: Path, said: list[str]) -> None:
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        for each in said:
            heard = await line.say(each)
        assert heard.startswith("50")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0")


async def test_a_login_that_the_client_gives_up_itself_is_none(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        await line.say("AUTH LOGIN")
        assert (await line.say("*")).startswith("501 5.7.0")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("250")


async def test_a_login_without_tls_closes_the_way_as_well(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    keys = f'tls = "starttls"\n{made.toml}require_tls = true'
    async with door(tmp_path, keys, LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("538 5.7.11")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0")


async def test_after_a_login_that_cannot_be_checked_now_mail_is_refused_for_now(tmp_path: Path) -> None:
    """Neither as somebody else, nor for good: the client keeps its mail and comes again."""
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        for _ in range(MOST_FAILURES):
            at.checker.note_failure("guess", "127.0.0.1")
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}")).startswith("454 4.7.0")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("451 4.7.0")


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["AUTH plain", plain("printer", "secret")], "235"),
        (["auth login", "cHJpbnRlcg==", "c2VjcmV0"], "235"),
        (["AUTH LOGIN cHJpbnRlcg==", "c2VjcmV0"], "235"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH PLAIN ?"], "501 5.5.2"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH DIGEST-MD5"], "504 5.5.4"),
        (["AUTH"], "504 5.5.4"),
        (["AUTH PLAIN", "A" * 20_000], "500 5.5.6"),
        ([f"AUTH PLAIN {'A' * 20_000}"], "500 5.5.6"),
    ],
)
async def test_auth_dialogues(tmp_path: Path, lines: list[str], reply: str) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        heard = [await line.say(each) for each in lines]
        assert heard[-1].startswith(reply)
        assert all(each.startswith("334 ") for each in heard[:-1])


async def test_auth_after_helo(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("HELO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235")


async def test_the_third_failed_login_ends_the_session(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        replies = [(await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}"))[:9] for _ in range(3)]
        assert replies == ["535 5.7.8", "535 5.7.8", "421 4.7.0"]
        assert await line.hear() == ""
