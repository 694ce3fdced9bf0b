"""Exported messages are the stored ones, octet for octet."""

import mailbox
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Envelope, MemoryBody, Message, Origin
from relay.spool.export import eml, mbox


class Chunked(MemoryBody):
    """A body that comes in pieces of three octets."""

    async def chunks(self):  # type: ignore[no-untyped-def]
        for start in range(0, len(self.data), 3):
            yield self.data[start : start + 3]


def message(body: bytes, sender: str = "a@x.org") -> Message:
    origin = Origin("app", "default", "127.0.0.1")
    headers = b"From: a@x.org\r\nSubject: \xff\r\n"
    return Message("id", "office", Envelope(sender, ("b@x.org",)), headers, Chunked.of(body), origin, 1.8e9)


async def whole(parts: object) -> bytes:
    return b"".join([part async for part in parts])  # type: ignore[attr-defined]


def restored(entry: bytes) -> bytes:
    """The message in an mboxrd entry."""
    text = entry.partition(b"\n")[2].removesuffix(b"\n")
    return re.sub(rb"^>(>*From )", rb"\1", text, flags=re.MULTILINE).replace(b"\n", b"\r\n")


BODIES = [
    b"",
    b"text\r\n",
    b"From here\r\n>From there\r\n>>From\r\n From\r\n",
    b"\r\n\r\nFrom \r\n",
    b".\r\n..\r\n\xff\xfe\r\n",
    b"x" * 10_000 + b"\r\n",
]


@pytest.mark.parametrize("body", BODIES)
async def test_eml_is_the_message(body: bytes) -> None:
    assert await whole(eml(message(body))) == b"From: a@x.org\r\nSubject: \xff\r\n\r\n" + body


@pytest.mark.parametrize("body", BODIES)
async def test_mbox_gives_the_message_back(body: bytes) -> None:
    assert restored(await whole(mbox(message(body)))) == await whole(eml(message(body)))


@given(st.lists(st.sampled_from([b"From ", b">", b"x", b"\r\n", b".", b"\xff"]), max_size=30))
async def test_mbox_gives_any_message_back(parts: list[bytes]) -> None:
    body = b"".join(parts) + b"\r\n"
    assert restored(await whole(mbox(message(body)))) == await whole(eml(message(body)))


@pytest.mark.parametrize(("sender", "first"), [("", b"From MAILER-DAEMON "), ("a b\n@x", b"From a?b?@x ")])
async def test_no_sender_can_add_a_line(sender: str, first: bytes) -> None:
    assert (await whole(mbox(message(b"", sender)))).startswith(first + b"Fri Jan 15 08:00:00 2027\n")


async def test_other_programs_read_it(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    file.write_bytes(b"".join([await whole(mbox(message(body))) for body in BODIES]))
    read = mailbox.mbox(file)
    assert len(read) == len(BODIES)
    assert list(read)[1].get_payload() == "text\n"
    read.close()


async def test_a_last_line_without_its_end_gets_one() -> None:
    assert (await whole(mbox(message(b"cut")))).endswith(b"\n\ncut\n\n")
