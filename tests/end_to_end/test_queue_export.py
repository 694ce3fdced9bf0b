"""`relay queue export` beside a relay that goes on: what is sent just then is left out, nothing is half there."""

import mailbox
from pathlib import Path
from typing import Self

import pytest

from relay.cli.queue.copies import FORMS, Copies
from relay.cli.queue.export import _copy
from relay.model import Message
from relay.spool.administration import opened
from relay.spool.details import Details
from relay.spool.selection import Selection
from tests.support import spool as support
from tests.support.spool import put, submission

LARGE = b"x" * 70_000 + b"\r\n"


class SentMeanwhile:
    """Has a message's body go away before it is read: the message was sent."""

    def __init__(self, copies: Copies, gone: Path) -> None:
        self._copies = copies
        self._gone = gone

    async def add(self, message: Message, details: Details | None) -> None:
        if message.id == self._gone.name:
            self._gone.unlink()
        await self._copies.add(message, details)

    def __enter__(self) -> Self:
        self._copies.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self._copies.__exit__(None, None, None)


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_sent_meanwhile_is_left_out_and_the_rest_is_exported(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "saved"
    async with support.opened(tmp_path) as spool:
        names = [await put(spool, submission(), LARGE) for _ in range(3)]
        async with opened(tmp_path / "relay.db") as queue:
            found = await queue.find(Selection())
            copies = SentMeanwhile(FORMS[form](target), tmp_path / "bodies" / names[1])
            assert not await _copy(queue, found, copies)
    said = capsys.readouterr().err
    assert f"{names[1]}: not exported: it was sent or dropped meanwhile" in said
    assert "2 of 3 messages exported" in said
    if form == "eml":
        assert sorted(path.name for path in target.glob("*.eml")) == sorted(f"{names[each]}.eml" for each in (0, 2))
    elif form == "mbox":
        box = mailbox.mbox(target)
        assert [len(each.get_payload()) for each in box] == [len(LARGE.strip()) + 1] * 2
        box.close()
    else:
        assert len(list((target / "new").iterdir())) == 2
        assert list((target / "tmp").iterdir()) == []


@pytest.mark.parametrize("form", ["eml", "maildir"])
async def test_a_place_that_goes_away_is_an_error(tmp_path: Path, form: str) -> None:
    async with support.opened(tmp_path) as spool:
        await put(spool, submission(), LARGE)
        async with opened(tmp_path / "relay.db") as queue:
            copies = FORMS[form](tmp_path / "saved")
            for folder in sorted((tmp_path / "saved").rglob("*"), reverse=True):
                folder.rmdir()
            (tmp_path / "saved").rmdir()
            with pytest.raises(FileNotFoundError):
                await _copy(queue, await queue.find(Selection()), copies)
