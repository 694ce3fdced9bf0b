"""The dialogue of a chosen client in the log, without its credentials."""

import base64
from pathlib import Path

import pytest

from tests.support.door import CONTENT, LOCAL, door
from tests.support.sasl import plain

CLIENTS = (
    '[clients.printer]\npassword = "s3cret"\nsenders = ["*"]\n[clients.other]\npassword = "other"\nsenders = ["*"]\n'
    '[log]\nconversations = ["printer"]\n'
)


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if getattr(one, "event", "") == "conversation"]


async def test_the_dialogue_of_a_client_from_its_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relay")
    async with door(tmp_path, clients=CLIENTS) as at:
        line = await at.knock()
        await line.say("EHLO device")
        await line.say("AUTH LOGIN")
        await line.say(base64.b64encode(b"printer").decode())
        assert (await line.say(base64.b64encode(b"s3cret").decode())).startswith("235")
        await line.say(base64.b64encode(b"s3cret").decode())
        await line.begin()
        await line.say(CONTENT + b".\r\n")
        await line.say("QUIT")
    said = [one.removeprefix("printer (127.0.0.1) ") for one in written(caplog)]
    assert said[:2] == ["S: 220 relay.test ESMTP relay", "C: EHLO device"]
    assert said[said.index("C: AUTH LOGIN") :][:8] == [
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        "C: ***",
        "S: 334 UGFzc3dvcmQ6",
        "C: ***",
        "S: 235 2.7.0 Authentication successful",
        "C: *** (no command, 8 octets)",
        "S: 500 5.5.2 Command not recognised",
    ]
    assert f"C: (a message of {len(CONTENT)} octets)" in said
    assert said[-1].startswith("S: 221 2.0.0")
    assert "s3cret" not in "".join(said)
    assert "czNjcmV0" not in "".join(said)


async def test_an_initial_response_is_masked_and_others_are_not_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relay")
    async with door(tmp_path, clients=CLIENTS) as at:
        line = await at.knock()
        await line.say("EHLO c")
        await line.say(f"AUTH PLAIN {plain('other', 'other')}")
        assert written(caplog) == []
        line = await at.knock()
        await line.say("EHLO c")
        await line.say(f"AUTH PLAIN {plain('printer', 's3cret')}")
        assert "printer (127.0.0.1) C: AUTH PLAIN ***" in written(caplog)


async def test_a_client_known_by_its_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relay")
    async with door(tmp_path, clients=LOCAL + '[log]\nconversations = ["local"]\n') as at:
        await (await at.knock()).say("NONSENSE \x1b[2J")
    assert written(caplog)[1] == "local (127.0.0.1) C: NONSENSE \x1b[2J"


async def test_a_login_that_is_refused_is_written_down_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is the device that will not talk whose dialogue somebody wants to see."""
    caplog.set_level("INFO", "relay")
    async with door(tmp_path, clients=CLIENTS) as at:
        line = await at.knock()
        await line.say("EHLO device")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'wr0ng')}")).startswith("535")
        await line.say("MAIL FROM:<a@x.org>")
    said = [one.removeprefix("printer (127.0.0.1) ") for one in written(caplog)]
    assert said[1] == "C: EHLO device"
    assert "C: AUTH PLAIN ***" in said
    assert "C: MAIL FROM:<a@x.org>" in said
    assert plain("printer", "wr0ng") not in "".join(said)


@pytest.mark.parametrize(("network", "lines"), [("127.0.0.0/8", 4), ("192.0.2.0/24", 0)])
async def test_who_never_comes_to_a_login_is_known_by_where_it_would_come_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, network: str, lines: int
) -> None:
    caplog.set_level("INFO", "relay")
    clients = CLIENTS.replace('password = "s3cret"', f'password = "s3cret"\nnetworks = ["{network}"]')
    async with door(tmp_path, clients=clients) as at:
        line = await at.knock()
        await line.say("HELO device")
        await line.say("QUIT")
        assert await line.hear() == ""
        line.close()
        await line.writer.wait_closed()
    said = [one for one in written(caplog) if "221 " not in one]
    assert len(said) == lines


@pytest.mark.parametrize(
    "said", ["AUTH\tPLAIN {}", " AUTH PLAIN {}", "AUTH=PLAIN {}", "AUTH PLAIN\t{}", "auth  plain {}"]
)
async def test_credentials_in_a_line_that_is_hardly_a_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    caplog.set_level("INFO", "relay")
    async with door(tmp_path, clients=LOCAL + '[log]\nconversations = ["local"]\n') as at:
        await (await at.knock()).say(said.format(plain("printer", "s3cret")))
    assert [one for one in written(caplog) if "***" in one]
    assert plain("printer", "s3cret") not in caplog.text
