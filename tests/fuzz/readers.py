"""The readers without a session around them: content, PROXY headers, paths, AUTH, replies of servers, access tokens."""

import asyncio
import contextlib

from relay.listener import mechanisms, paths, proxy_header
from relay.listener.data import DataReader
from relay.listener.legacy import LegacyReader
from relay.listener.lines import LineBuffer
from relay.model import Clock
from relay.oauth import Bearer
from relay.oauth.key_set import KeysError, SigningKey
from relay.oauth.logins import Verdict
from relay.upstream.smtp.reply import Reply, ReplyError, ReplyReader
from tests.fuzz.invariants import count_of_dots, pieces, without_bare_ends
from tests.support import keys


def content(data: bytes) -> None:
    """What follows DATA ends where the RFC has it, whichever way it is cut; old devices' lines come out clean."""
    if not data:
        return
    step, text = data[0] % 8 + 1, data[1:]
    for end, lf in ((b"\r\n.\r\n", False), (b"\n.\n", True)):
        opening = end[: len(end) // 2]
        whole, found, rest = (opening + text).partition(end)
        reader = LegacyReader(lf=lf)
        got = b"".join(reader.feed(piece) for piece in pieces(text, step) if not reader.done)
        assert reader.done == bool(found)
        if found:
            line = opening if lf else b"\r\n"
            unstuffed = (whole + line).replace(line + b".", line)[len(opening) :]
            assert got == without_bare_ends(unstuffed)
            assert reader.dots == count_of_dots(got)
            assert rest.startswith(reader.rest), "something behind the end was lost or made up"
    strict = DataReader()
    got = b"".join(strict.feed(piece) for piece in pieces(text, step) if not strict.done)
    whole, found, rest = (b"\r\n" + text).partition(b"\r\n.\r\n")
    assert strict.done == bool(found)
    if found:
        assert got == (whole + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]
        assert strict.size == len(got)
        assert strict.dots == count_of_dots(got)
        assert strict.nul == (b"\0" in whole)
        assert strict.bare == (got.count(b"\r") != got.count(b"\r\n") or got.count(b"\n") != got.count(b"\r\n"))


def lines(data: bytes) -> None:
    """Command lines are the same however they are cut, and never longer than is asked for."""
    if not data:
        return
    longest, step = 10, data[0] % 8 + 1
    wanted = [line.removesuffix(b"\r") for line in data[1:].split(b"\n")[:-1]]
    buffer, got = LineBuffer(longest), []
    for piece in pieces(data[1:], step):
        buffer.feed(piece)
        while (line := buffer.line()) is not None:
            got.append(line)
    assert [line[: longest + 1] for line in got] == [line[: longest + 1] for line in wanted]
    assert all(len(line) <= longest + 1 for line in got)
    assert len(buffer) <= longest + 2


def proxy(data: bytes) -> None:
    """A PROXY header ends in one place: what is found at its end is found when more has come."""
    for size in range(1, len(data) + 1):
        try:
            found = proxy_header.parse(data[:size])
        except proxy_header.BadProxyHeaderError:
            return
        if found is not None:
            later = proxy_header.parse(data)
            assert later is not None
            assert later[:2] == found[:2]
            assert later.rest == found.rest + data[size:]
            return


def path(data: bytes) -> None:
    """MAIL and RCPT: an address that is taken is one line of what can be encoded, without brackets or white space."""
    text = data.decode("utf-8", "surrogateescape")
    for keyword in ("FROM", "TO"):
        with contextlib.suppress(paths.BadPath):
            found = paths.parse(text, keyword)
            found.address.encode()
            assert not set("\r\n\0") & set(found.address)
            assert '"' in found.address or not set("<> \t") & set(found.address)
            paths.mail_parameters(found)


def auth(data: bytes) -> None:
    """An AUTH exchange ends in a proof or a reply, never in anything else."""
    first, *answers = data.split(b"\n")
    names = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")
    dialogue = mechanisms.dialogue(first.decode("utf-8", "surrogateescape"), names, "relay.test")
    try:
        prompt = next(dialogue)
        for answer in answers:
            assert prompt.startswith("334 ")
            prompt = dialogue.send(answer)
        dialogue.close()
    except StopIteration as ended:
        end: object = ended.value
    except mechanisms.Refused as refused:
        end = refused
    else:
        return
    assert isinstance(end, mechanisms.Proof) or str(end)[:3] in ("500", "501", "504")


def reply(data: bytes) -> None:
    """A server's replies: the same however they are cut, each in one clean line."""
    if not data:
        return

    def read(cut: list[bytes]) -> tuple[list[Reply], bool]:
        reader, found = ReplyReader(), []
        for piece in cut:
            try:
                found += reader.feed(piece)
            except ReplyError:
                return found, True
        return found, False

    found, failed = read(pieces(data[1:], data[0] % 8 + 1))
    for each in found:
        assert 200 <= each.code < 600
        assert each.text.isprintable() or not each.text.isascii()
        assert "\n" not in str(each)
        assert "\r" not in str(each)
    whole, failed_whole = read([data[1:]])
    assert failed == failed_whole
    # What stands in front of nonsense in one packet is given up with it.
    assert failed or whole == found


class _OneKey:
    """An issuer whose only key nobody has signed with."""

    issuer = "https://id.example.com"

    async def find(self, kid: str | None) -> list[SigningKey]:
        if kid == "gone":
            raise KeysError("gone")
        return [SigningKey("", "", keys.rsa_key(0).public_key())]


def token(data: bytes) -> None:
    """An access token that somebody made up is refused, and no more happens."""
    bearer = Bearer(_OneKey(), "relay", Clock())  # type: ignore[arg-type]
    answer = asyncio.run(bearer.check("ann", data))
    assert answer.verdict is Verdict.WRONG or (answer.verdict is Verdict.LATER and "gone" in answer.reason), answer
