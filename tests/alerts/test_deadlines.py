"""What the radar tells of secrets and certificates that run out."""

import json
from datetime import UTC, datetime

import pytest
import trustme

from tests.alerts.conftest import ACCOUNT, DAY, Tower, after, ending, events
from tests.support.certificates import server_files
from tests.support.keys import certificate, certificate_pem, pem, rsa_key


async def test_a_secret_is_told_of_at_30_7_and_1_days_and_when_it_has_ended(tower: Tower) -> None:
    radar = tower.radar(ending(after(40)))
    for _ in range(45 * 4):
        await radar.look()
        tower.clock.now += DAY / 4
    found = [(one["event"], one["level"], one["days_left"]) for one in tower.listener.heard]
    assert found == [
        ("expires", "warning", 30),
        ("expires", "warning", 7),
        ("expires", "error", 1),
        ("expired", "error", 0),
    ]
    first = tower.listener.heard[0]
    assert (first["kind"], first["name"], first["hostname"]) == ("client_secret", "office", "relay.test")
    assert first["expires_at"] == after(40).replace("+00:00", "Z")
    assert first["text"].startswith("the client secret of the account office runs out in 30 days, on 2027-")
    assert "Certificates & secrets" in first["text"]
    assert "accounts.office.oauth.client_secret_expires" in first["action"]
    assert set(tower.listener.kinds) == {"application/json"}


async def test_once_even_after_a_restart(tower: Tower) -> None:
    for _ in range(3):
        await tower.radar(ending(after(5))).look()
    assert events(tower.listener) == ["expires"]
    assert tower.listener.heard[0]["days_left"] == 5
    assert (tower.folder / "alerts.json").stat().st_mode & 0o777 == 0o600
    tower.clock.now += 4.5 * DAY
    await tower.radar(ending(after(5))).look()
    assert tower.listener.texts[1].startswith("the client secret of the account office runs out in less than a day")


async def test_a_new_secret_begins_anew(tower: Tower) -> None:
    await tower.radar(ending(after(5))).look()
    await tower.radar(ending(after(6))).look()
    assert len(tower.listener.heard) == 2
    await tower.radar(ending(after(700))).look()
    assert len(tower.listener.heard) == 2
    assert json.loads((tower.folder / "alerts.json").read_text())["said"] == {}


async def test_certificates_of_the_application(tower: Tower) -> None:
    key = rsa_key()
    (tower.folder / "key.pem").write_bytes(pem(key))
    (tower.folder / "cert.pem").write_bytes(certificate_pem(certificate(key)))
    text = f'{ACCOUNT}private_key_file = "key.pem"\ncertificate_file = "cert.pem"\n'
    radar = tower.radar(text)
    await radar.look()
    (told,) = radar._known
    assert (told.kind, told.name) == ("certificate", "office")
    tower.clock.now = told.until - 6 * DAY
    await radar.look()
    assert tower.listener.texts[-1].startswith("the certificate of the account office runs out in 6 days")
    assert "upload it under App registrations" in tower.listener.texts[-1]


async def test_certificates_of_listeners_and_page_and_towards_servers(tower: Tower) -> None:
    files = server_files(tower.folder)
    text = f"""
[listeners.lan]
bind = ["127.0.0.1:0"]
tls = "starttls"
certificate = "{files.certificate}"
key = "{files.key}"
[web]
certificate = "{files.certificate}"
key = "{files.key}"
[accounts.hub]
provider = "smtp"
host = "mail.example.com"
mailbox = "hub@example.com"
tls = "starttls"
certificate = "{files.certificate}"
key = "{files.key}"
"""
    radar = tower.radar(text)
    await radar.look()
    known = ["client_certificate:hub", "listener_certificate:lan", "page_certificate:page"]
    assert sorted(one.key for one in radar._known) == known
    tower.clock.now = radar._known[0].until - 0.5 * DAY
    await radar.look()
    assert sorted(f"{one['kind']}:{one['name']}" for one in tower.listener.heard) == known
    assert {one["level"] for one in tower.listener.heard} == {"error"}
    assert str(files.certificate) in tower.listener.texts[0]


async def test_a_certificate_that_was_renewed_is_looked_at_again(tower: Tower) -> None:
    files = server_files(tower.folder)
    text = (
        f'[listeners.lan]\nbind = ["127.0.0.1:0"]\ntls = "starttls"\ncertificate = "{files.certificate}"\n'
        f'key = "{files.key}"\n'
    )
    radar = tower.radar(text)
    soon = datetime.fromtimestamp(tower.clock.now + 3 * DAY, UTC)
    trustme.CA().issue_cert("localhost", not_after=soon).cert_chain_pems[0].write_to_path(files.certificate)
    await radar.look()
    assert len(tower.listener.heard) == 1
    files.certificate.write_text("not there yet")
    tower.clock.now += 3600
    await radar.look()
    later = datetime.fromtimestamp(tower.clock.now + 400 * DAY, UTC)
    trustme.CA().issue_cert("localhost", not_after=later).cert_chain_pems[0].write_to_path(files.certificate)
    tower.clock.now += 3600
    await radar.look()
    assert len(tower.listener.heard) == 1
    assert radar._memory.said == {}


async def test_a_certificate_that_cannot_be_read_is_a_line_in_the_log(
    tower: Tower, caplog: pytest.LogCaptureFixture
) -> None:
    files = server_files(tower.folder)
    text = files.toml
    radar = tower.radar(f'[listeners.lan]\nbind = ["127.0.0.1:0"]\ntls = "starttls"\n{text}')
    files.certificate.unlink()
    await radar.look()
    assert "nobody knows when the certificate in listeners.lan.certificate ends" in caplog.text
    assert f"{files.certificate}: does not exist" in caplog.text
