"""The examination of an account at a stand-in Microsoft: well, and with each thing that goes wrong."""

import json
from pathlib import Path

import pytest

from relay import config
from relay.doctor import State, diagnose, diagnose_relay
from relay.model import Clock
from relay.sandbox import SandboxSettings
from tests.doctor.conftest import MAILBOX, Practice, states, step
from tests.support.certificates import Authority, server_files
from tests.support.clock import FakeClock
from tests.support.smtp_script import ScriptedServer, session

OTHER = "other@sandbox.onmicrosoft.com"
CLIENT = f'[clients.app]\nnetworks = ["127.0.0.0/8"]\nsenders = ["{MAILBOX}", "{OTHER}", "@x.example"]\n'


def principal(practice: Practice) -> str:
    return practice.sandbox.settings.service_principal_id


async def test_all_is_well(practice: Practice) -> None:
    report = await practice.examine(practice.settings(rest=CLIENT))
    assert report.good
    assert [one.name for one in report.steps] == [
        *("configuration", "secret", "token_endpoint", "token", "claims", "expiry", "connection", "auth"),
        *("sender", "sender", "sender", "last_error"),
    ]
    assert {one.state for one in report.steps} == {State.OK, State.SKIPPED}
    assert f"roles: {' '.join(practice.sandbox.settings.exchange_roles)}" in step(report, "claims").details
    facts = "\n".join(step(report, "connection").details)
    assert "TLSv1.3" in facts
    assert "certificate: CN=localhost for localhost, 127.0.0.1, ::1, issued by CN=Relay sandbox" in facts
    own, other, pattern = [one for one in report.steps if one.name == "sender"]
    assert (own.text, own.details) == (f"MAIL FROM:<{MAILBOX}> is taken", ())
    assert f"--from {OTHER}" in other.details[0]
    assert pattern.state is State.SKIPPED
    assert "@x.example" in pattern.text
    assert list(practice.sandbox.received) == [], "nothing is sent"
    assert not (practice.folder / "state").exists(), "and nothing is left behind"


async def test_no_secret_is_told(practice: Practice) -> None:
    secret = practice.sandbox.settings.client_secret
    report = await practice.examine(practice.settings())
    told = json.dumps(report.as_json()) + repr(report)
    assert secret not in told
    assert "eyJ" not in told


async def test_an_expired_secret(practice: Practice) -> None:
    practice.order("expired_secret")
    report = await practice.examine(practice.settings())
    assert not report.good
    token = step(report, "token")
    assert "AADSTS7000222" in token.text
    assert "Certificates & secrets" in token.advice
    assert "accounts.office.oauth.client_secret" in token.advice
    assert "trace" in token.details[0]
    found = states(report)
    assert found["token_endpoint"] is State.OK
    assert found["connection"] is State.OK, "what needs no token is looked at all the same"
    assert (found["claims"], found["auth"], found["sender"]) == (State.SKIPPED,) * 3


async def test_a_wrong_tenant(practice: Practice) -> None:
    endpoint = practice.sandbox.token_endpoint.replace(practice.sandbox.settings.tenant, "elsewhere.example")
    report = await practice.examine(practice.settings(token_endpoint=f'"{endpoint}"'))
    token = step(report, "token")
    assert token.state is State.FAIL
    assert "AADSTS90002" in token.text
    assert "accounts.office.tenant" in token.advice


async def test_a_token_of_another_tenant(practice: Practice) -> None:
    wanted = "99999999-2222-3333-4444-555555555555"
    claims = step(await practice.examine(practice.settings(tenant=f'"{wanted}"')), "claims")
    assert claims.state is State.FAIL
    assert claims.text == f"tid: the token is of another tenant than the configured {wanted}"


async def test_an_endpoint_that_is_not_there(practice: Practice, unused_port: int) -> None:
    report = await practice.examine(practice.settings(token_endpoint=f'"https://127.0.0.1:{unused_port}/token"'))
    endpoint, token = step(report, "token_endpoint"), step(report, "token")
    assert (endpoint.state, token.state) == (State.FAIL, State.FAIL)
    assert "refused the connection" in endpoint.text


async def test_a_secret_that_is_gone(practice: Practice) -> None:
    file = practice.folder / "secret"
    file.write_text("the secret")
    file.chmod(0o600)
    settings = practice.settings(client_secret="", oauth=f'client_secret_file = "{file}"')
    file.unlink()
    report = await practice.examine(settings)
    assert step(report, "secret").state is State.FAIL
    assert f"{file}: does not exist" in step(report, "secret").text
    assert step(report, "token_endpoint").state is State.SKIPPED


