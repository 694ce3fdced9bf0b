"""Authentication with a user name and a password, at smarthosts: PLAIN, else LOGIN."""

import base64
from pathlib import Path

from relay.config import Secret
from relay.model import Outcome, Scope
from tests.support.certificates import Authority
from tests.support.sasl import plain
from tests.support.smtp_script import OK, QUIT, ScriptedServer, mail, session
from tests.upstream.parts import account, message, only, refused, sending

ODD = 'pa"ss<>&%$ wörd\u20ac\\'


async def test_plain_is_preferred(authority: Authority) -> None:
    trace: list[str] = []
    script = session(
        f"C: AUTH PLAIN {plain('user', ODD)}", OK, *mail(), *QUIT, extensions=("PIPELINING", "AUTH LOGIN PLAIN")
    )
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port, username="user", password=Secret(ODD))) as upstream,
    ):
        assert only(await upstream.send(message(), trace.append)).outcome is Outcome.SENT
    assert "> AUTH PLAIN ***" in trace
    assert ODD not in str(trace)
    assert plain("user", ODD) not in str(trace)


async def test_login_where_there_is_no_plain(authority: Authority) -> None:
    user, password = (base64.b64encode(text.encode()).decode() for text in ("üser@x", ODD))
    trace: list[str] = []
    script = session(
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        f"C: {user}",
        "S: 334 UGFzc3dvcmQ6",
        f"C: {password}",
        OK,
        *mail(),
        *QUIT,
        extensions=("PIPELINING", "AUTH XOAUTH2 LOGIN"),
    )
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port, username="üser@x", password=Secret(ODD))) as upstream,
    ):
        assert only(await upstream.send(message(), trace.append)).outcome is Outcome.SENT
    assert password not in str(trace)


async def test_the_old_form_of_the_offer(authority: Authority) -> None:
    login = ["C: AUTH LOGIN", "S: 334 x", "C: *", "S: 334 y", "C: *", OK]
    script = session(*login, *mail(), *QUIT, extensions=("PIPELINING", "AUTH=LOGIN"))
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port, username="u", password=Secret("p"))) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT


async def test_a_wrong_password(authority: Authority) -> None:
    script = session("C: AUTH PLAIN *", "S: 535 5.7.8 wrong", *QUIT, extensions=("AUTH PLAIN",))
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port, username="u", password=Secret("geheim"))) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert (result.code, result.status) == (535, "5.7.8")
    assert "accounts.office.username" in result.hint


async def test_a_password_file_that_is_gone(authority: Authority, tmp_path: Path) -> None:
    secret = Secret(file=tmp_path / "password")
    async with (
        ScriptedServer() as server,
        sending(account(authority, server.port, username="u", password=secret)) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.scope) == (Outcome.DEFERRED, Scope.ACCOUNT)
    assert str(tmp_path / "password") in result.text


async def test_no_mechanism_for_a_password(authority: Authority) -> None:
    async with (
        ScriptedServer(session("STALL", extensions=("PIPELINING",)), tls=authority.server()) as server,
        sending(account(authority, server.port, username="u", password=Secret("p"))) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "does not offer AUTH PLAIN or LOGIN, only none" in result.text
