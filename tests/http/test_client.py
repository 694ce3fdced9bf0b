"""The HTTP client against real servers on loopback, kind and unkind ones."""

import asyncio
import contextlib
import datetime as dt
import gzip
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import trustme
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from relay import __version__
from relay.http import DefaultSettings, HttpClient, HttpError
from tests.support.clock import FakeClock
from tests.support.web import Authority, saying, talking, web

SECRET = "s3cr3t-value"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


async def echo(request: Request) -> Response:
    fields = dict(parse_qsl((await request.body()).decode("ascii"), strict_parsing=True))
    return JSONResponse({"method": request.method, "headers": dict(request.headers), "form": fields})


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def failing(client: HttpClient, url: str, **options: float) -> HttpError:
    """The error of a POST with a secret in form and header, which the error must not show."""
    headers = {"authorization": f"Bearer {SECRET}"}
    with pytest.raises(HttpError) as caught:
        await client.request("POST", url, headers=headers, form={"client_secret": SECRET}, **options)  # type: ignore[arg-type]
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.text} {error.hint}"
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, (
        "a traceback in the log would show the library's words"
    )
    assert error.text
    assert error.hint
    return error


class TestRequest:
    async def test_a_form_arrives(self, http: HttpClient) -> None:
        async with web(echo) as port:
            form = {"a": "1 + 1 = 2", "b": "ü%&;\r\n"}
            response = await http.request("POST", f"http://127.0.0.1:{port}/x?y=1", form=form, headers={"x-one": "1"})
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        body = response.body.decode()
        assert '"form":{"a":"1 + 1 = 2","b":"ü%&;\\r\\n"}' in body
        assert f'"user-agent":"smtp-oauth-relay/{__version__}"' in body
        assert '"accept-encoding":"identity"' in body
        assert '"x-one":"1"' in body

    async def test_content_is_streamed(self, http: HttpClient) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"piece {number} ".encode()

        async def read(request: Request) -> Response:
            return PlainTextResponse(await request.body())

        async with web(read) as port:
            url = f"http://127.0.0.1:{port}/"
            assert (await http.request("PUT", url, content=pieces())).body == b"piece 0 piece 1 piece 2 "
            assert (await http.request("PUT", url, content=b"whole")).body == b"whole"

    async def test_trouble_with_the_content_is_not_the_networks(self, http: HttpClient) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"first"
            raise OSError(5, "the disk is broken")

        async with web(hello) as port:
            with pytest.raises(OSError, match="the disk is broken"):
                await http.request("POST", f"http://127.0.0.1:{port}/", content=broken())
            assert (await http.request("GET", f"http://127.0.0.1:{port}/")).body == b"hello"

    async def test_a_redirect_is_an_answer(self, http: HttpClient) -> None:
        asked = []

        async def away(request: Request) -> Response:
            asked.append(request.url.path)
            return RedirectResponse("/elsewhere")

        async with web(away) as port:
            response = await http.request("GET", f"http://127.0.0.1:{port}/here")
        assert response.status == 307
        assert response.headers["location"] == "/elsewhere"
        assert asked == ["/here"]

    async def test_cookies_are_not_kept(self, http: HttpClient) -> None:
        seen = []

        async def cookie(request: Request) -> Response:
            seen.append(request.headers.get("cookie"))
            return PlainTextResponse("", headers={"set-cookie": "session=one; Path=/"})

        async with web(cookie) as port:
            for _ in range(2):
                await http.request("GET", f"http://127.0.0.1:{port}/")
        assert seen == [None, None]

    async def test_connections_are_used_again(self, http: HttpClient) -> None:
        connections = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        async with talking(talk) as port:
            for _ in range(3):
                assert (await http.request("GET", f"http://127.0.0.1:{port}/")).body == b"ok"
        assert connections == 1

    async def test_retry_after_is_read_with_the_clock(self) -> None:
        clock = FakeClock(start=784_111_777.0)
        client = HttpClient(clock=clock)
        async with talking(saying(b"HTTP/1.1 429 No\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n\r\n")) as port:
            response = await client.request("GET", f"http://127.0.0.1:{port}/")
        await client.close()
        assert (response.status, response.retry_after) == (429, 30.0)

    async def test_a_cancelled_request_leaves_the_client_in_order(self, http: HttpClient) -> None:
        asked = asyncio.Event()

        async def never(request: Request) -> Response:
            if request.url.path == "/quick":
                return PlainTextResponse("quick")
            asked.set()
            with contextlib.suppress(asyncio.CancelledError):
                await request.receive()
                await request.receive()
            return PlainTextResponse("late")

        async with web(never) as port:
            task = asyncio.create_task(http.request("GET", f"http://127.0.0.1:{port}/slow"))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await http.request("GET", f"http://127.0.0.1:{port}/quick")).body == b"quick"

    async def test_a_closed_client_refuses(self, http: HttpClient) -> None:
        await http.close()
        error = await failing(http, "http://127.0.0.1:1/")
        assert (error.kind, error.sent) == ("connect", False)

    def test_the_library_is_loaded_late(self) -> None:
        code = "import sys, relay.http; relay.http.HttpClient(); sys.exit('httpx2' in sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestTls:
    def settings(self, tmp_path: Path, authority: Authority) -> DefaultSettings:
        file = tmp_path / "ca.pem"
        authority.ca.cert_pem.write_to_path(file)
        return DefaultSettings(ca_file=file)

    async def test_the_configured_authority_is_trusted(self, tmp_path: Path) -> None:
        authority = Authority()
        client = HttpClient(self.settings(tmp_path, authority))
        async with web(hello, tls=authority.server()) as port:
            assert (await client.request("GET", f"https://localhost:{port}/")).body == b"hello"
            await client.close()

    async def test_another_authority_is_not(self, tmp_path: Path) -> None:
        client = HttpClient(self.settings(tmp_path, Authority()))
        async with web(hello, tls=Authority().server()) as port:
            error = await failing(client, f"https://localhost:{port}/")
        await client.close()
        assert (error.kind, error.sent) == ("tls", False)
        assert "certificate of localhost is not trusted" in error.text
        assert "[http] ca_file" in error.hint

    async def test_another_name_is_not(self, tmp_path: Path) -> None:
        authority = Authority()
        client = HttpClient(self.settings(tmp_path, authority))
        async with web(hello, tls=authority.server("elsewhere.test")) as port:
            by_name = await failing(client, f"https://localhost:{port}/")
            by_address = await failing(client, f"https://127.0.0.1:{port}/")
        await client.close()
        assert "Check the host name" in by_name.hint
        assert "Write the host name" in by_address.hint

    async def test_an_expired_certificate_is_not(self, tmp_path: Path) -> None:
        authority = Authority()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        before, after = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2001, 2002))
        authority.ca.issue_cert("localhost", not_before=before, not_after=after).configure_cert(context)
        client = HttpClient(self.settings(tmp_path, authority))
        async with web(hello, tls=context) as port:
            error = await failing(client, f"https://localhost:{port}/")
        await client.close()
        assert "expired" in error.text
        assert "clock" in error.hint

    async def test_a_server_without_tls(self, http: HttpClient) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"220 this is something else\r\n")

        async with talking(talk) as port:
            error = await failing(http, f"https://localhost:{port}/")
        assert (error.kind, error.sent) == ("tls", False)
        assert f"localhost port {port}" in error.text

    async def test_a_server_that_hangs_up_in_the_handshake(self, http: HttpClient) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)

        async with talking(talk) as port:
            error = await failing(http, f"https://localhost:{port}/")
        assert (error.kind, error.sent) == ("tls", False)

    async def test_a_ca_file_that_cannot_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "empty").write_text("nothing here")
        for name, reason in (("absent", "No such file"), ("empty", "holds no certificate")):
            client = HttpClient(DefaultSettings(ca_file=tmp_path / name))
            error = await failing(client, "https://localhost:1/")
            assert error.kind == "tls"
            assert str(tmp_path / name) in error.text
            assert reason in error.text

    async def test_the_authorities_are_read_once(self, tmp_path: Path) -> None:
        authority = Authority()
        settings = self.settings(tmp_path, authority)
        client = HttpClient(settings)
        async with web(hello, tls=authority.server()) as port:
            await client.request("GET", f"https://localhost:{port}/")
            assert settings.ca_file is not None
            settings.ca_file.unlink()
            assert (await client.request("GET", f"https://localhost:{port}/")).status == 200
            await client.close()