@pytest.mark.parametrize("where", ["mailbox", "tenant"])
async def test_smtp_auth_is_switched_off(practice: Practice, where: str) -> None:
    practice.order(f"smtp_auth_disabled_{where}")
    report = await practice.examine(practice.settings())
    auth = step(report, "auth")
    assert auth.state is State.FAIL
    assert auth.text.startswith("535 5.7.139")
    assert "governs OAuth too" in auth.advice
    assert auth.commands == (
        "Connect-ExchangeOnline",
        f"Set-CASMailbox -Identity {MAILBOX} -SmtpClientAuthenticationDisabled $false",
    )
    assert step(report, "sender").state is State.SKIPPED


async def test_a_login_that_is_refused_without_a_reason(practice: Practice) -> None:
    practice.order("auth_refused")
    auth = step(await practice.examine(practice.settings()), "auth")
    client_id = practice.sandbox.settings.client_id
    assert auth.text.startswith("535 5.7.3 Authentication unsuccessful")
    assert auth.commands == (
        "Connect-ExchangeOnline",
        f"New-ServicePrincipal -AppId {client_id} -ObjectId {principal(practice)}",
        f"Add-MailboxPermission -Identity {MAILBOX} -User {principal(practice)} -AccessRights FullAccess",
        f"Set-CASMailbox -Identity {MAILBOX} -SmtpClientAuthenticationDisabled $false",
    )


async def test_a_token_without_the_right(practice: Practice) -> None:
    practice.order("no_roles")
    report = await practice.examine(practice.settings())
    claims, auth = step(report, "claims"), step(report, "auth")
    assert claims.state is State.WARN, "with RBAC for Applications it is as it should be"
    assert "SMTP.SendAsApp is missing" in claims.text
    assert "Grant admin consent" in claims.advice
    client_id = practice.sandbox.settings.client_id
    assert claims.commands[1] == f"Test-ServicePrincipalAuthorization -Identity {client_id} -Resource {MAILBOX}"
    assert auth.state is State.FAIL
    assert "SMTP.SendAsApp is missing" in auth.details[0]


async def test_a_token_for_another_api(practice: Practice) -> None:
    scopes = 'scopes = ["https://graph.microsoft.com/.default"]'
    report = await practice.examine(practice.settings(oauth=scopes))
    claims = step(report, "claims")
    assert claims.state is State.FAIL
    assert claims.text.startswith("aud: the token is for https://graph.microsoft.com")
    assert "https://outlook.office365.com/.default" in claims.advice
    assert step(report, "auth").state is State.FAIL


async def test_a_sender_that_is_refused(practice: Practice) -> None:
    reply = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    practice.order("reply", at="mail", reply=reply, times=1, after=1)
    report = await practice.examine(practice.settings(rest=CLIENT))
    own, other, _ = [one for one in report.steps if one.name == "sender"]
    assert own.state is State.OK
    assert other.state is State.FAIL
    assert other.text == f"MAIL FROM:<{OTHER}> is refused: {reply}"
    assert (
        other.commands[1]
        == f"Add-RecipientPermission -Identity {OTHER} -Trustee {principal(practice)} -AccessRights SendAs"
    )
    assert not report.good


async def test_a_forced_sender_is_the_one_that_is_asked_about(practice: Practice) -> None:
    rest = CLIENT + 'sender = "force"\n'
    report = await practice.examine(practice.settings(rest=rest))
    assert step(report, "sender").text == f"MAIL FROM:<{MAILBOX}> is taken"


async def test_a_connection_that_breaks_at_a_sender(practice: Practice) -> None:
    practice.order("disconnect", at="mail")
    report = await practice.examine(practice.settings())
    assert step(report, "sender").state is State.FAIL
    assert "the connection broke" in step(report, "sender").text


async def test_a_wrong_certificate(practice: Practice, tmp_path: Path) -> None:
    stranger = Authority.make(tmp_path, "Stranger")
    report = await practice.examine(practice.settings(ca_file=f'"{stranger.file}"'))
    connection = step(report, "connection")
    assert connection.state is State.FAIL
    assert "cannot be trusted" in connection.text
    assert "issued by CN=Relay sandbox" in connection.text
    assert "accounts.office.ca_file" in connection.advice
    assert step(report, "token").state is State.OK
    assert step(report, "auth").state is State.SKIPPED


async def test_a_server_that_is_not_there(practice: Practice, unused_port: int) -> None:
    settings = practice.settings(host='"127.0.0.1"', port=str(unused_port))
    connection = step(await practice.examine(settings), "connection")
    assert connection.state is State.FAIL
    assert connection.text == f"127.0.0.1 port {unused_port}: connection refused"
    assert connection.details == ("127.0.0.1 has the address 127.0.0.1",)


