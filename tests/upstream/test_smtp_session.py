"""From nothing to a session that takes mail: TCP, TLS, EHLO, AUTH - and what is said when one of them fails."""

import base64
import json
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from relay.config import Secret
from relay.model import Outcome, Result, Scope
from relay.oauth import TokenError
from relay.upstream.smtp import auth
from tests.support.certificates import Authority
from tests.support.smtp_script import HELLO, QUIT, ScriptedServer, mail, offering, session
from tests.upstream.parts import MAILBOX, Tokens, account, message, only, sending

OK = "S: 235 2.7.0 Authentication successful"
JSON = base64.b64encode(json.dumps({"status": "400", "schemes": "Bearer"}).encode()).decode()


def refused(result: Result, scope: Scope = Scope.IDENTITY) -> Result:
    assert result.outcome is Outcome.DEFERRED
    assert result.scope is scope
    assert result.hint
    return result


async def test_starttls_then_a_message(authority: Authority) -> None:
    trace: list[str] = []
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        results = await upstream.send(message(), trace.append)
    assert only(results) == Result(Outcome.SENT, 250, "2.0.0", "taken")
    assert server.lines == [
        [
            "EHLO relay.example.com",
            "STARTTLS",
            "EHLO relay.example.com",
            "MAIL FROM:<office@contoso.com> SIZE=51",
            "RCPT TO:<ann@example.com>",
            "DATA",
            "QUIT",
        ]
    ]
    assert server.contents == [b"From: office@contoso.com\r\nSubject: Hello\r\n\r\nHello\r\n.\r\n"]
    assert trace[0] == f"(connecting to localhost port {server.port})"
    assert "(connected to 127.0.0.1, TLSv1.3)" in trace
    assert trace[-7:] == [
        "> RCPT TO:<ann@example.com>",
        "> DATA",
        "< 250 2.1.0 sender ok",
        "< 250 2.1.5 ok",
        "< 354 go",
        "> (51 octets)",
        "< 250 2.0.0 taken",
    ]


