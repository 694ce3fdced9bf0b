"""Each file in dialogues/ is a conversation with the listener; tests/support/dialogue.py says how it is written."""

from pathlib import Path

import pytest

from tests.support import certificates, dialogue
from tests.support.door import LOCAL, door

FILES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_dialogue(tmp_path: Path, caplog: pytest.LogCaptureFixture, file: Path) -> None:
    listener, clients, written = dialogue.parts(file)
    made = certificates.server_files(tmp_path)
    if "tls =" in listener:
        listener += f"\n{made.toml}"
    async with door(tmp_path, listener, clients or LOCAL) as at:
        await dialogue.play(at, written, caplog, made.authority.client)


def test_there_are_dialogues() -> None:
    assert len(FILES) > 15