async def test_a_name_that_nobody_knows(practice: Practice) -> None:
    connection = step(await practice.examine(practice.settings(host='"mail.invalid"')), "connection")
    assert connection.state is State.FAIL
    assert "mail.invalid: the name cannot be resolved" in connection.text
    assert "accounts.office.host" in connection.advice


async def test_a_secret_that_ends_soon(practice: Practice) -> None:
    report = await practice.examine(practice.settings(oauth="client_secret_expires = 2020-01-01"))
    expiry = step(report, "expiry")
    assert expiry.state is State.FAIL
    assert expiry.text == "the client secret of the account office has run out"
    assert "client_secret_expires" in expiry.advice
    assert not report.good


async def test_the_relay_itself(practice: Practice, tmp_path: Path) -> None:
    files = server_files(tmp_path)
    text = f'tls = "starttls"\n{files.toml}'
    settings = practice.settings(rest=f'[listeners.lan]\nbind = ["127.0.0.1:0"]\n{text}')
    clock = FakeClock(Clock().time())
    assert diagnose_relay(settings, clock=clock).good
    clock.now += 1000 * 365 * 86400
    report = diagnose_relay(settings, clock=clock)
    expiry = step(report, "expiry")
    assert expiry.state is State.FAIL
    assert expiry.text == "the certificate in listeners.lan.certificate has run out"
    assert str(files.certificate) in expiry.advice


async def test_by_graph(practice: Practice) -> None:
    report = await practice.examine(practice.graph())
    assert report.good
    names = [one.name for one in report.steps]
    assert names == ["configuration", "secret", "token_endpoint", "token", "claims", "expiry", "graph", "last_error"]
    assert step(report, "graph").text.startswith(f"{practice.sandbox.graph_endpoint} answers ")


async def test_graph_without_the_permission(practice: Practice) -> None:
    practice.order("no_roles")
    claims = step(await practice.examine(practice.graph()), "claims")
    assert claims.state is State.WARN
    assert "roles: Mail.Send is missing" in claims.text
    assert "Microsoft Graph > Application permissions > Mail.Send" in claims.advice


async def test_graph_that_is_not_there(practice: Practice, unused_port: int) -> None:
    report = await practice.examine(practice.graph(mail_endpoint=f'"https://127.0.0.1:{unused_port}"'))
    assert step(report, "graph").state is State.FAIL
    assert "refused the connection" in step(report, "graph").text


async def test_a_password_at_any_server(practice: Practice, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    dialogue = session("C: QUIT", "S: 221 bye", "CLOSE", extensions=("AUTH PLAIN",))
    refused = session(
        "C: AUTH PLAIN *", "S: 535 5.7.8 no", "C: QUIT", "S: 221 bye", "CLOSE", extensions=("AUTH PLAIN",)
    )
    async with ScriptedServer(dialogue, refused, tls=authority.server()) as server:
        file = practice.folder / "relay.toml"
        file.write_text(
            f'state_folder = "{tmp_path}/state"\n[accounts.hub]\nprovider = "smtp"\nhost = "localhost"\n'
            f"port = {server.port}\n"
            f'username = "me"\npassword = "wrong"\nmailbox = "me@example.com"\nca_file = "{authority.file}"\n'
        )
        settings = config.load(file, {"HOME": str(tmp_path)})
        report = await diagnose(settings, "hub")
    assert [one.name for one in report.steps] == [
        "configuration",
        "secret",
        "expiry",
        "connection",
        "auth",
        "sender",
        "last_error",
    ]
    auth = step(report, "auth")
    assert auth.text == "535 5.7.8 no"
    assert "user name or the password" in auth.advice
    assert auth.commands == ()


async def test_a_sink_has_nothing_to_examine(practice: Practice) -> None:
    settings = config.load(None, {"HOME": str(practice.folder), "RELAY_STATE_FOLDER": str(practice.folder / "state")})
    report = await diagnose(settings, "sink")
    assert report.good
    assert states(report)["connection"] is State.SKIPPED


class TestUsers:
    """Accounts on which a user signs in."""

    async def test_nobody_has_signed_in(self, practice: Practice) -> None:
        report = await practice.examine(practice.settings(client_secret="", oauth='grant = "device_code"'))
        sign_in = step(report, "sign_in")
        assert sign_in.state is State.FAIL
        assert sign_in.commands == ("relay authorize office",)
        assert states(report)["token_endpoint"] is State.SKIPPED


class TestSmallTenant:
    """What depends on the tenant."""

    @pytest.fixture
    def tenant(self) -> SandboxSettings:
        return SandboxSettings(exchange_roles=("Mail.Send",))

    async def test_another_right_does_not_do(self, practice: Practice) -> None:
        claims = step(await practice.examine(practice.settings()), "claims")
        assert claims.state is State.WARN
        assert "roles: Mail.Send" in claims.details
