"""Authentication with a token: XOAUTH2 in one step or two, and what a refusal means."""

import base64
import json

import pytest

from relay.config import Secret
from relay.model import Outcome, Result, Scope
from relay.oauth import TokenError
from relay.upstream.smtp import auth
from tests.support.certificates import Authority
from tests.support.sasl import xoauth2
from tests.support.smtp_script import OK, QUIT, ScriptedServer, mail, session
from tests.upstream.parts import MAILBOX, Tokens, account, message, only, refused, sending

JSON = base64.b64encode(json.dumps({"status": "400", "schemes": "Bearer"}).encode()).decode()


async def test_a_short_token_goes_in_one_step(authority: Authority) -> None:
    trace: list[str] = []
    script = session(f"C: AUTH XOAUTH2 {xoauth2(MAILBOX, 'short-token')}", OK, *mail(), *QUIT)
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens("short-token")) as upstream,
    ):
        assert only(await upstream.send(message(), trace.append)).outcome is Outcome.SENT
    assert "> AUTH XOAUTH2 ***" in trace
    assert "short-token" not in str(trace)
    assert xoauth2(MAILBOX, "short-token") not in str(trace)


@pytest.mark.parametrize("challenge", ["R: 334 \r\n", "R: 334\r\n", "S: 334 go on", "B: 334 "])
async def test_a_long_token_goes_in_two_steps(authority: Authority, challenge: str) -> None:
    """RFC 4954 4: no command line above 512 octets."""
    token = "t" * 1500
    script = session("C: AUTH XOAUTH2", challenge, f"C: {xoauth2(MAILBOX, token)}", OK, *mail(), *QUIT)
    trace: list[str] = []
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens(token)) as upstream,
    ):
        assert only(await upstream.send(message(), trace.append)).outcome is Outcome.SENT
    assert [line for line in trace if "AUTH X" in line and line[0] == ">"] + ["> ***"] == ["> AUTH XOAUTH2", "> ***"]
    assert "> ***" in trace
    assert "tttt" not in str(trace)


