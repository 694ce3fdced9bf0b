"""Requests through a web proxy: NAME is a host that only the proxy can find."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from relay.config.secret import Secret
from relay.http import DefaultSettings, HttpClient, HttpError, HttpResponse
from tests.support.certificates import Authority
from tests.support.web import NAME, Proxy, saying, talking, web

PASSWORD = "pr0xy:p@ss %ü"
ENCODED = "pr0xy%3Ap%40ss%20%25%C3%BC"
URL = f"https://{NAME}:8443/token"


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.fixture(autouse=True)
def no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
async def target(authority: Authority) -> AsyncIterator[int]:
    async with web(hello, tls=authority.server(NAME, "127.0.0.1", "localhost")) as port:
        yield port


@pytest.fixture
def ca_file(authority: Authority) -> Path:
    return authority.file


async def get(settings: DefaultSettings, url: str = URL) -> HttpResponse:
    """One request with a client of its own."""
    client = HttpClient(settings)
    try:
        return await client.request("GET", url)
    finally:
        await client.close()


async def refusal(settings: DefaultSettings, url: str = URL) -> HttpError:
    with pytest.raises(HttpError) as caught:
        await get(settings, url)
    error = caught.value
    assert "pr0xy" not in f"{error} {error!r}"
    assert error.sent is False
    return error


async def test_a_proxy_with_a_login(target: int, ca_file: Path) -> None:
    proxy = Proxy(target, login=f"relay:{PASSWORD}")
    async with proxy.running() as port:
        address = Secret(f"http://relay:{ENCODED}@127.0.0.1:{port}")
        response = await get(DefaultSettings(proxy=address, ca_file=ca_file))
    assert response.body == b"hello"
    assert proxy.asked == [f"CONNECT {NAME}:8443 HTTP/1.1"]


async def test_a_proxy_from_the_environment(target: int, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(target)
    async with proxy.running() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        assert (await get(DefaultSettings(ca_file=ca_file))).body == b"hello"
        monkeypatch.setenv("NO_PROXY", "test")
        assert "cannot be resolved" in (await refusal(DefaultSettings(ca_file=ca_file))).text
        assert "cannot be resolved" in (await refusal(DefaultSettings(no_proxy=(NAME,), ca_file=ca_file))).text
    assert len(proxy.asked) == 1


async def test_this_machine_is_asked_directly(target: int, ca_file: Path) -> None:
    proxy = Proxy(target)
    async with proxy.running() as port:
        settings = DefaultSettings(proxy=Secret(f"http://127.0.0.1:{port}"), ca_file=ca_file)
        assert (await get(settings, f"https://localhost:{target}/")).body == b"hello"
    assert proxy.asked == []


async def test_a_proxy_that_is_spoken_to_with_tls(target: int, authority: Authority, ca_file: Path) -> None:
    proxy = Proxy(target)
    async with proxy.running(tls=authority.server()) as port:
        settings = DefaultSettings(proxy=Secret(f"https://localhost:{port}"), ca_file=ca_file)
        assert (await get(settings)).body == b"hello"
    assert len(proxy.asked) == 1


async def test_a_proxy_for_http() -> None:
    # A web server of its own would not know the address in this form, which only proxies are sent.
    async with talking(saying(b"HTTP/1.1 200 OK\r\n\r\nhello")) as target:
        proxy = Proxy(target)
        async with proxy.running() as port:
            settings = DefaultSettings(proxy=Secret(f"http://127.0.0.1:{port}"))
            assert (await get(settings, f"http://{NAME}/x")).body == b"hello"
    assert proxy.asked == [f"GET http://{NAME}/x HTTP/1.1"]


async def test_a_new_password_in_the_file_is_used_at_once(target: int, ca_file: Path, tmp_path: Path) -> None:
    proxy = Proxy(target, login="relay:new")
    file = tmp_path / "proxy"
    async with proxy.running() as port:
        client = HttpClient(DefaultSettings(proxy=Secret(file=file), ca_file=ca_file))
        with pytest.raises(HttpError, match="does not exist"):
            await client.request("GET", URL)
        file.write_text(f"http://relay:old@127.0.0.1:{port}\n")
        with pytest.raises(HttpError, match="407"):
            await client.request("GET", URL)
        file.write_text(f"http://relay:new@127.0.0.1:{port}\n")
        assert (await client.request("GET", URL)).status == 200
        await client.close()


@pytest.mark.parametrize("url", [URL, f"http://{NAME}/"])
async def test_a_missing_login(target: int, url: str) -> None:
    async with Proxy(target, login="relay:right").running() as port:
        error = await refusal(DefaultSettings(proxy=Secret(f"http://relay:pr0xy@127.0.0.1:{port}")), url)
    assert error.kind == "proxy"
    assert f"127.0.0.1:{port} wants a login" in error.text
    assert "[http] proxy" in error.hint


async def test_a_host_that_the_proxy_does_not_allow(target: int) -> None:
    async with Proxy(target, status=403).running() as port:
        error = await refusal(DefaultSettings(proxy=Secret(f"http://127.0.0.1:{port}")))
    assert error.kind == "proxy"
    assert f"refused a connection to {NAME} (403)" in error.text
    assert f"allow {NAME} port 8443" in error.hint


async def test_a_proxy_that_does_not_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    error = await refusal(DefaultSettings(proxy=Secret(f"http://relay:pr0xy@127.0.0.1:{port}")))
    assert error.kind == "connect"
    assert f"the proxy 127.0.0.1:{port} refused the connection" in error.text


async def test_a_proxy_whose_name_does_not_exist() -> None:
    error = await refusal(DefaultSettings(proxy=Secret("http://relay:pr0xy@nothing.invalid:3128")))
    assert "the name of the proxy nothing.invalid:3128 cannot be resolved" in error.text


@pytest.mark.parametrize("octets", [b"", b"220 mail.test ESMTP\r\n\r\n", b"HTTP/1.1 200"])
async def test_something_else_than_a_proxy(octets: bytes) -> None:
    async with talking(saying(octets)) as port:
        error = await refusal(DefaultSettings(proxy=Secret(f"http://relay:pr0xy@127.0.0.1:{port}")))
    assert error.kind == "proxy"
    assert f"127.0.0.1:{port}" in error.text


async def test_a_silent_proxy() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(talk) as port:
        settings = DefaultSettings(proxy=Secret(f"http://relay:pr0xy@127.0.0.1:{port}"), timeout=0.05)
        error = await refusal(settings)
    assert error.kind == "timeout"
    assert f"no connection to the proxy 127.0.0.1:{port}" in error.text


async def test_the_servers_certificate_is_checked_behind_the_proxy(target: int) -> None:
    async with Proxy(target).running() as port:
        error = await refusal(DefaultSettings(proxy=Secret(f"http://127.0.0.1:{port}")))
    assert error.kind == "tls"
    assert f"the certificate of {NAME} is not trusted" in error.text


@pytest.mark.parametrize(
    "address",
    ["socks5://relay:pr0xy@p:1080", "ftp://relay:pr0xy@p", "http://", "http://relay:pr0xy@:0x", "http://[::1"],
)
async def test_an_address_that_is_no_proxys(address: str) -> None:
    error = await refusal(DefaultSettings(proxy=Secret(address)))
    assert error.kind == "proxy"
    assert "http://HOST:PORT" in error.hint
