"""What comes in front of a session: PROXY headers, and TLS or not on one port."""

import asyncio
import ssl
import struct
import warnings
from pathlib import Path

import pytest

from relay.listener import self_signed
from relay.listener.proxy_header import SIGNATURE_2
from tests.support import certificates
from tests.support.door import CONTENT, LOCAL, Line, door

FROM_AFAR = '[clients.far]\nnetworks = ["192.0.2.7"]\nsenders = ["*"]\n'
ONE = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n"
TWO = (
    SIGNATURE_2 + struct.pack("!BBH", 0x21, 0x11, 12) + bytes([192, 0, 2, 7, 192, 0, 2, 1]) + struct.pack("!HH", 5, 25)
)
TRUSTED = 'proxy_protocol = ["127.0.0.1"]\n'


def tls_keys(folder: Path, tls: str, more: str = "") -> tuple[str, certificates.ServerFiles]:
    made = certificates.server_files(folder)
    return f'tls = "{tls}"\n{made.toml}{more}\n', made


async def connect(port: int, context: ssl.SSLContext | None = None) -> Line:
    name = "localhost" if context else None
    return Line(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))


async def finish(line: Line) -> None:
    line.close()
    await line.writer.wait_closed()


@pytest.mark.parametrize("header", [ONE, TWO], ids=["version 1", "version 2"])
@pytest.mark.parametrize("pieces", [1, 4])
async def test_the_client_is_who_the_load_balancer_says(tmp_path: Path, header: bytes, pieces: int) -> None:
    async with door(tmp_path, TRUSTED, FROM_AFAR) as at:
        line = await connect(at.port)
        size = -(-len(header) // pieces)
        for start in range(0, len(header), size):
            line.writer.write(header[start : start + size])
            await line.writer.drain()
            await asyncio.sleep(0)
        assert (await line.hear()).startswith("220 ")
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250 2.0.0")
        ((claim, _),) = await at.taken()
        assert claim.message.origin.peer == "192.0.2.7"
        await finish(line)


async def test_commands_behind_the_header_in_one_packet(tmp_path: Path) -> None:
    async with door(tmp_path, TRUSTED, FROM_AFAR) as at:
        line = await connect(at.port)
        line.writer.write(ONE + b"EHLO c\r\nQUIT\r\n")
        assert [(await line.hear())[:4] for _ in range(3)] == ["220 ", "250-", "221 "]
        await finish(line)


@pytest.mark.parametrize("said", [b"EHLO x\r\n", b"PROXY TCP4 nonsense\r\n"])
async def test_a_trusted_address_has_to_send_a_header(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with door(tmp_path, TRUSTED, FROM_AFAR) as at:
        line = await connect(at.port)
        line.writer.write(said)
        assert await line.hear() == ""
        assert "turn that on in the load balancer" in caplog.text
        await finish(line)


async def test_a_header_of_somebody_else_is_named_and_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with door(tmp_path, 'proxy_protocol = ["192.0.2.1"]\n', FROM_AFAR) as at:
        line = await connect(at.port)
        line.writer.write(TWO)
        heard = (await line.reader.read()).decode()
        assert "421" in heard
        assert 'add "127.0.0.1" to listeners.default.proxy_protocol' in caplog.text
        await finish(line)


@pytest.mark.parametrize("tls", ["auto", "implicit"])
async def test_a_header_in_front_of_tls(tmp_path: Path, tls: str) -> None:
    keys, made = tls_keys(tmp_path, tls, TRUSTED)
    async with door(tmp_path, keys, FROM_AFAR) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(ONE)
        await writer.drain()
        await writer.start_tls(made.authority.client, server_hostname="localhost")
        line = Line(reader, writer)
        assert (await line.hear()).startswith("220 ")
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250 2.0.0")
        ((claim, _),) = await at.taken()
        assert claim.message.origin.peer == "192.0.2.7"
        assert claim.message.origin.tls.startswith("TLSv1.3")
        await finish(line)


async def test_auto_takes_tls_starttls_and_neither(tmp_path: Path) -> None:
    keys, made = tls_keys(tmp_path, "auto")
    async with door(tmp_path, keys) as at:
        at_once = await at.knock(made.authority.client)
        assert "STARTTLS" not in await at_once.say("EHLO c")
        later = await at.knock()
        assert "STARTTLS" in await later.say("EHLO c")
        assert (await later.say("STARTTLS")).startswith("220")
        await later.start_tls(made.authority.client)
        for line in (at_once, later):
            await line.begin()
            assert (await line.say(CONTENT + b".\r\n")).startswith("250 2.0.0")
        assert all(claim.message.origin.tls for claim, _ in await at.taken())


async def test_auto_greets_a_client_that_waits(tmp_path: Path) -> None:
    keys, _ = tls_keys(tmp_path, "auto")
    async with door(tmp_path, keys) as at:
        began = asyncio.get_running_loop().time()
        await at.knock()
        assert 0.25 < asyncio.get_running_loop().time() - began < 5


async def test_auto_answers_at_once_who_speaks_first(tmp_path: Path) -> None:
    keys, _ = tls_keys(tmp_path, "auto")
    async with door(tmp_path, keys) as at:
        line = await connect(at.port)
        line.writer.write(b"EHLO c\r\nQUIT\r\n")
        assert [(await line.hear())[:4] for _ in range(3)] == ["220 ", "250-", "221 "]
        await finish(line)


async def test_a_hello_that_comes_in_pieces(tmp_path: Path) -> None:
    """A device's slow network: TLS goes on where the first octet told what it is."""
    keys, made = tls_keys(tmp_path, "auto")
    async with door(tmp_path, keys) as at:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = made.authority.client.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        async with asyncio.timeout(10):
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for octet in outgoing.read():
                        writer.write(bytes([octet]))
                        await writer.drain()
                        await asyncio.sleep(0)
                    incoming.write(await reader.read(65536))
            writer.write(outgoing.read())
            text = b""
            while b"220 " not in text:
                incoming.write(await reader.read(65536))
                try:
                    text += tls.read()
                except ssl.SSLWantReadError:
                    continue
        writer.close()
        await writer.wait_closed()


async def test_a_failed_handshake_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys, _ = tls_keys(tmp_path, "auto")
    async with door(tmp_path, keys) as at:
        line = await connect(at.port)
        line.writer.write(b"\x16\x03\x01\x00\x05hello")
        await line.reader.read()
        assert "the TLS handshake failed" in caplog.text
        await finish(line)
        assert (await (await at.knock()).say("NOOP")).startswith("250")


async def test_connections_that_only_open_are_counted_and_ended(tmp_path: Path) -> None:
    keys, made = tls_keys(tmp_path, "implicit", "max_connections = 2")
    async with door(tmp_path, keys) as at:
        silent = [await connect(at.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        third = await connect(at.port)
        assert await third.reader.read() == b""
        await finish(silent.pop())
        await asyncio.sleep(0.05)
        await at.knock(made.authority.client)
        await at.server.stop(patience=0.1)
        assert await asyncio.wait_for(silent[0].reader.read(), 5) == b"", "a stop does not wait for it"
        for line in (*silent, third):
            await finish(line)


async def test_one_address_cannot_take_all_places_with_connections_that_only_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys, _ = tls_keys(tmp_path, "implicit", "max_connections_per_client = 2")
    async with door(tmp_path, keys) as at:
        silent = [await connect(at.port) for _ in range(3)]
        assert await asyncio.wait_for(silent[2].reader.read(), 5) == b""
        assert "max_connections_per_client = 2 is reached" in caplog.text
        for line in silent:
            await finish(line)
        await asyncio.sleep(0.05)
        another = await connect(at.port)
        with pytest.raises(TimeoutError):  # it is let in again
            await asyncio.wait_for(another.reader.read(), 0.1)
        await finish(another)


async def test_an_address_behind_a_load_balancer_is_counted_by_itself(tmp_path: Path) -> None:
    keys, made = tls_keys(tmp_path, "implicit", TRUSTED + "max_connections_per_client = 2")
    async with door(tmp_path, keys, FROM_AFAR) as at:
        silent = [await connect(at.port) for _ in range(3)]
        for line in silent:
            line.writer.write(ONE)
        assert await asyncio.wait_for(silent[2].reader.read(), 5) == b""
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(ONE.replace(b"192.0.2.7", b"192.0.2.8", 1))
        await writer.drain()
        await writer.start_tls(made.authority.client, server_hostname="localhost")
        other = Line(reader, writer)
        assert (await other.hear()).startswith("220 ")
        for line in (*silent, other):
            await finish(line)


async def test_old_tls_for_old_devices(tmp_path: Path) -> None:
    keys, made = tls_keys(tmp_path, "implicit", 'profile = "legacy"\nmin_tls = "1.0"')
    context = made.authority.client
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    async with door(tmp_path, keys, LOCAL) as at:
        line = await at.knock(context)
        assert line.writer.get_extra_info("cipher")[1].startswith("TLSv1")
        assert (await line.say("NOOP")).startswith("250")


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA"])
async def test_a_device_without_elliptic_curves_and_the_certificate_for_a_try(tmp_path: Path, cipher: str) -> None:
    keys = f'tls = "auto"\ncertificate = "{tmp_path}/made.pem"\nkey = "{tmp_path}/made.key"\n'
    self_signed.make(tmp_path / "made.pem", tmp_path / "made.key", "relay.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tmp_path / "made.pem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    async with door(tmp_path, f'{keys}profile = "legacy"\nmin_tls = "1.0"', LOCAL) as at:
        line = await at.knock(context)
        assert line.writer.get_extra_info("cipher")[0] == cipher
