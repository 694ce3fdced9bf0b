"""The sandbox as a whole: what it binds, writes, keeps, logs and leaves behind."""

import asyncio
import logging
import socket
import ssl
from pathlib import Path

import pytest
import uvloop

from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.sandbox.ca import CertificateAuthority
from relay.sandbox.exchange import Exchange
from relay.sandbox.listen import listen
from relay.sandbox.smtp_server import SmtpServer
from relay.service import serve_http
from tests.sandbox.conftest import Start, client_of
from tests.sandbox.raw import MESSAGE, connected, graph_token, send_by_graph


async def use(folder: Path) -> None:
    """One message each way, a dropped connection, a large message, and the end with a client still there."""
    async with Sandbox(SandboxSettings(folder=folder), serve_http) as sandbox:
        async with connected(sandbox) as client, client_of(sandbox) as http:
            await client.ready()
            assert (await client.submit()).startswith("250 ")
            assert (await client.submit(MESSAGE + b"x" * 3_000_000 + b"\r\n")).startswith("250 ")
            assert (await send_by_graph(http, graph_token(sandbox))).status_code == 202
            sandbox.faults.add(Fault(kind="disconnect", at="mail"))
            assert await client.say("MAIL FROM:<a@b.c>") == ""
        async with connected(sandbox) as waiting:
            await waiting.ready()
    assert sandbox.received.total == 3
    assert sandbox.connections == 0


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_on_both_loops(tmp_path: Path, run: object) -> None:
    assert callable(run)
    run(use(tmp_path))


async def test_it_is_reachable_by_every_loopback_name(web: Sandbox) -> None:
    context = ssl.create_default_context(cafile=web.ca_file)
    names = ["localhost", "127.0.0.1", *(["::1"] if has_ipv6() else [])]
    for name in names:
        _, writer = await asyncio.open_connection(name, int(web.graph_endpoint.rpartition(":")[2]), ssl=context)
        writer.close()
        await writer.wait_closed()
        _, writer = await asyncio.open_connection(name, web.smtp[1])
        writer.close()
        await writer.wait_closed()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("host", "name"), [("0.0.0.0", "localhost"), ("127.0.0.1", "127.0.0.1")])
async def test_the_name_it_gives_itself_can_be_connected_to(start: Start, host: str, name: str) -> None:
    sandbox = await start(http=True, smtp_bind=(host, 0), http_bind=(host, 0))
    assert sandbox.smtp[0] == name
    async with connected(sandbox) as client, client_of(sandbox) as http:
        await client.ready()
        assert (await send_by_graph(http, graph_token(sandbox))).status_code == 202


async def test_nobody_else_trusts_it(web: Sandbox) -> None:
    port = int(web.graph_endpoint.rpartition(":")[2])
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("localhost", port, ssl=ssl.create_default_context())


