"""`relay doctor` and `relay token` as they are typed, beside a relay and without one."""

import json
import re
from pathlib import Path
from typing import Any

from relay.sandbox import Fault
from tests.end_to_end.test_authorize import authorize
from tests.end_to_end.test_authorize import config as signed_in_config
from tests.support.process import relay, run
from tests.support.way import ANYONE, Way, message, send, way

MAILBOX = "noreply@sandbox.onmicrosoft.com"
OWN = f'[clients.app]\nnetworks = ["127.0.0.0/8"]\nsenders = ["{MAILBOX}"]\n'


def ask(one: Way, *arguments: str, config: Path | None = None) -> tuple[int, str]:
    return run(one.folder, *arguments, "--config", str(config or one.config(clients=OWN)))


def read(one: Way, *arguments: str, config: Path | None = None) -> tuple[int, dict[str, Any]]:
    code, text = ask(one, *arguments, "--json", config=config)
    found: dict[str, Any] = json.loads(text)
    return code, found


def steps(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in report["accounts"][0]["steps"]}


def order(one: Way, kind: str, **options: Any) -> None:
    one.stand_in.sandbox.faults.add(Fault(kind=kind, **options))


def test_all_is_well(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        code, text = ask(one, "doctor", "office")
        assert code == 0, text
        assert text.startswith("office:\n  ok    configuration: ")
        assert f"  ok    auth: logged in as {MAILBOX} by XOAUTH2\n" in text
        assert f"  ok    sender: MAIL FROM:<{MAILBOX}> is taken\n" in text
        assert text.endswith("  office: nothing has to be done\n\n")
        assert one.received == []
        _, report = read(one, "doctor")
        assert report["good"] is True
        assert [step["name"] for step in report["relay"]["steps"]] == ["configuration", "expiry"]
        assert [account["account"] for account in report["accounts"]] == ["office"], "all, when none is named"
        code, text = ask(one, "doctor", "nobody")
        assert (code, text) == (1, "relay: there is no account 'nobody': the configuration has office\n")


def test_what_is_wrong_ends_in_what_to_do(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        order(one, "smtp_auth_disabled_mailbox")
        code, text = ask(one, "doctor", "office")
        assert code == 1
        assert "  FAIL  auth: 535 5.7.139 Authentication unsuccessful" in text
        assert f"            Set-CASMailbox -Identity {MAILBOX} -SmtpClientAuthenticationDisabled $false\n" in text
        assert text.endswith("  office: something has to be done, begin with: auth\n\n")
        order(one, "expired_secret")
        code, report = read(one, "doctor")
        assert (code, report["good"]) == (1, False)
        assert "AADSTS7000222" in steps(report)["token"]["text"]
        assert steps(report)["auth"]["state"] == "skipped"


def test_a_configuration_that_cannot_be_used_is_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text('[accounts.office]\nprovider = "microsft"\n[oops]\nx = 1\n')
    code, text = run(tmp_path, "doctor", "--json")
    found = json.loads(text)
    (step,) = found["relay"]["steps"]
    assert (code, found["good"], found["accounts"]) == (1, False, [])
    assert (step["name"], step["state"]) == ("configuration", "fail")
    assert "accounts.office.provider" in "\n".join(step["details"])
    code, text = run(tmp_path, "doctor")
    assert code == 1
    assert "errors in the configuration" in text


def test_the_last_error_of_a_relay_that_serves(tmp_path: Path) -> None:
    with way(tmp_path, send_as=()) as one:
        config = one.config(clients=ANYONE)
        with relay(one.folder, "serve", "--config", str(config)) as process:
            process.wait_for("started")
            send(process, bytes(message()))
            process.wait_for("failed")
            code, report = read(one, "doctor", config=config)
            found = steps(report)["last_error"]
            assert code == 1
            assert "SendAsDenied" in found["text"]
            assert "from <app@example.com> to <someone@example.org>" in found["text"]
            assert "Add-RecipientPermission" in found["advice"]
            assert 'sender = "force"' in found["advice"]
            code, text = ask(one, "token", "office", config=config)
            assert code == 0
            assert re.search(r"^last error: .* SendAsDenied", text, re.MULTILINE)
            mail = message()
            mail.replace_header("From", MAILBOX)
            send(process, bytes(mail), sender=MAILBOX)
            process.wait_for("sent")
            code, report = read(one, "doctor", config=config)
            assert code == 0
            assert steps(report)["last_error"]["text"].startswith("mail has gone out since the last error")
            assert process.stop() == 0


def test_a_token(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        code, text = ask(one, "token", "office")
        assert code == 0, text
        endpoint = one.stand_in.sandbox.token_endpoint
        assert text.startswith(f"office: token from {endpoint}, by a new request (client_credentials)\ngood for 59m")
        assert "  ok    roles: SMTP.SendAsApp\n" in text
        assert "eyJ" not in text
        code, found = read(one, "token", "office")
        assert (code, found["good"], "token" in found) == (0, True, False)
        assert found["claims"]["appid"] == one.stand_in.sandbox.settings.client_id
        assert 3500 < found["lifetime_left"] <= 3600
        assert read(one, "token", "office", "--show")[1]["token"].startswith("eyJ")
        assert ask(one, "token", "office", "--show")[1].splitlines()[-1].startswith("eyJ")


def test_a_token_that_cannot_work_and_none_at_all(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        config = one.config(clients=OWN)
        wrong = config.with_name("wrong.toml")
        scopes = '[accounts.office.oauth]\nscopes = ["https://graph.microsoft.com/.default"]'
        wrong.write_text(config.read_text().replace("[accounts.office.oauth]", scopes))
        wrong.chmod(0o600)
        code, text = ask(one, "token", "office", config=wrong)
        assert code == 1
        assert "  FAIL  aud: https://graph.microsoft.com\n" in text
        order(one, "wrong_secret")
        code, text = ask(one, "token", "office")
        assert code == 1
        assert "no token: office: the token endpoint" in text
        assert "AADSTS7000215" in text
        code, found = read(one, "token", "office")
        assert (code, found["good"], found["error"]["codes"]) == (1, False, [7000215])
        assert "claims" not in found


def test_an_account_without_a_token(tmp_path: Path) -> None:
    code, text = run(tmp_path, "token", "sink")
    assert (code, text) == (1, "relay: accounts.sink uses no token: it has no oauth table\n")
    code, text = run(tmp_path, "doctor")
    assert text.startswith("relay:\n  ok    configuration: the built-in defaults\n")
    assert code == 0
    assert "nothing has to be done" in text


def test_a_user_s_sign_in(tmp_path: Path) -> None:
    with way(tmp_path, device_code_interval=1) as one:
        config = signed_in_config(one)
        code, report = read(one, "doctor", config=config)
        assert code == 1
        assert steps(report)["sign_in"]["commands"] == ["relay authorize office"]
        assert authorize(one).wait() == 0
        code, report = read(one, "doctor", config=config)
        assert code == 0, report
        found = steps(report)
        assert f"user: {MAILBOX}" in found["sign_in"]["details"]
        assert "scp: SMTP.Send" in found["claims"]["details"]
        assert "the sign-in of the account office" in found["expiry"]["details"][0]
        code, text = ask(one, "token", "office", config=config)
        assert code == 0
        assert f"sign-in: {MAILBOX} is signed in" in text
        assert "by the stored sign-in (device_code)" in text
        one.stand_in.sandbox.entra.sign_ins.revoke(MAILBOX)
        code, report = read(one, "doctor", config=config)
        assert code == 1
        assert steps(report)["sign_in"]["text"].startswith("the sign-in has ended: ")
        code, found = read(one, "token", "office", config=config)
        assert code == 1
        assert found["sign_in"]["state"] == "fail"
        assert "AADSTS" in found["error"]["text"]


EACH_ITS_OWN = """
[accounts.users]
provider = "microsoft"
tenant = "contoso.onmicrosoft.com"
mailbox = "sender"
host = "127.0.0.1"
port = 9
connect_timeout = "1s"

[accounts.users.oauth]
grant = "password"
client_id = "11111111-2222-3333-4444-555555555555"
token_endpoint_auth_method = "none"
token_endpoint = "https://127.0.0.1:9/token"

[clients.people]
authenticate = "upstream"
account = "users"
"""


def test_an_account_whose_mailboxes_each_have_a_token(tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text(f'state_folder = "{tmp_path}/state"\n{EACH_ITS_OWN}')
    config.chmod(0o600)
    code, text = run(tmp_path, "token", "users", "--config", str(config))
    assert (code, "each mailbox has one" in text, "relay send-test users --from" in text) == (1, True, True)
    code, text = run(tmp_path, "doctor", "users", "--config", str(config))
    assert "Traceback" not in text
    assert "each mailbox has a token of its own" in text
    assert "127.0.0.1 port 9: connection refused" in text, "the connection is tried all the same"
    assert code == 1
