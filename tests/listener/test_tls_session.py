"""A session that begins TLS, or begins in it: what is forgotten, what is offered, what is not believed."""

import asyncio
from pathlib import Path

from tests.support import certificates
from tests.support.door import CONTENT, LOGIN, door
from tests.support.sasl import plain


async def test_a_failed_handshake_ends_the_session_and_harms_nobody(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    tls = f'tls = "starttls"\n{made.toml}'
    async with door(tmp_path, tls) as at:
        line = await at.knock()
        await line.say("EHLO c")
        await line.say("STARTTLS")
        line.writer.write(b"this is no TLS at all\r\n" * 10)
        async with asyncio.timeout(5):
            while at.server.connections:
                await asyncio.sleep(0.01)
        assert (await (await at.knock()).say("NOOP")).startswith("250")


async def test_starttls_forgets_what_was_before_and_offers_auth(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    tls = f'tls = "starttls"\n{made.toml}require_tls = true\n'
    async with door(tmp_path, tls, LOGIN) as at:
        line = await at.knock()
        offered = await line.say("EHLO c")
        assert "STARTTLS" in offered
        assert "AUTH" not in offered
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("538 5.7.11")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0 Must issue a STARTTLS")
        assert (await line.say("STARTTLS")).startswith("220")
        await line.start_tls(made.authority.client)
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("503")
        offered = await line.say("EHLO c")
        assert "STARTTLS" not in offered
        assert "AUTH PLAIN LOGIN" in offered
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235")
        assert (await line.say("STARTTLS")).startswith("503")
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250")
        ((claim, _),) = await at.taken()
        assert b"with ESMTPSA id" in claim.message.headers
        assert b"tls TLS_" in claim.message.headers


async def test_implicit_tls_takes_logins(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    tls = f'tls = "implicit"\n{made.toml}'
    async with door(tmp_path, tls, LOGIN) as at:
        line = await at.knock(made.authority.client)
        assert "AUTH PLAIN LOGIN" in await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235")


async def test_commands_sent_before_the_handshake_are_not_obeyed_after_it(tmp_path: Path) -> None:
    """STARTTLS injection (CVE-2011-0411): plaintext behind STARTTLS in the same packet is thrown away."""
    made = certificates.server_files(tmp_path)
    tls = f'tls = "starttls"\n{made.toml}'
    async with door(tmp_path, tls) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@x.org>\r\n")).startswith("220")
        try:
            await line.start_tls(made.authority.client)
        except (OSError, asyncio.IncompleteReadError):
            return
        assert (await line.say("EHLO c")).startswith("250-relay.test")
        assert (await line.say("RCPT TO:<a@x.org>")).startswith("503")
