"""From nothing to a connection that speaks SMTP: TCP, TLS, EHLO - and what is said when one of them fails."""

import socket
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from relay.config import Secret
from relay.model import Outcome, Result, Scope
from tests.support.certificates import Authority
from tests.support.smtp_script import HELLO, QUIT, ScriptedServer, mail, offering, session
from tests.upstream.parts import account, message, only, refused, sending


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
