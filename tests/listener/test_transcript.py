"""The dialogue of a chosen client in the log, without its credentials."""

import base64
from pathlib import Path

import pytest

from tests.listener.test_session import CONTENT, plain
from tests.support.door import LOCAL, door

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