class TestTrouble:
    async def test_a_name_that_does_not_exist(self, http: HttpClient) -> None:
        error = await failing(http, "https://nothing.invalid/")
        assert (error.kind, error.sent) == ("connect", False)
        assert "nothing.invalid" in error.text
        assert "cannot be resolved" in error.text
        assert "DNS" in error.hint

    async def test_a_port_where_nobody_listens(self, http: HttpClient) -> None:
        async with talking(saying(b"")) as port:
            pass
        error = await failing(http, f"https://localhost:{port}/")
        assert (error.kind, error.sent) == ("connect", False)
        assert f"localhost port {port} refused the connection" in error.text

    @pytest.mark.parametrize(
        "url", ["ftp://x.test/", "x.test", "", "https://", "https://x:99999/", "https://[::1", "//x"]
    )
    async def test_an_address_that_is_none(self, http: HttpClient, url: str) -> None:
        error = await failing(http, url)
        assert (error.kind, error.sent) == ("protocol", False)
        assert "https://HOST/PATH" in error.hint

    async def test_a_name_that_cannot_be_one(self, http: HttpClient) -> None:
        error = await failing(http, f"https://{'x' * 64}.test/")
        assert error.sent is False

    async def test_a_header_that_cannot_be_sent(self, http: HttpClient) -> None:
        async with web(hello) as port:
            for value in (f"Bearer {SECRET}\r\nX: y", f"Bearer {SECRET}\N{SNOWMAN}"):
                with pytest.raises(HttpError, match="character that HTTP does not allow") as caught:
                    await http.request("GET", f"http://127.0.0.1:{port}/", headers={"authorization": value})
                assert SECRET not in str(caught.value)
                assert caught.value.sent is False

    async def test_a_slow_server(self, http: HttpClient) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with talking(talk) as port:
            error = await failing(http, f"http://127.0.0.1:{port}/", timeout=0.05)
        assert (error.kind, error.sent) == ("timeout", True)
        assert "127.0.0.1 did not answer within 0.05 s" in error.text

    async def test_a_handshake_that_never_ends(self, http: HttpClient) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                pass

        async with talking(talk) as port:
            error = await failing(http, f"https://127.0.0.1:{port}/", timeout=0.05)
        assert (error.kind, error.sent) == ("timeout", False)
        assert f"no connection to 127.0.0.1 port {port} within 0.05 s" in error.text

    async def test_a_caller_who_gives_up_in_the_handshake_leaves_no_connection(self, http: HttpClient) -> None:
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

    async def test_an_answer_in_drops_ends_at_the_deadline(self, http: HttpClient) -> None:
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

    async def test_a_huge_answer_is_not_read_to_its_end(self, http: HttpClient) -> None:
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

    async def test_the_largest_answer_is_allowed(self, http: HttpClient) -> None:
        async with talking(saying(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)) as port:
            url = f"http://127.0.0.1:{port}/"
            assert len((await http.request("GET", url, max_response=1000)).body) == 1000

    async def test_a_compressed_answer_is_refused(self, http: HttpClient) -> None:
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
    async def test_what_is_not_http(self, http: HttpClient, octets: bytes) -> None:
        async with talking(saying(octets)) as port:
            error = await failing(http, f"http://127.0.0.1:{port}/")
        assert (error.kind, error.sent) == ("protocol", True)
        assert "127.0.0.1" in error.text

    async def test_endless_interim_answers_end_at_the_deadline(self, http: HttpClient) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            while True:
                writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)

        async with talking(talk) as port:
            error = await failing(http, f"http://127.0.0.1:{port}/", timeout=0.1)
        assert (error.kind, error.sent) == ("timeout", True)

    async def test_an_answer_before_the_content_has_been_read(self, http: HttpClient) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
            await writer.drain()
            await reader.read()

        async with talking(talk) as port:
            response = await http.request("POST", f"http://127.0.0.1:{port}/", content=bytes(200_000))
        assert (response.status, response.body) == (413, b"no")

    async def test_tls_that_breaks_in_mid_answer(self, tmp_path: Path) -> None:
        authority = Authority(trustme.CA())
        file = tmp_path / "ca.pem"
        authority.ca.cert_pem.write_to_path(file)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
            await writer.drain()
            writer.transport.abort()

        client = HttpClient(DefaultSettings(ca_file=file))
        async with talking(talk, tls=authority.server()) as port:
            error = await failing(client, f"https://localhost:{port}/")
        await client.close()
        assert (error.kind, error.sent) == ("protocol", True)
