"""What the radar tells, and that it tells each thing once."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from relay import metrics
from relay.oauth import MailboxTokens, TokenError, TokenSource
from relay.oauth.access_token import Granted
from relay.oauth.store import CONSENT_NEEDED, SignIn
from tests.alerts.conftest import ACCOUNT, DAY, NOW, SECRET, Tower, events, lane
from tests.support.certificates import server_files
from tests.support.keys import certificate, certificate_pem, pem, rsa_key


def ending(day: str) -> str:
    return f"{SECRET}client_secret_expires = {day}\n"


def after(days: float) -> str:
    """A moment so many days from the clock's now, as TOML writes it."""
    return datetime.fromtimestamp(NOW + days * DAY, UTC).isoformat()


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
    text = f'certificate = "{files.certificate}"\nkey = "{files.key}"\n'
    radar = tower.radar(f'[listeners.lan]\nbind = ["127.0.0.1:0"]\ntls = "starttls"\n{text}')
    files.certificate.unlink()
    await radar.look()
    assert "nobody knows when the certificate in listeners.lan.certificate ends" in caplog.text
    assert f"{files.certificate}: does not exist" in caplog.text


USER = f'{ACCOUNT}grant = "device_code"\n'
SIGN_IN = SignIn(
    account="office",
    refresh_token="refresh-1",
    client_id="11111111-2222-3333-4444-555555555555",
    token_endpoint="https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
    scope="SMTP.Send offline_access",
)


async def end_sign_in(tower: Tower) -> None:
    consent = await tower.store.find("office")
    assert consent is not None
    assert await tower.store.refused(consent, "", "AADSTS50173: revoked", state=CONSENT_NEEDED)


async def test_a_sign_in_that_was_lost_is_told_once_and_again_after_the_next(tower: Tower) -> None:
    radar = tower.radar(USER)
    await radar.look()
    assert tower.listener.heard == [], "nobody has signed in yet: nothing was lost"
    await tower.store.keep(SIGN_IN)
    await radar.look()
    assert metrics.SIGN_IN_NEEDED.labels("office")._value.get() == 0
    for _ in range(2):
        await end_sign_in(tower)
        await radar.look()
        await radar.look()
        await tower.radar(USER).look()
        assert metrics.SIGN_IN_NEEDED.labels("office")._value.get() == 1
        await tower.store.keep(SIGN_IN)
        await radar.look()
        radar = tower.radar(USER)
    assert events(tower.listener) == ["consent_lost", "consent_lost"]
    text = tower.listener.texts[0]
    assert "AADSTS50173: revoked" in text
    assert text.endswith("Sign in again: relay authorize office")


async def test_a_sign_in_that_nobody_uses(tower: Tower) -> None:
    await tower.store.keep(SIGN_IN)
    consent = await tower.store.find("office")
    assert consent is not None
    tower.clock.now = consent.used_at + 84 * DAY
    await tower.radar(USER).look()
    assert events(tower.listener) == ["expires"]
    assert tower.listener.heard[0]["kind"] == "refresh_token"
    assert "relay authorize office" in tower.listener.texts[0]


async def test_another_provider_s_sign_in_has_no_known_end(tower: Tower) -> None:
    text = USER.replace('"microsoft"', '"google"').replace('tenant = "contoso.onmicrosoft.com"\n', "")
    await tower.store.keep(SIGN_IN)
    tower.clock.now += 10_000 * DAY
    await tower.radar(text).look()
    assert tower.listener.heard == []


class Provider:
    """Gives a token, or refuses with the next of `errors`."""

    def __init__(self, *errors: TokenError) -> None:
        self.errors = list(errors)

    async def fetch(self) -> Granted:
        if self.errors:
            raise self.errors.pop(0)
        return Granted("token", 3600.0)


EXPIRED = TokenError(
    "office: the token endpoint refused",
    error="invalid_client",
    temporary=False,
    codes=(7000222,),
    hint="Make a new one.",
)


async def ask(source: TokenSource) -> None:
    try:
        await source.get()
    except TokenError:
        pass


