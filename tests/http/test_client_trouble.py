"""The HTTP client against unkind servers: slow, broken, endless and hostile ones."""

import asyncio
import gzip
from pathlib import Path

import pytest

from relay.http import DefaultSettings, HttpClient, HttpError
from tests.http.parts import SECRET, failing, hello
from tests.support.certificates import Authority
from tests.support.web import saying, talking, web


async def test_a_name_that_does_not_exist(http: HttpClient) -> None:
    error = await failing(http, "https://nothing.invalid/")
    assert (error.kind, error.sent) == ("connect", False)
    assert "nothing.invalid" in error.text
    assert "cannot be resolved" in error.text
    assert "DNS" in error.hint


async def test_a_port_where_nobody_listens(http: HttpClient) -> None:
    async with talking(saying(b"")) as port:
        pass
    error = await failing(http, f"https://localhost:{port}/")
    assert (error.kind, error.sent) == ("connect", False)
    assert f"localhost port {port} refused the connection" in error.text


@pytest.mark.parametrize("url", ["ftp://x.test/", "x.test", "", "https://", "https://x:99999/", "https://[::1", "//x"])
async def test_an_address_that_is_none(http: HttpClient, url: str) -> None:
    error = await failing(http, url)
    assert (error.kind, error.sent) == ("protocol", False)
    assert "https://HOST/PATH" in error.hint


async def test_a_name_that_cannot_be_one(http: HttpClient) -> None:
    error = await failing(http, f"https://{'x' * 64}.test/")
    assert error.sent is False


async def test_a_header_that_cannot_be_sent(http: HttpClient) -> None:
    async with web(hello) as port:
        for value in (f"Bearer {SECRET}\r\nX: y", f"Bearer {SECRET}\N{SNOWMAN}"):
            with pytest.raises(HttpError, match="character that HTTP does not allow") as caught:
                await http.request("GET", f"http://127.0.0.1:{port}/", headers={"authorization": value})
            assert SECRET not in str(caught.value)
            assert caught.value.sent is False


async def test_a_slow_server(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(talk) as port:
        error = await failing(http, f"http://127.0.0.1:{port}/", timeout=0.05)
    assert (error.kind, error.sent) == ("timeout", True)
    assert "127.0.0.1 did not answer within 0.05 s" in error.text


async def test_a_handshake_that_never_ends(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    async with talking(talk) as port:
        error = await failing(http, f"https://127.0.0.1:{port}/", timeout=0.05)
    assert (error.kind, error.sent) == ("timeout", False)
    assert f"no connection to 127.0.0.1 port {port} within 0.05 s" in error.text


async def test_a_caller_who_gives_up_in_the_handshake_leaves_no_connection(http: HttpClient) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            begun.set()
        ended.set()

    async with talking(talk) as port:
        task = asyncio.create_task(http.request("GET", f"https://127.0.0.1:{port}/"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)


async def test_an_answer_in_drops_ends_at_the_deadline(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with talking(talk) as port:
        error = await failing(http, f"http://127.0.0.1:{port}/", timeout=0.1)
    assert (error.kind, error.sent) == ("timeout", True)


async def test_a_huge_answer_is_not_read_to_its_end(http: HttpClient) -> None:
    said = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            said += 65536

    async with talking(talk) as port:
        error = await failing(http, f"http://127.0.0.1:{port}/", max_response=100_000)
    assert (error.kind, error.sent) == ("too_large", True)
    assert "larger than 100,000 octets" in error.text
    assert said < 20_000_000


async def test_the_largest_answer_is_allowed(http: HttpClient) -> None:
    async with talking(saying(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)) as port:
        url = f"http://127.0.0.1:{port}/"
        assert len((await http.request("GET", url, max_response=1000)).body) == 1000


async def test_a_compressed_answer_is_refused(http: HttpClient) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    async with talking(saying(head.encode() + bomb)) as port:
        error = await failing(http, f"http://127.0.0.1:{port}/")
    assert (error.kind, error.sent) == ("protocol", True)
    assert "compressed" in error.text


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x00" * 1000,
        b"220 mail.test ESMTP\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
        b"HTTP/1.1 200 OK\r\nBearer s3cr3t-value\x00: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
)
async def test_what_is_not_http(http: HttpClient, octets: bytes) -> None:
    async with talking(saying(octets)) as port:
        error = await failing(http, f"http://127.0.0.1:{port}/")
    assert (error.kind, error.sent) == ("protocol", True)
    assert "127.0.0.1" in error.text


async def test_endless_interim_answers_end_at_the_deadline(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with talking(talk) as port:
        error = await failing(http, f"http://127.0.0.1:{port}/", timeout=0.1)
    assert (error.kind, error.sent) == ("timeout", True)


async def test_an_answer_before_the_content_has_been_read(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await writer.drain()
        await reader.read()

    async with talking(talk) as port:
        response = await http.request("POST", f"http://127.0.0.1:{port}/", content=bytes(200_000))
    assert (response.status, response.body) == (413, b"no")


async def test_tls_that_breaks_in_mid_answer(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
        await writer.drain()
        writer.transport.abort()

    client = HttpClient(DefaultSettings(ca_file=authority.file))
    async with talking(talk, tls=authority.server()) as port:
        error = await failing(client, f"https://localhost:{port}/")
    await client.close()
    assert (error.kind, error.sent) == ("protocol", True)
