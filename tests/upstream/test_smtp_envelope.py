"""What is said of a message in MAIL and RCPT: its parameters, and addresses in which no command can hide."""

import pytest

from relay.model import Outcome, Scope
from tests.support.certificates import Authority
from tests.support.smtp_script import QUIT, ScriptedServer, mail, session
from tests.upstream.parts import account, message, only, sending

SENT, NEVER = Outcome.SENT, Outcome.FAILED


async def mail_line(authority: Authority, extensions: tuple[str, ...], **changes: bool | str) -> str:
    """MAIL as it is sent for a message that is made with `changes`."""
    async with (
        ScriptedServer(session(*mail(), *QUIT, extensions=extensions), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message("ann@example.com", **changes))).outcome is SENT  # type: ignore[arg-type]
    return server.lines[0][3]


async def test_mail_parameters(authority: Authority) -> None:
    full = ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8")
    assert await mail_line(authority, full) == "MAIL FROM:<office@contoso.com> SIZE=51"
    assert await mail_line(authority, full, sender="") == "MAIL FROM:<> SIZE=51"
    assert await mail_line(authority, full, eight_bit=True) == "MAIL FROM:<office@contoso.com> SIZE=51 BODY=8BITMIME"
    both = "MAIL FROM:<office@contoso.com> SIZE=51 BODY=8BITMIME SMTPUTF8"
    assert await mail_line(authority, full, eight_bit=True, smtputf8=True) == both
    assert await mail_line(authority, full, sender="jörg@x") == "MAIL FROM:<jörg@x> SIZE=51 SMTPUTF8"
    assert await mail_line(authority, ("PIPELINING",)) == "MAIL FROM:<office@contoso.com>"


@pytest.mark.parametrize(
    ("extensions", "changes", "code", "status"),
    [
        (("SIZE 50",), {}, 552, "5.3.4"),
        (("SIZE 1000",), {"eight_bit": True}, 554, "5.6.3"),
        (("8BITMIME",), {"smtputf8": True}, 550, "5.6.7"),
        (("8BITMIME",), {"sender": "jörg@x"}, 550, "5.6.7"),
    ],
)
async def test_what_the_server_does_not_take_is_not_sent(
    authority: Authority, extensions: tuple[str, ...], changes: dict[str, bool], code: int, status: str
) -> None:
    """The session stays good for the next message."""
    script = session(*mail(), *QUIT, extensions=("PIPELINING", *extensions))
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = only(await upstream.send(message("ann@example.com", **changes)))  # type: ignore[arg-type]
        assert only(await upstream.send(message(body=b""))).outcome is SENT
    assert (result.outcome, result.code, result.status, result.scope) == (NEVER, code, status, Scope.MESSAGE)
    assert "localhost" in result.text
    assert result.hint


@pytest.mark.parametrize("limit", ["SIZE", "SIZE 0", "SIZE lots"])
async def test_no_size_limit(authority: Authority, limit: str) -> None:
    assert "SIZE=" in await mail_line(authority, ("PIPELINING", limit))


async def test_the_accounts_own_limit(authority: Authority) -> None:
    async with (
        ScriptedServer() as server,
        sending(account(authority, server.port, max_message_size=50)) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.code, result.status) == (NEVER, 552, "5.3.4")
    assert "accounts.office.max_message_size" in result.text
    assert server.connections == 0


BAD_ADDRESSES = [
    "a@x>\r\nRSET",
    "a@x> NOTIFY=NEVER",
    "a b@x",
    "a@x\n",
    "a@x\x00",
    "<a@x",
    '"open@x',
    '"a\r\n"@x',
    "a\\@x",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
async def test_no_command_hides_in_an_address(authority: Authority, address: str) -> None:
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        results = await upstream.send(message("good@x", address))
        result = only(await upstream.send(message(sender=address)))
    assert results["good@x"].outcome is SENT
    assert (results[address].outcome, results[address].scope) == (NEVER, Scope.RECIPIENT)
    assert (result.outcome, result.scope) == (NEVER, Scope.MESSAGE)
    assert "RCPT TO:<good@x>" in server.lines[0]


async def test_a_quoted_local_part_may_hold_what_it_wants(authority: Authority) -> None:
    address = r'"a b>\"c"@x'
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message(address))).outcome is SENT
    assert f"RCPT TO:<{address}>" in server.lines[0]


async def test_a_recipient_named_twice_is_told_once(authority: Authority) -> None:
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        results = await upstream.send(message("a@x", "a@x"))
    assert list(results) == ["a@x"]
    assert server.lines[0].count("RCPT TO:<a@x>") == 1