async def test_the_same_of_an_account_that_acts_as_its_senders(tower: Tower) -> None:
    of_user = TokenError("office: no", error="invalid_grant", temporary=False, codes=(7000222,))
    providers = {"a@contoso.com": Provider(of_user), "b@contoso.com": Provider(), "c@contoso.com": Provider(EXPIRED)}
    tokens = MailboxTokens(lambda mailbox: TokenSource(mailbox, providers[mailbox].fetch, tower.clock))
    tower.credentials["office"] = tokens
    radar = tower.radar(SECRET)
    for mailbox in ("a@contoso.com", "b@contoso.com"):
        await ask(tokens.of(mailbox))
        await radar.look()
    assert events(tower.listener) == []
    assert tokens.works, "one user's trouble is not the application's"
    await ask(tokens.of("c@contoso.com"))
    await radar.look()
    assert events(tower.listener) == ["expired"]
    assert not tokens.works


async def test_the_provider_says_that_the_secret_has_expired(tower: Tower) -> None:
    provider = Provider(EXPIRED, EXPIRED)
    source = tower.credentials["office"] = TokenSource("office", provider.fetch, tower.clock)
    radar = tower.radar(SECRET)
    await radar.look()
    for _ in range(2):
        await ask(source)
        await radar.look()
        await tower.radar(SECRET).look()
        tower.clock.now += 31
    assert events(tower.listener) == ["expired"]
    assert tower.listener.texts[0].endswith("; its mail waits. Make a new one.")
    await ask(source)
    await radar.look()
    provider.errors.append(EXPIRED)
    tower.clock.now += 3600
    await ask(source)
    await radar.look()
    assert events(tower.listener) == ["expired", "expired"], "it had worked in between"


async def test_an_end_that_is_written_down_is_not_told_twice(tower: Tower) -> None:
    source = tower.credentials["office"] = TokenSource("office", Provider(EXPIRED).fetch, tower.clock)
    await ask(source)
    await tower.radar(ending(after(-1))).look()
    assert events(tower.listener) == ["expired"]


async def test_other_refusals_are_not_an_expiry(tower: Tower) -> None:
    wrong = TokenError("office: refused", error="invalid_client", temporary=False, codes=(7000215,))
    source = tower.credentials["office"] = TokenSource("office", Provider(wrong).fetch, tower.clock)
    await ask(source)
    await tower.radar(SECRET).look()
    assert tower.listener.heard == []


async def test_a_mailbox_in_trouble_for_long(tower: Tower) -> None:
    radar = tower.radar(SECRET)
    for minute in range(70):
        # Each attempt ends in a longer pause; between two of them it is not paused for a moment.
        paused = tower.clock.now + (30 if minute % 2 else -30)
        tower.lanes = [lane(trouble="535 5.7.3 no", paused_until=paused), lane("other")]
        await radar.look()
        if minute < 60:
            assert tower.listener.heard == []
        tower.clock.now += 60
    assert events(tower.listener) == ["identity_paused"]
    text = tower.listener.texts[0]
    assert "microsoft/noreply@contoso.com has been paused for 1h and its mail waits: 535 5.7.3 no" in text
    assert text.endswith("relay doctor office")
    assert metrics.PAUSED.labels("microsoft/noreply@contoso.com")._value.get() == 69 * 60
    assert metrics.PAUSED.labels("other")._value.get() == 0


async def test_trouble_that_is_over_starts_the_count_again(tower: Tower) -> None:
    alerts = f'webhook = "{tower.listener.address}"\npaused_after = "10m"'
    radar = tower.radar(SECRET, alerts)
    for _ in range(3):
        for _ in range(9):
            tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
            await radar.look()
            tower.clock.now += 60
        tower.lanes = [lane(last_sent_at=tower.clock.now)]
        await radar.look()
    assert tower.listener.heard == []


async def test_a_clock_that_is_set_makes_no_pause_long(tower: Tower) -> None:
    radar = tower.radar("", f'webhook = "{tower.listener.address}"\npaused_after = "1h"')
    tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
    await radar.look()
    tower.clock.jump(10 * 365 * 86400.0)
    tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
    await radar.look()
    assert events(tower.listener) == []