@pytest.mark.parametrize(("extra", "steps"), [(0, "one"), (1, "two")])
async def test_the_line_of_512_octets_is_the_longest(authority: Authority, extra: int, steps: str) -> None:
    # AUTH XOAUTH2 + space + CRLF take 15 octets; 497 are left, base64 makes multiples of 4: 496 for 372 octets.
    token = "t" * (372 - len(f"user={MAILBOX}\x01auth=Bearer \x01\x01") + extra)
    encoded = xoauth2(MAILBOX, token)
    login = [f"C: AUTH XOAUTH2 {encoded}"] if steps == "one" else ["C: AUTH XOAUTH2", "S: 334 ", f"C: {encoded}"]
    async with (
        ScriptedServer(session(*login, OK, *mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens(token)) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT


def gmail_refuses(token: str) -> list[str]:
    """The error as JSON in a 334, and the final word only after an empty line."""
    refusal = (
        "S: 535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://x - gsmtp"
    )
    return session(f"C: AUTH XOAUTH2 {xoauth2(MAILBOX, token)}", f"S: 334 {JSON}", "C: ", refusal, *QUIT)


async def test_a_refused_token_is_replaced_once_on_a_new_connection(authority: Authority) -> None:
    tokens = Tokens("old", "new")
    good = session(f"C: AUTH XOAUTH2 {xoauth2(MAILBOX, 'new')}", OK, *mail(), *QUIT)
    async with (
        ScriptedServer(gmail_refuses("old"), good, tls=authority.server()) as server,
        sending(account(authority, server.port), tokens) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT
    assert tokens.asked == 2


async def test_a_second_refusal_holds_the_mailbox(authority: Authority) -> None:
    tokens = Tokens("old", "new", "newer")
    trace: list[str] = []
    async with (
        ScriptedServer(gmail_refuses("old"), gmail_refuses("new"), tls=authority.server()) as server,
        sending(account(authority, server.port), tokens) as upstream,
    ):
        result = refused(only(await upstream.send(message(), trace.append)))
    assert (result.code, result.status) == (535, "5.7.8")
    assert '{"status": "400", "schemes": "Bearer"}' in result.text, "the error behind the 334 is told"
    assert "https://mail.google.com/" in result.hint
    assert tokens.asked == 2
    assert "(trying once more with a fresh token)" in trace


async def test_exchange_refuses_at_once(authority: Authority) -> None:
    refusal = "S: 535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]"
    scripts = [session(f"C: AUTH XOAUTH2 {xoauth2(MAILBOX, token)}", refusal, *QUIT) for token in ("old", "new")]
    async with (
        ScriptedServer(*scripts, tls=authority.server()) as server,
        sending(account(authority, server.port, provider="microsoft"), Tokens("old", "new")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert f"Add-MailboxPermission {MAILBOX}" in result.hint


async def test_a_policy_is_not_the_tokens_fault(authority: Authority) -> None:
    tokens = Tokens("old", "new")
    refusal = "S: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."
    async with (
        ScriptedServer(session("C: AUTH *", refusal, *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port, provider="microsoft"), tokens) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert f"Set-CASMailbox {MAILBOX} -SmtpClientAuthenticationDisabled $false" in result.hint
    assert tokens.asked == 1


async def test_the_same_token_again_is_not_tried_again(authority: Authority) -> None:
    refusal = "S: 535 5.7.3 Authentication unsuccessful"
    async with (
        ScriptedServer(session("C: AUTH *", refusal, *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens("same", "same")) as upstream,
    ):
        refused(only(await upstream.send(message())))


async def test_a_server_that_never_stops_asking(authority: Authority) -> None:
    loop = session("C: AUTH *", f"S: 334 {JSON}", "C: ", f"S: 334 {JSON}", "STALL")
    async with (
        ScriptedServer(loop, tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens("token")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "AUTH" in result.text


@pytest.mark.parametrize("end", [["STALL"], ["DROP"], ["CLOSE"], ["S: oops", "STALL"], ["R: 235 2.7", "STALL"]])
async def test_auth_that_breaks_off(authority: Authority, end: list[str]) -> None:
    async with (
        ScriptedServer(session("C: AUTH *", *end), tls=authority.server()) as server,
        sending(account(authority, server.port, timeout=0.2), Tokens("token")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "AUTH" in result.text


async def test_a_server_that_repeats_the_token(authority: Authority) -> None:
    """Some servers quote what they did not understand: neither result nor trace may hold it."""
    token = "t" * 200
    encoded = xoauth2(MAILBOX, token)
    echo = f"S: 500 5.5.1 unrecognised: AUTH XOAUTH2 {encoded[:150]}"
    trace: list[str] = []
    async with (
        ScriptedServer(session("C: AUTH *", echo, *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens(token)) as upstream,
    ):
        result = refused_quietly(only(await upstream.send(message(), trace.append)))
    assert "***" in result.text
    for text in (result.text, "\n".join(trace)):
        assert encoded[:30] not in text
        assert token not in text


def refused_quietly(result: Result) -> Result:
    assert result.outcome is Outcome.DEFERRED
    return result


async def test_no_xoauth2_on_offer(authority: Authority) -> None:
    async with (
        ScriptedServer(session("STALL", extensions=("AUTH LOGIN PLAIN",)), tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens("token")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "does not offer AUTH XOAUTH2, only LOGIN PLAIN" in result.text


async def test_no_token_at_all(authority: Authority) -> None:
    """Nobody is connected to in vain, and the whole account waits (promise 3)."""
    trouble = TokenError(
        "office: the token endpoint refused",
        error="invalid_client",
        temporary=False,
        retry_after=30.0,
        hint="a new secret",
    )
    async with ScriptedServer() as server, sending(account(authority, server.port), Tokens(trouble)) as upstream:
        result = only(await upstream.send(message("a@x", "b@x")))
    assert (result.outcome, result.scope, result.code, result.status) == (
        Outcome.DEFERRED,
        Scope.ACCOUNT,
        454,
        "4.7.0",
    )
    assert result.text == "office: the token endpoint refused"
    assert result.hint == "a new secret"
    assert result.retry_after is not None
    assert server.connections == 0


@pytest.mark.parametrize("tls", ["off", "opportunistic"])
async def test_no_credentials_without_verified_tls(authority: Authority, tls: str) -> None:
    async with (
        ScriptedServer() as server,
        sending(account(authority, server.port, tls=tls), Tokens("token")) as by_token,
        sending(account(authority, server.port, tls=tls, username="u", password=Secret("p"))) as by_password,
    ):
        for upstream in (by_token, by_password):
            result = refused(only(await upstream.send(message())))
            assert "never sent without" in result.text
    assert server.connections == 0


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ("a b@x", "secret"),
        ("", "secret"),
        ("a@x\x01auth=Bearer stolen", "secret"),
        ("a@x", "sec\x01ret"),
        ("a@x", "sec ret"),
        ("a@x", "secr\u00ebt"),
    ],
)
def test_nothing_can_be_forged_into_xoauth2(user: str, token: str) -> None:
    with pytest.raises(auth.CredentialError) as caught:
        auth.xoauth2(user, token)
    assert token not in str(caught.value)


def test_the_test_vector_of_microsoft() -> None:
    token = "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"
    assert base64.b64encode(auth.xoauth2("test@contoso.onmicrosoft.com", token)) == (
        b"dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0Vv"
        b"QUEBAQ=="
    )


async def test_a_user_name_that_cannot_be_sent(authority: Authority) -> None:
    async with (
        ScriptedServer(session("STALL"), tls=authority.server()) as server,
        sending(account(authority, server.port, username="a b@x"), Tokens("secret")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "accounts.office: the user name" in result.text