async def test_implicit_tls(authority: Authority) -> None:
    script = session(*mail(), *QUIT, tls=False)
    async with (
        ScriptedServer(script, tls=authority.server(), implicit=True) as server,
        sending(account(authority, server.port, tls="implicit")) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT


async def test_another_name_than_the_host(authority: Authority) -> None:
    """`server_name` is what the certificate is checked against, with STARTTLS and with implicit TLS."""
    tls = authority.server("mail.internal")
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=tls) as starttls,
        sending(account(authority, starttls.port, server_name="mail.internal")) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT
    async with (
        ScriptedServer(session(*mail(), *QUIT, tls=False), tls=tls, implicit=True) as implicit,
        sending(account(authority, implicit.port, tls="implicit", server_name="mail.internal")) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT


async def test_plain_text_and_opportunistic_tls(authority: Authority, tmp_path: Path) -> None:
    async with (
        ScriptedServer(session(*mail(), *QUIT, tls=False)) as server,
        sending(account(authority, server.port, tls="off")) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT
    nobody_knows = Authority.make(tmp_path, "Unknown")
    async with (
        ScriptedServer(
            session(*mail(), *QUIT), session(*mail(), *QUIT, tls=False), tls=nobody_knows.server("elsewhere")
        ) as server,
        sending(account(authority, server.port, tls="opportunistic", concurrency=2)) as first,
        sending(account(authority, server.port, tls="opportunistic")) as second,
    ):
        assert only(await first.send(message())).outcome is Outcome.SENT
        assert only(await second.send(message())).outcome is Outcome.SENT
    assert "STARTTLS" in server.lines[0]
    assert "STARTTLS" not in server.lines[1]


async def test_a_client_certificate_is_shown(authority: Authority, tmp_path: Path) -> None:
    issued = authority.ca.issue_cert("relay.example.com")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    tls = authority.server()
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(tls)
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=tls) as server,
        sending(account(authority, server.port, certificate=certificate, key=key)) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_that_nobody_trusts(authority: Authority, tmp_path: Path, implicit: bool) -> None:
    stranger = Authority.make(tmp_path, "Stranger")
    # The second connection is the relay's look at the certificate. A failed handshake at the start shows no dialogue.
    look = ["S: 220 hi", "C: EHLO *", "S: 250 x", "STALL"]
    scripts = [look] if implicit else [[*HELLO, *START_TLS_FAILS], session("STALL")]
    async with (
        ScriptedServer(*scripts, tls=stranger.server(), implicit=implicit, patient=True) as server,
        sending(account(authority, server.port, tls="implicit" if implicit else "starttls")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "localhost" in result.text
    assert "Stranger" in result.text, "the certificate that was shown is named"
    assert "accounts.office.ca_file" in result.hint


async def test_a_certificate_for_another_name(authority: Authority) -> None:
    async with (
        ScriptedServer(
            [*HELLO, *START_TLS_FAILS], session("STALL"), tls=authority.server("mail.internal"), patient=True
        ) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "not for localhost" in result.text
    assert "mail.internal" in result.text
    assert 'such as "mail.internal"' in result.hint
    assert "accounts.office.server_name" in result.hint


START_TLS_FAILS = ("S: 250-mail\n250 STARTTLS", "C: STARTTLS", "S: 220 go", "TLS")


async def test_no_tls_version_in_common(authority: Authority) -> None:
    tls = authority.server()
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    async with (
        ScriptedServer([*HELLO, *START_TLS_FAILS], session(*mail(), *QUIT), tls=tls, patient=True) as server,
        sending(account(authority, server.port, min_tls="1.3")) as new,
        sending(account(authority, server.port, min_tls="1.2")) as old,
    ):
        result = refused(only(await new.send(message())))
        assert only(await old.send(message())).outcome is Outcome.SENT
    assert "TLS handshake" in result.text
    assert "accounts.office.min_tls" in result.hint


async def test_a_newest_tls_version(authority: Authority) -> None:
    tls = authority.server()
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    async with (
        ScriptedServer([*HELLO, *START_TLS_FAILS], session(*mail(), *QUIT), tls=tls, patient=True) as server,
        sending(account(authority, server.port, max_tls="1.2")) as old,
        sending(account(authority, server.port)) as new,
    ):
        result = refused(only(await old.send(message())))
        assert only(await new.send(message())).outcome is Outcome.SENT
    assert "max_tls" in result.hint


async def test_no_starttls_means_no_mail(authority: Authority) -> None:
    """Never in plain text, and never for good: somebody may stand between."""
    async with (
        ScriptedServer([*HELLO, offering("PIPELINING", "AUTH PLAIN"), "STALL"]) as server,
        sending(account(authority, server.port, password=Secret("geheim"), username="u")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert "does not offer STARTTLS" in result.text
    assert "accounts.office.tls" in result.hint


async def test_starttls_refused(authority: Authority) -> None:
    script = [*HELLO, "S: 250-mail\n250 STARTTLS", "C: STARTTLS", "S: 454 4.7.0 TLS not available", "STALL"]
    async with (
        ScriptedServer(script) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.code, result.scope) == (Outcome.DEFERRED, 454, Scope.IDENTITY)


async def test_octets_smuggled_in_behind_starttls_are_not_believed(authority: Authority) -> None:
    """CVE-2021-38371 and its kin: what came before the handshake is not part of the session."""
    script = [
        *HELLO,
        "S: 250-mail\n250 STARTTLS",
        "C: STARTTLS",
        "S: 220 go\n250-evil\n250 AUTH PLAIN",
        "TLS",
        "C: EHLO *",
        offering(),
        *mail(),
        *QUIT,
    ]
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is Outcome.SENT


async def test_nobody_listens(authority: Authority) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        async with sending(account(authority, port, host="127.0.0.1")) as upstream:
            result = refused(only(await upstream.send(message("a@x", "b@x"))))
    assert f"127.0.0.1 port {port}" in result.text
    assert "refused" in result.text


async def test_a_host_that_does_not_exist(authority: Authority) -> None:
    async with sending(account(authority, 587, host="no-such-host.invalid")) as upstream:
        result = refused(only(await upstream.send(message())))
    assert "cannot be resolved" in result.text
    assert "accounts.office.host" in result.hint


async def test_a_host_that_cannot_be(authority: Authority) -> None:
    async with sending(account(authority, 587, host="x" * 70 + ".example")) as upstream:
        result = refused(only(await upstream.send(message())))
    assert "host name" in result.text or "resolved" in result.text


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (["STALL"], "does not answer"),
        (["S: 220-hello", "STALL"], "does not answer"),
        (["CLOSE"], "closed the connection"),
        (["DROP"], ""),
        (["S: 554 5.3.2 no service", "STALL"], "no service"),
        (["S: 421 4.3.2 Service not available", "STALL"], "Service not available"),
        (["S: HTTP/1.1 400 Bad Request", "STALL"], "no SMTP server: Malformed SMTP response line: HTTP/1.1"),
        (["S: 220 hi", "C: EHLO *", "STALL"], "does not answer"),
        (["S: 220 hi", "C: EHLO *", "S: 421 4.3.2 closing", "STALL"], "closing"),
        (["S: 220 hi", "C: EHLO *", "DROP"], ""),
        (["S: 220 hi", "C: EHLO *", "R: 250-" + "x" * 100_000, "STALL"], ""),
    ],
)
async def test_a_server_that_does_not_come_so_far(authority: Authority, script: list[str], text: str) -> None:
    async with (
        ScriptedServer(script) as server,
        sending(account(authority, server.port, connect_timeout=0.2, timeout=0.2)) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.scope) == (Outcome.DEFERRED, Scope.IDENTITY)
    assert text in result.text


async def test_implicit_tls_to_a_server_that_speaks_first(authority: Authority) -> None:
    async with (
        ScriptedServer(["S: 220 hi", "STALL"]) as server,
        sending(account(authority, server.port, tls="implicit")) as upstream,
    ):
        result = refused(only(await upstream.send(message())))
    assert '"starttls"' in result.hint


async def test_a_server_without_ehlo(authority: Authority) -> None:
    """HELO is enough for a plain relay, not for one that needs STARTTLS."""
    helo = ["S: 220 old", "C: EHLO *", "S: 502 what", "C: HELO *", "S: 250 old", *mail(), *QUIT]
    async with (
        ScriptedServer(helo, ["S: 220 old", "C: EHLO *", "S: 502 what", "STALL"]) as server,
        sending(account(authority, server.port, tls="off")) as plain,
        sending(account(authority, server.port)) as starttls,
    ):
        assert only(await plain.send(message())).outcome is Outcome.SENT
        assert only(await starttls.send(message())).code == 502


@pytest.mark.parametrize("changes", [{"ca_file": Path("/nowhere/ca.pem")}, {"certificate": Path("/nowhere/c.pem")}])
async def test_tls_files_that_are_not_there(authority: Authority, changes: dict[str, Path]) -> None:
    async with sending(account(authority, 9, **changes)) as upstream:
        result = refused(only(await upstream.send(message())))
    (key,) = changes
    assert f"accounts.office.{key}: {changes[key]}" in result.text


async def test_an_encrypted_key_asks_nobody(authority: Authority, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("relay.example.com")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    loaded = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"password")
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    async with sending(account(authority, 9, certificate=certificate, key=key)) as upstream:
        result = refused(only(await upstream.send(message())))
    assert "accounts.office.certificate" in result.text


# AUTH with a token.


def xoauth2(user: str, token: str) -> str:
    return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


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


# AUTH with a password.


def plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


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
