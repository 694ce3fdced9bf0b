"""What `relay check` says of a good configuration."""

from pathlib import Path

import pytest

from relay.config import describe
from tests.config.conftest import MICROSOFT, SMARTHOST, Configure

SINKS = '[accounts.a]\nprovider = "sink"\n[accounts.b]\nprovider = "discard"\n[accounts.c]\nprovider = "fail"\n'


def said(configure: Configure, text: str, environ: dict[str, str] | None = None) -> str:
    return "\n".join(describe(configure(text, environ)))


def test_the_five_lines(configure: Configure, tmp_path: Path) -> None:
    text = said(configure, 'hostname = "relay.example.com"\nstate_folder = "/state"\n' + MICROSOFT)
    assert (
        text
        == f"""\
configuration: {tmp_path}/relay.toml
hostname: relay.example.com

listener default: 127.0.0.1:2525, [::1]:2525 (if the machine has it)
  no TLS, logins stay on this machine
  messages up to 35MiB, 1000 recipients
  may be used by: local

client local (built in): anyone at 127.0.0.0/8, ::1/128, any user and password or none
  sends through account office, as noreply@contoso.com, to anyone
  hears 250 when the message is queued

account office: microsoft, by SMTP to smtp.office365.com:587 (STARTTLS, TLS 1.2 or newer)
  mailbox noreply@contoso.com
  token from https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token \
for https://outlook.office365.com/.default (client_credentials)
  client_id *** (written in {tmp_path}/relay.toml), client_secret *** (written in {tmp_path}/relay.toml)
  2 at a time, 25 messages/1m burst 5, 10000 recipients/1d
  used by: local

queue: sqlite:////state/relay.db
  tried again after 1m, 5m, 15m, 30m, 1h, 2h, 3h, then at the last interval; given up after 5d
  kept: sent 1d, failed 14d
  told of mail that was not delivered: nobody (bounce_to is not set)
page: http://127.0.0.1:8025/
log: text from INFO to standard error"""
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["account sink: sink: keeps mail here, sends nothing", "  hears 250 when the message is delivered"]),
        (
            SINKS + '[clients.x]\npassword = "hunter2"\naccount = "a"\n',
            [
                "account b: discard: accepts mail and throws it away",
                "account c: fail: refuses every message",
                "  used by: nobody",
            ],
        ),
        (
            MICROSOFT.replace("[accounts.office]", '[accounts.office]\nvia = ["graph"]'),
            ["account office: microsoft, by Microsoft Graph at https://graph.microsoft.com"],
        ),
        (
            SMARTHOST + 'tls = "opportunistic"',
            ["account hub: smtp, by SMTP to smtp.example.com:25 (TLS where the server offers it, unverified)"],
        ),
        (SMARTHOST + 'tls = "off"', ["account hub: smtp, by SMTP to smtp.example.com:25 (no TLS)"]),
        (
            SMARTHOST + 'tls = "implicit"\nmin_tls = "1.3"',
            ["account hub: smtp, by SMTP to smtp.example.com:465 (TLS 1.3 from the first byte)"],
        ),
        (
            SMARTHOST
            + '[clients.x]\nnetworks = ["192.0.2.0/24"]\nsender = "force"\nsenders = ["*"]\nrecipients = ["@b.c"]',
            [
                "client x: without login, by its address: 192.0.2.0/24",
                "  sends through account hub, as anyone, to @b.c",
                "  sender is rewritten to hub@example.com always",
            ],
        ),
        (
            SMARTHOST + '[clients.x]\npassword = "hunter2"\nnetworks = ["192.0.2.0/24"]\nsender = "if_not_allowed"',
            ["  sender is rewritten to hub@example.com when the app's own is not allowed"],
        ),
        (
            '[web]\nbind = []\n[log]\nformat = "json"\nlevel = "error"\nfile = "/l"',
            ["page: off", "log: json from ERROR to /l"],
        ),
        ("[queue]\ndatabase = 'sqlite:////q/x.db'\nmax_age = '1h30m'\nretry = ['1m']", ["queue: sqlite:////q/x.db"]),
    ],
)
def test_lines(configure: Configure, text: str, lines: list[str]) -> None:
    found = said(configure, text)
    assert [line for line in lines if line not in found.splitlines()] == [], found
    assert "hunter2" not in found


@pytest.mark.usefixtures("certificate")
@pytest.mark.parametrize(
    ("listener", "line"),
    [
        ('tls = "starttls"\n', "  STARTTLS 1.2 or newer, certificate {}/certificate.pem, logins only under TLS"),
        (
            'tls = "starttls"\nrequire_tls = false\n',
            "  STARTTLS 1.2 or newer, certificate {}/certificate.pem, logins with or without TLS",
        ),
        (
            'tls = "implicit"\nmin_tls = "1.3"\n',
            "  TLS from the first byte 1.3 or newer, certificate {}/certificate.pem, logins only under TLS",
        ),
        ('require_tls = false\ntls = "off"\n', "  no TLS, logins are readable on the way"),
    ],
)
def test_listeners(configure: Configure, tmp_path: Path, listener: str, line: str) -> None:
    files = 'certificate = "certificate.pem"\nkey = "key.pem"\n' if '"off"' not in listener else ""
    text = f'{SMARTHOST}[listeners.a]\nbind = ["0.0.0.0:25"]\n{listener}{files}[clients.b]\npassword = "x"\n'
    assert line.format(tmp_path) in said(configure, text).splitlines()


def test_no_secret_is_shown_and_each_tells_where_it_is(configure: Configure, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("hunter2")
        (tmp_path / name).chmod(0o600)
    text = (
        MICROSOFT.replace('client_secret = "the~Value"', 'client_secret_file = "one"')
        + SMARTHOST
        + 'password_file = "two"\n[clients.a]\npassword = "hunter2"\naccount = "hub"\n'
        + '[clients.b]\nnetworks = ["192.0.2.1"]\naccount = "office"\n[http]\nproxy = "http://user:hunter2@proxy:3128"\n'
    )
    found = said(configure, text, {"RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_ID": "hunter2"})
    assert "hunter2" not in found
    assert f"client_secret *** (file {tmp_path}/one)" in found
    assert "client_id *** (written in RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_ID)" in found
    assert f"login hub@example.com, password *** (file {tmp_path}/two)" in found
    assert f'client a: by login "a", password *** (written in {tmp_path}/relay.toml)' in found
    assert f"proxy: *** (written in {tmp_path}/relay.toml)" in found


def test_warnings_come_last(configure: Configure) -> None:
    lines = said(configure, SMARTHOST.replace("smtp.example.com", "smtp.office365.com") + 'password = "x"').splitlines()
    assert lines[-1].startswith("warning: ")
    assert "MC786329" in lines[-1]
