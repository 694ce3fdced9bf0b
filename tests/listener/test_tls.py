"""Certificates: renewed while the listener runs, made on request, and shown by clients."""

import ssl
import stat
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from relay import config
from relay.listener.tls import names_of, server_tls
from relay.model import Clock
from tests.support import certificates
from tests.support.clock import FakeClock
from tests.support.door import Line, door


def serial(line: Line) -> int:
    der = line.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).serial_number


def keys_of(made: certificates.ServerFiles, tls: str, more: str = "") -> str:
    return f'tls = "{tls}"\n{made.toml}{more}\n'


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_new_certificate_is_used_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tls: str
) -> None:
    caplog.set_level("INFO", "relay")
    clock = FakeClock()
    made = certificates.server_files(tmp_path)
    context = made.authority.client

    async def seen() -> int:
        line = await at.knock(context if tls == "implicit" else None)
        if tls == "starttls":
            await line.say("EHLO c")
            await line.say("STARTTLS")
            await line.start_tls(context)
            await line.say("EHLO c")
        return serial(line)

    async with door(tmp_path, keys_of(made, tls), clock=clock) as at:
        first = await seen()
        made.certificate.write_text("-----BEGIN CERTIFICATE-----\nhalf of it")
        await clock.advance(11)
        assert await seen() == first
        assert "the old one stays in use" in caplog.text
        caplog.clear()
        await clock.advance(11)
        assert await seen() == first
        assert "cannot be used" not in caplog.text, "told once"
        issued = made.authority.ca.issue_cert("localhost")
        issued.private_key_pem.write_to_path(made.key)
        issued.cert_chain_pems[0].write_to_path(made.certificate)
        await clock.advance(11)
        second = await seen()
        assert second != first
        assert "new connections get the new one" in caplog.text


def test_a_certificate_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(
        f'hostname = "relay.test"\nstate_folder = "{tmp_path}/state"\n[listeners.a]\nbind = ["127.0.0.1:0"]\n'
        'tls = "auto"\ncertificate = "self-signed"\n'
    )
    listener = config.load(file, {"HOME": str(tmp_path)}).listeners["a"]
    assert listener.certificate == tmp_path / "state" / "self-signed.pem"
    assert server_tls(listener, Clock(), "relay.test") is not None
    first = listener.certificate.read_bytes()
    assert listener.key is not None
    assert stat.S_IMODE(listener.key.stat().st_mode) == 0o600
    server_tls(listener, Clock(), "relay.test")
    assert listener.certificate.read_bytes() == first
    found = x509.load_pem_x509_certificate(first).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.value.get_values_for_type(x509.DNSName) == ["relay.test", "localhost"]


BY_CERTIFICATE = '[clients.scanner]\ncertificate_subject = "Scanner.example.com"\nsenders = ["*"]\n'


@pytest.mark.parametrize("tls", ["implicit", "starttls", "auto"])
async def test_a_client_is_recognised_by_its_certificate(tmp_path: Path, tls: str) -> None:
    made = certificates.server_files(tmp_path)
    people = certificates.Authority.make(tmp_path, "People")
    context = made.authority.client
    shown = people.ca.issue_cert("scanner.example.com")
    shown.configure_cert(context)
    async with door(tmp_path, keys_of(made, tls, f'client_ca = "{people.file}"'), BY_CERTIFICATE) as at:
        line = await at.knock(context if tls != "starttls" else None)
        if tls == "starttls":
            await line.say("EHLO c")
            await line.say("STARTTLS")
            await line.start_tls(context)
        await line.begin()
        assert (await line.say(b"From: a@x.org\r\n\r\nx\r\n.\r\n")).startswith("250 2.0.0")
        ((claim, _),) = await at.taken()
        assert claim.message.origin.client == "scanner"


async def test_without_a_certificate_or_with_another_name_there_is_no_client(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    people = certificates.Authority.make(tmp_path, "People")
    other = made.authority.client
    people.ca.issue_cert("other.example.com").configure_cert(other)
    async with door(tmp_path, keys_of(made, "implicit", f'client_ca = "{people.file}"'), BY_CERTIFICATE) as at:
        for context in (made.authority.client, other):
            line = await at.knock(context)
            await line.say("EHLO c")
            assert (await line.say("MAIL FROM:<a@x.org>")).startswith("550 5.7.1")


async def test_a_certificate_of_strangers_is_refused_in_the_handshake(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    people = certificates.Authority.make(tmp_path, "People")
    context = made.authority.client
    trustme.CA().issue_cert("scanner.example.com").configure_cert(context)
    async with door(tmp_path, keys_of(made, "implicit", f'client_ca = "{people.file}"'), BY_CERTIFICATE) as at:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await at.knock(context)


def test_the_names_of_a_certificate() -> None:
    certificate = {
        "subject": ((("organizationName", "Contoso"),), (("commonName", "Printer 3"),)),
        "subjectAltName": (("DNS", "P3.contoso.com"), ("email", "p3@contoso.com"), ("IP Address", "192.0.2.7")),
    }
    assert names_of(certificate) == {"printer 3", "p3.contoso.com", "p3@contoso.com", "cn=printer 3,o=contoso"}
    assert names_of(None) == frozenset()
