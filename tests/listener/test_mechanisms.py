"""CRAM-MD5, and bearer tokens of apps that speak to a sink as they would to a provider."""

import base64
import hmac
import json
from pathlib import Path

import pytest

from relay.config import describe, load
from tests.support.door import QUICK_HASH, Line, door

PLAIN = '[clients.printer]\npassword = "secret"\nsenders = ["*"]\n'
HASHED = f"[clients.scanner]\npassword_hash = '{QUICK_HASH.hash('x')}'\nsenders = [\"*\"]\n"
OTHER, SECRET = b"auth=Bearer other\x01\x01", b"auth=Bearer secret\x01\x01"
SINK = '[accounts.sink]\nprovider = "sink"\n'


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


async def cram(line: Line, user: str, password: str) -> str:
    await line.say("EHLO c")
    prompt = await line.say("AUTH cram-md5")
    assert prompt.startswith("334 ")
    challenge = base64.b64decode(prompt[4:])
    assert challenge.startswith(b"<")
    assert challenge.endswith(b"@relay.test>")
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return await line.say(b64(f"{user} {digest}".encode()))


async def test_cram_md5(tmp_path: Path) -> None:
    async with door(tmp_path, clients=PLAIN) as at:
        assert (await cram(await at.knock(), "printer", "secret")).startswith("235 2.7.0")
        assert (await cram(await at.knock(), "printer", "Secret")).startswith("535 5.7.8")
        assert (await cram(await at.knock(), "nobody", "")).startswith("535 5.7.8")
        assert at.checker.failures("printer", "192.0.2.1") == 1


async def test_a_challenge_is_never_the_same(tmp_path: Path) -> None:
    async with door(tmp_path, clients=PLAIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        seen = set()
        for _ in range(5):
            seen.add(await line.say("AUTH CRAM-MD5"))
            assert (await line.say("*")).startswith("501")
        assert len(seen) == 5


async def test_cram_md5_is_not_offered_where_it_would_fail_for_somebody(tmp_path: Path) -> None:
    async with door(tmp_path, clients=PLAIN + HASHED) as at:
        line = await at.knock()
        assert "CRAM-MD5" not in await line.say("EHLO c")
        assert (await line.say("AUTH CRAM-MD5")).startswith("504 5.5.4")


def test_relay_check_says_so(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    for clients, said in ((PLAIN, "CRAM-MD5 is offered too"), (PLAIN + HASHED, "no CRAM-MD5"), (HASHED, "")):
        file.write_text(SINK + clients)
        text = "\n".join(describe(load(file, {"HOME": str(tmp_path)})))
        assert said in text if said else "CRAM" not in text


XOAUTH2 = b"user=me@x.org\x01auth=Bearer token\x01\x01"
BEARER = b"n,a=me@x.org,\x01host=x\x01port=25\x01auth=Bearer token\x01\x01"


@pytest.mark.parametrize(("name", "message"), [("XOAUTH2", XOAUTH2), ("OAUTHBEARER", BEARER)])
async def test_a_sink_takes_any_token(tmp_path: Path, name: str, message: bytes) -> None:
    async with door(tmp_path, clients="", account=SINK) as at:
        line = await at.knock()
        assert f" {name}" in await line.say("EHLO c")
        assert (await line.say(f"AUTH {name}")) == "334 "
        assert (await line.say(b64(message))).startswith("235 2.7.0")
        other = await at.knock()
        await other.say("EHLO c")
        assert (await other.say(f"AUTH {name} {b64(message + b'x' * 3000)}")).startswith("235 2.7.0")


@pytest.mark.parametrize(("name", "said"), [("XOAUTH2", "401"), ("OAUTHBEARER", "invalid_token")])
async def test_a_sinks_client_with_a_password_shows_it_as_a_token(tmp_path: Path, name: str, said: str) -> None:
    start = b"user=printer\x01" if name == "XOAUTH2" else b"n,a=printer,\x01"
    async with door(tmp_path, clients=PLAIN, account=SINK) as at:
        line = await at.knock()
        await line.say("EHLO c")
        wrong = await line.say(f"AUTH {name} {b64(start + OTHER)}")
        assert wrong.startswith("334 ")
        assert json.loads(base64.b64decode(wrong[4:]))["status"] == said
        assert (await line.say("" if name == "XOAUTH2" else "AQ==")).startswith("535 5.7.8")
        assert (await line.say(f"AUTH {name} {b64(start + SECRET)}")).startswith("235")


async def test_tokens_are_nothing_to_a_real_account(tmp_path: Path) -> None:
    async with door(tmp_path, clients=PLAIN) as at:
        line = await at.knock()
        assert "XOAUTH2" not in await line.say("EHLO c")
        assert (await line.say(f"AUTH XOAUTH2 {b64(XOAUTH2)}")).startswith("504 5.5.4")


@pytest.mark.parametrize(
    "said",
    [f"XOAUTH2 {b64(b'user=x')}", f"OAUTHBEARER {b64(b'x')}", f"XOAUTH2 {b64(b'auth=Basic x')}", "CRAM-MD5 eA=="],
)
async def test_what_is_malformed(tmp_path: Path, said: str) -> None:
    async with door(tmp_path, clients=PLAIN, account=SINK) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH {said}")).startswith("501 5.5.2")
