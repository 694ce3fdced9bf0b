"""The HTTP client and certificates: whom it trusts, and what it says of the others."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path

from relay.http import DefaultSettings, HttpClient
from tests.http.parts import failing, hello
from tests.support.certificates import Authority
from tests.support.web import talking, web


async def test_the_configured_authority_is_trusted(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    client = HttpClient(DefaultSettings(ca_file=authority.file))
    async with web(hello, tls=authority.server()) as port:
        assert (await client.request("GET", f"https://localhost:{port}/")).body == b"hello"
        await client.close()


async def test_another_authority_is_not(tmp_path: Path) -> None:
    client = HttpClient(DefaultSettings(ca_file=Authority.make(tmp_path).file))
    async with web(hello, tls=Authority.make(tmp_path, "Other").server()) as port:
        error = await failing(client, f"https://localhost:{port}/")
    await client.close()
    assert (error.kind, error.sent) == ("tls", False)
    assert "certificate of localhost is not trusted" in error.text
    assert "[http] ca_file" in error.hint


async def test_another_name_is_not(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    client = HttpClient(DefaultSettings(ca_file=authority.file))
    async with web(hello, tls=authority.server("elsewhere.test")) as port:
        by_name = await failing(client, f"https://localhost:{port}/")
        by_address = await failing(client, f"https://127.0.0.1:{port}/")
    await client.close()
    assert "Check the host name" in by_name.hint
    assert "Write the host name" in by_address.hint


async def test_an_expired_certificate_is_not(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    before, after = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2001, 2002))
    authority.ca.issue_cert("localhost", not_before=before, not_after=after).configure_cert(context)
    client = HttpClient(DefaultSettings(ca_file=authority.file))
    async with web(hello, tls=context) as port:
        error = await failing(client, f"https://localhost:{port}/")
    await client.close()
    assert "expired" in error.text
    assert "clock" in error.hint


async def test_a_server_without_tls(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"220 this is something else\r\n")

    async with talking(talk) as port:
        error = await failing(http, f"https://localhost:{port}/")
    assert (error.kind, error.sent) == ("tls", False)
    assert f"localhost port {port}" in error.text


async def test_a_server_that_hangs_up_in_the_handshake(http: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with talking(talk) as port:
        error = await failing(http, f"https://localhost:{port}/")
    assert (error.kind, error.sent) == ("tls", False)


async def test_a_ca_file_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("nothing here")
    for name, reason in (("absent", "No such file"), ("empty", "holds no certificate")):
        client = HttpClient(DefaultSettings(ca_file=tmp_path / name))
        error = await failing(client, "https://localhost:1/")
        assert error.kind == "tls"
        assert str(tmp_path / name) in error.text
        assert reason in error.text


async def test_the_authorities_are_read_once(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    settings = DefaultSettings(ca_file=authority.file)
    client = HttpClient(settings)
    async with web(hello, tls=authority.server()) as port:
        await client.request("GET", f"https://localhost:{port}/")
        assert settings.ca_file is not None
        settings.ca_file.unlink()
        assert (await client.request("GET", f"https://localhost:{port}/")).status == 200
        await client.close()
