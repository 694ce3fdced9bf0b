"""A listener that goes on with other settings: what becomes of the sessions that it has."""

import asyncio
from dataclasses import replace
from pathlib import Path

from relay import config
from relay.listener.reception import Parts
from relay.policy import Policy
from tests.support.door import LOCAL, SMARTHOST, Door, Line, door
from tests.support.process import PATIENCE

LOGIN = '[clients.app]\npassword = "x"\nsenders = ["*"]\n'


def changed(at: Door, folder: Path, clients: str, listener: str = "", shut_out: tuple[str, ...] = ()) -> None:
    """Have the listener of `at` go on with these."""
    path = folder / "changed.toml"
    path.write_text(f'[listeners.default]\nbind = ["127.0.0.1:0"]\n{listener}\n{clients}\n{SMARTHOST}')
    settings = config.load(path, {})
    parts: Parts = at.server._parts
    at.server.use(replace(parts, settings=settings.listeners["default"], policy=Policy(settings)), None, shut_out)


async def test_who_is_known_by_address_gets_the_new_rules_between_two_messages(tmp_path: Path) -> None:
    narrow = LOCAL.replace('"*"', '"only@x.org"')
    async with door(tmp_path) as at:
        idle, sending = await at.knock(), await at.knock()
        assert (await sending.say("EHLO c")).startswith("250")
        assert (await sending.say("MAIL FROM:<app@x.org>")).startswith("250")
        changed(at, tmp_path, narrow)
        assert (await idle.say("EHLO c")).startswith("250")
        assert (await idle.say("MAIL FROM:<app@x.org>")).startswith("550")
        assert (await idle.say("MAIL FROM:<only@x.org>")).startswith("250")
        assert (await sending.say("RCPT TO:<b@x.org>")).startswith("250")
        assert (await sending.say("DATA")).startswith("354")
        assert (await sending.say(b"From: app@x.org\r\n\r\ntext\r\n.\r\n")).startswith("250")


async def test_who_would_not_be_let_in_now_does_not_stay(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        idle, sending = await at.knock(), await at.knock()
        await sending.begin()
        changed(at, tmp_path, LOCAL.replace("127.0.0.0/8", "192.0.2.0/24"))
        assert (await idle.hear()).startswith("421 4.3.2 Its configuration has changed")
        assert (await sending.say(b"From: app@x.org\r\n\r\ntext\r\n.\r\n")).startswith("250")
        assert (await sending.hear()).startswith("421 4.3.2")
        stranger = await at.knock()
        await stranger.say("EHLO c")
        assert (await stranger.say("MAIL FROM:<app@x.org>")).startswith("550")


async def test_a_login_ends_when_it_has_to_be_shown_anew_or_may_not_come_from_there(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        first, stays = await at.knock(), await at.knock()
        for line in (first, stays):
            await line.say("EHLO c")
            assert (await line.say("AUTH PLAIN AGFwcAB4")).startswith("235")
        changed(at, tmp_path, LOGIN)
        assert (await stays.say("NOOP")).startswith("250")
        changed(at, tmp_path, LOGIN, shut_out=("app",))
        assert (await first.hear()).startswith("421")
        assert (await stays.hear()).startswith("421")
        other = await at.knock()
        await other.say("EHLO c")
        assert (await other.say("AUTH PLAIN AGFwcAB4")).startswith("235")
        changed(at, tmp_path, f'{LOGIN}networks = ["192.0.2.0/24"]\n')
        assert (await other.hear()).startswith("421")


async def test_a_password_that_was_changed_opens_no_session_that_began_before(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        changed(at, tmp_path, LOGIN.replace('"x"', '"y"'), shut_out=("app",))
        assert (await line.say("AUTH PLAIN AGFwcAB4")).startswith("535")
        assert (await line.say("AUTH PLAIN AGFwcAB5")).startswith("235")


async def test_limits_hold_from_now_on(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        stays = await at.knock()
        changed(at, tmp_path, LOCAL, "max_connections_per_client = 1")
        refused = await at.knock()
        assert await refused.hear() == ""
        assert (await stays.say("NOOP")).startswith("250")


async def test_a_connection_that_had_not_come_to_its_session_meets_the_new_rules(tmp_path: Path) -> None:
    proxied = 'proxy_protocol = ["127.0.0.1"]\n'
    async with door(tmp_path, proxied) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(b"PROXY ")
        async with asyncio.timeout(PATIENCE):
            while not at.server._openings:
                await asyncio.sleep(0)
        changed(at, tmp_path, LOCAL.replace('"*"', '"only@x.org"'), proxied)
        writer.write(b"TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
        line = Line(reader, writer)
        assert (await line.hear()).startswith("220")
        assert (await line.say("EHLO c")).startswith("250")
        assert (await line.say("MAIL FROM:<app@x.org>")).startswith("550")
        line.close()
        await writer.wait_closed()