async def test_old_trouble_without_mail_is_no_pause(tower: Tower) -> None:
    radar = tower.radar(SECRET, f'webhook = "{tower.listener.address}"\npaused_after = "10m"')
    tower.lanes = [lane(trouble="no", paused_until=tower.clock.now)]
    for _ in range(60):
        await radar.look()
        tower.clock.now += 60
    assert tower.listener.heard == []
    assert radar._in_trouble == {}


async def test_a_pause_is_told_once_even_after_a_restart_and_again_after_a_success(tower: Tower) -> None:
    alerts = f'webhook = "{tower.listener.address}"\npaused_after = "1m"'

    async def trouble() -> None:
        radar = tower.radar(SECRET, alerts)
        tower.lanes = [lane()]
        await radar.look()
        for _ in range(4):
            tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
            await radar.look()
            tower.clock.now += 60

    await trouble()
    await trouble()
    assert events(tower.listener) == ["identity_paused"]
    tower.lanes = [lane(last_sent_at=tower.clock.now)]
    await tower.radar(SECRET, alerts).look()
    await trouble()
    assert events(tower.listener) == ["identity_paused"] * 2


async def test_the_log_tells_it_without_any_other_way(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await tower.radar(ending(after(5)), 'paused_after = "1h"').look()
    (line,) = [record for record in caplog.records if "client secret" in record.message]
    assert line.levelname == "WARNING"
    assert "runs out in 5 days" in line.message
    assert tower.listener.heard == []
    shown = metrics.page().decode()
    assert 'relay_expires_timestamp_seconds{kind="client_secret",name="office"} 1.800432e+09' in shown


DAMAGED = '{"said": {"client_secret:office": {"until": 5, "days": "seven"}}, "waiting": []}'


async def test_a_file_that_is_damaged_is_begun_anew(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    file = tower.folder / "alerts.json"
    for text in (
        "",
        "{}",
        "[1]",
        '{"said": {"x": 5}, "waiting": []}',
        '{"said": {}, "waiting": [{}]}',
        "\x00",
        DAMAGED,
    ):
        file.write_text(text)
        await tower.radar(ending(after(5))).look()
    assert len(tower.listener.heard) == 7
    assert "alerts may be repeated" in caplog.text
    assert json.loads(file.read_text())["waiting"] == []


async def test_a_folder_that_cannot_be_written_stops_no_alert(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    (tower.folder / "alerts.json.new").mkdir()
    radar = tower.radar(ending(after(5)))
    await radar.look()
    await radar.look()
    assert events(tower.listener) == ["expires"]
    assert "alerts.json" in caplog.text


async def test_nothing_that_goes_wrong_ends_it(tower: Tower, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    radar = tower.radar(ending(after(5)))
    looks = 0

    def lanes() -> list[object]:
        nonlocal looks
        looks += 1
        raise RuntimeError("a mistake of ours")

    radar._lanes = lanes  # type: ignore[assignment]
    task = asyncio.create_task(radar.run())
    while looks < 3:
        await asyncio.sleep(0.01)
        await tower.clock.advance(60)
    task.cancel()
    await asyncio.wait({task})
    assert "a mistake of ours" in caplog.text


async def test_a_changed_configuration_is_looked_at_at_once(tower: Tower) -> None:
    tower.listener.statuses = [500]
    radar = tower.radar(ending(after(5)))
    await radar.look()
    assert tower.listener.heard == []
    tower.clock.now += 60
    source = TokenSource("office", Provider(EXPIRED).fetch, tower.clock)
    await ask(source)
    radar.use(tower.settings(ending(after(400))), {"office": source})
    await radar.look()
    assert events(tower.listener) == ["expires", "expired"], "what nobody has heard yet is not forgotten"
    radar.use(tower.settings(ending(after(0.5)), 'paused_after = "1h"'), {})
    await radar.look()
    assert len(tower.listener.heard) == 2, "there is no webhook any more"