async def test_what_is_on_disk(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    sandbox = await start(folder=tmp_path / "state" / "sandbox")
    assert sandbox.ca_file == tmp_path / "state" / "sandbox" / "ca.pem"
    assert [path.name for path in sandbox.ca_file.parent.iterdir()] == ["ca.pem"]
    assert sandbox.ca_file.parent.stat().st_mode & 0o777 == 0o700
    assert "PRIVATE" not in sandbox.ca_file.read_text()
    # The server's key passed through a private folder and is gone.
    assert list(temporary.iterdir()) == []


async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = ("localhost", taken.getsockname()[1])
        for settings in (
            SandboxSettings(folder=tmp_path, smtp_bind=bind),
            SandboxSettings(folder=tmp_path, http_bind=bind),
        ):
            with pytest.raises(OSError, match="in use"):
                async with Sandbox(settings, serve_http):
                    pass


def test_a_port_that_is_taken_on_one_family_only() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with socket.socket(socket.AF_INET6) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(("::1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            listen(("localhost", taken.getsockname()[1]))


async def test_connections_are_bounded(sandbox: Sandbox) -> None:
    exchange = Exchange(
        sandbox.settings,
        sandbox.mailboxes,
        sandbox.tokens,
        sandbox.received,
        sandbox.faults,
        CertificateAuthority().server_context(),
        sandbox.clock,
    )
    sockets = listen(("127.0.0.1", 0))
    async with SmtpServer(exchange.session, 300, sandbox.clock, most=1).serving(sockets):
        sandbox.smtp = ("127.0.0.1", sockets[0].getsockname()[1])
        async with connected(sandbox) as first, connected(sandbox) as second:
            assert (await first.reply()).startswith("220 ")
            assert await second.reply() == "421 4.3.2 Service not available"
            assert await second.ended()


async def test_what_is_kept_is_bounded(start: Start) -> None:
    sandbox = await start(keep_messages=3, keep_bytes=300)
    async with connected(sandbox) as client:
        await client.ready()
        for _ in range(4):
            await client.submit(MESSAGE[:-2] + b"\r\n")
        assert [message.number for message in sandbox.received] == [2, 3, 4][-(300 // len(MESSAGE)) :]
        await client.submit(MESSAGE + b"x" * 400 + b"\r\n")
    assert [message.number for message in sandbox.received] == [5]
    assert (sandbox.received.total, sandbox.received.total_bytes) == (5, 5 * len(MESSAGE) + 402)
    assert sandbox.received.numbered(5) is sandbox.received[-1]
    assert sandbox.received.numbered(1) is None


async def test_nothing_need_be_kept(start: Start) -> None:
    sandbox = await start(keep_messages=0)
    async with connected(sandbox) as client:
        await client.ready()
        await client.submit()
    assert (len(sandbox.received), sandbox.received.total) == (0, 1)


async def test_waiting_for_what_does_not_come(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError, match=r"^0 of 1 messages have arrived within 0\.01 seconds$"):
        await sandbox.received.wait(1, within=0.01)


async def test_the_log_tells_what_was_taken(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with connected(sandbox) as client:
        await client.ready()
        taken = await client.submit(MESSAGE, "a@x.org", "b@x.org")
        await client.submit()
        refused = await client.submit(sender="boss@x.org")
        sandbox.faults.add(Fault(kind="reply", at="mail", times=1, reply="451 4.3.2 later"))
        await client.say("MAIL FROM:<a@b.c>")
    lines = caplog.messages
    assert lines[0] == f'stand-in Exchange took "Hello" from noreply@sandbox.onmicrosoft.com for 2 recipients: {taken}'
    assert lines[1].startswith('stand-in Exchange took "Hello" from noreply@sandbox.onmicrosoft.com for a@x.org: 250 ')
    assert lines[2] == f"stand-in Exchange refused mail from boss@x.org: {refused}"
    assert lines[3] == 'the fault "reply" strikes at "mail", as ordered'


async def test_secrets_stay_out_of_the_log_and_of_repr(web: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = graph_token(web)
    async with client_of(web) as http, connected(web) as client:
        await send_by_graph(http, token)
        await client.ready()
    assert web.settings.client_secret not in repr(web.settings)
    assert web.settings.client_secret not in caplog.text
    assert token not in caplog.text


async def test_it_comes_back_with_the_same_ports_and_certificate(tmp_path: Path) -> None:
    """What a relay sees when its provider restarts."""
    authority = CertificateAuthority()
    async with Sandbox(SandboxSettings(folder=tmp_path), serve_http, authority=authority) as before:
        trusted = before.ca_file.read_bytes()
        token = graph_token(before)
    again = SandboxSettings(folder=tmp_path, http_bind=("localhost", int(before.graph_endpoint.rpartition(":")[2])))
    async with Sandbox(again, serve_http, authority=authority) as after, client_of(before) as http:
        assert after.ca_file.read_bytes() == trusted
        assert (await send_by_graph(http, token)).status_code == 202


async def test_a_fault_knows_when_it_struck(tmp_path: Path) -> None:
    async with Sandbox(SandboxSettings(folder=tmp_path), serve_http) as sandbox, client_of(sandbox) as http:
        order = sandbox.faults.add(Fault(kind="http_reply", at="graph", status=502, times=1))
        assert order.struck_at == 0
        began = sandbox.clock.time()
        assert (await send_by_graph(http, graph_token(sandbox))).status_code == 502
        assert began <= order.struck_at <= sandbox.clock.time()
