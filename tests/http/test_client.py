"""The HTTP client against real servers on loopback: what is asked, and what comes back."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from relay import __version__
from relay.http import HttpClient
from tests.http.parts import echo, failing, hello
from tests.support.clock import FakeClock
from tests.support.web import saying, talking, web


async def test_a_form_arrives(http: HttpClient) -> None:
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


async def test_content_is_streamed(http: HttpClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"piece {number} ".encode()

    async def read(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    async with web(read) as port:
        url = f"http://127.0.0.1:{port}/"
        assert (await http.request("PUT", url, content=pieces())).body == b"piece 0 piece 1 piece 2 "
        assert (await http.request("PUT", url, content=b"whole")).body == b"whole"


async def test_trouble_with_the_content_is_not_the_networks(http: HttpClient) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"first"
        raise OSError(5, "the disk is broken")

    async with web(hello) as port:
        with pytest.raises(OSError, match="the disk is broken"):
            await http.request("POST", f"http://127.0.0.1:{port}/", content=broken())
        assert (await http.request("GET", f"http://127.0.0.1:{port}/")).body == b"hello"


async def test_a_redirect_is_an_answer(http: HttpClient) -> None:
    asked = []

    async def away(request: Request) -> Response:
        asked.append(request.url.path)
        return RedirectResponse("/elsewhere")

    async with web(away) as port:
        response = await http.request("GET", f"http://127.0.0.1:{port}/here")
    assert response.status == 307
    assert response.headers["location"] == "/elsewhere"
    assert asked == ["/here"]


async def test_cookies_are_not_kept(http: HttpClient) -> None:
    seen = []

    async def cookie(request: Request) -> Response:
        seen.append(request.headers.get("cookie"))
        return PlainTextResponse("", headers={"set-cookie": "session=one; Path=/"})

    async with web(cookie) as port:
        for _ in range(2):
            await http.request("GET", f"http://127.0.0.1:{port}/")
    assert seen == [None, None]


async def test_connections_are_used_again(http: HttpClient) -> None:
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


async def test_retry_after_is_read_with_the_clock() -> None:
    clock = FakeClock(start=784_111_777.0)
    client = HttpClient(clock=clock)
    async with talking(saying(b"HTTP/1.1 429 No\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n\r\n")) as port:
        response = await client.request("GET", f"http://127.0.0.1:{port}/")
    await client.close()
    assert (response.status, response.retry_after) == (429, 30.0)


async def test_a_cancelled_request_leaves_the_client_in_order(http: HttpClient) -> None:
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


async def test_a_closed_client_refuses(http: HttpClient) -> None:
    await http.close()
    error = await failing(http, "http://127.0.0.1:1/")
    assert (error.kind, error.sent) == ("connect", False)


def test_the_library_is_loaded_late() -> None:
    code = "import sys, relay.http; relay.http.HttpClient(); sys.exit('httpx2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
