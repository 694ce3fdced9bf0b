"""Dialogues as text files: what a client says, what it hears, and what is left of it.

    # What it shows.
    profile = "legacy"          (keys of the listener, and whole tables of clients, up to the line of dashes)
    ---
    S: 220 relay.test ...       one line of a reply; "..." stands for anything in it
    C: EHLO me                  a line with CRLF; lines in a row go out in one packet
    C> NOOP\\n                   octets as they are, with Python's escapes and no line end
    C! eof                      the client closes its half (or: starttls)
    S! closed                   the connection has ended
    mail: 1                     so many messages are in the queue
    body: hello\\r\\n             the body of the last one
    head: From: <a@x>\\r\\n       octets that its header block holds (no head: that it does not hold)
    to: a@x, b@y                its recipients
    log: began with TLS         text that the log holds

`{64 a\\0b}` is base64 of what stands in it, `{x*3000}` is three thousand times an x.
"""

import asyncio
import base64
import re
import ssl
from pathlib import Path

from tests.support.door import Door, Line

_MACRO = re.compile(r"\{64 ([^}]*)\}|\{(.)\*(\d+)\}")


def octets(text: str) -> bytes:
    """The octets that escapes stand for; other characters are UTF-8."""
    return re.sub(r"\\(x[0-9a-f]{2}|[rnt0\\])", _escaped, text).encode("utf-8", "surrogateescape")


def _escaped(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] == "x":
        return bytes([int(name[1:], 16)]).decode("utf-8", "surrogateescape")
    return {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}[name]


def _expanded(text: str) -> str:
    def made(match: re.Match[str]) -> str:
        if match[2]:
            return match[2] * int(match[3])
        return base64.b64encode(octets(match[1])).decode()

    return _MACRO.sub(made, text)


def parts(file: Path) -> tuple[str, str, list[str]]:
    """The keys of the listener, the tables of clients, and the lines of the dialogue."""
    keys, dashes, talk = file.read_text(encoding="utf-8").partition("\n---\n")
    assert dashes, f"{file.name}: no line of dashes"
    listener, table, clients = keys.partition("\n[")
    written = [line for line in talk.splitlines() if line and not line.startswith("#")]
    return listener, table.strip() + clients, written


async def play(at: Door, written: list[str], logged: "object", context: ssl.SSLContext) -> None:
    """Have the dialogue with the listener at `at`. `logged` is pytest's caplog."""
    line = Line(*await asyncio.open_connection("127.0.0.1", at.port))
    for entry in written:
        kind, said = entry[:2], _expanded(entry[3:])
        if kind == "C:":
            line.writer.write(octets(said) + b"\r\n")
        elif kind == "C>":
            line.writer.write(octets(said))
        elif kind == "S:":
            heard = (await asyncio.wait_for(line.reader.readline(), 10)).decode("utf-8", "backslashreplace")
            fits = re.fullmatch(".*".join(map(re.escape, said.split("..."))) + "\r\n", heard)
            assert fits, f"heard {heard!r} at {entry!r}"
        elif entry == "C! eof":
            line.writer.write_eof()
        elif entry == "C! starttls":
            await line.start_tls(context)
        elif entry == "S! closed":
            assert await asyncio.wait_for(line.reader.read(), 10) == b"", entry
        else:
            await _left(at, entry, logged)
    line.close()
    try:
        await line.writer.wait_closed()
    except OSError:
        pass  # reset by the relay: it had something to refuse


async def _left(at: Door, entry: str, logged: "object") -> None:
    kind, _, said = entry.partition(": ")
    if kind == "log":
        assert said in logged.text, logged.text  # type: ignore[attr-defined]
        return
    for claim, body in await at.taken():
        at.seen.append((claim.message.headers, body))
        at.reached.append(claim.message.envelope.recipients)
    found = at.seen
    if kind == "mail":
        assert len(found) == int(said), entry
    elif kind == "body":
        assert found[-1][1] == octets(said), found[-1][1]
    elif kind == "head":
        assert octets(said) in found[-1][0], found[-1][0]
    elif kind == "no head":
        assert octets(said) not in found[-1][0], found[-1][0]
    elif kind == "to":
        assert ", ".join(at.reached[-1]) == said, at.reached[-1]
    else:
        raise AssertionError(f"what does this line mean: {entry!r}")
