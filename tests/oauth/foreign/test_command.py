"""`relay authorize`, `send-test` and `serve` with an account of any provider: a server by its addresses alone."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sandbox.tokens import EXCHANGE
from tests.oauth.foreign import browser
from tests.oauth.foreign.parts import register
from tests.oauth.foreign.server import Foreign
from tests.support.process import RelayProcess, relay, run
from tests.support.way import Way, message, send, way


class Setting:
    """A mail server that takes the foreign server's tokens, and an account there."""

    def __init__(self, one: Way, foreign: Foreign) -> None:
        self.one = one
        self.foreign = foreign
        self.user = one.stand_in.sandbox.settings.mailbox

    def config(self, grant: str, more: str = 'client_id = "public"') -> Path:
        """The account `office`, with nothing preset."""
        path, at = self.one.config(), self.one.stand_in.sandbox
        start, end = re.split(r"(?s)\[accounts\.office\].*ca_file = [^\n]*\n(?=\[clients)", path.read_text())
        addresses = "\n".join(f'{key} = "{address}"' for key, address in self.foreign.endpoints.items())
        if grant == "client_credentials":
            addresses = f'token_endpoint = "{self.foreign.endpoints["token_endpoint"]}"'
        path.write_text(f"""{start}
[accounts.office]
provider = "smtp"
host = "{at.smtp[0]}"
port = {at.smtp[1]}
ca_file = "{at.ca_file}"
mailbox = "{self.user}"
[accounts.office.oauth]
grant = "{grant}"
{addresses}
scopes = "mail offline_access"
{more}
[http]
ca_file = "{self.foreign.ca_file}"
{end}""")
        return path

    def browser(self, answer: str = "accept") -> dict[str, str]:
        """The environment of a machine with a browser, and somebody in front of it."""
        program = [sys.executable, browser.__file__, str(self.foreign.ca_file), self.user, answer]
        return {"BROWSER": f"{shlex.join(program)} %s"}


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with way(tmp_path) as one:
        at = one.stand_in.sandbox

        def mint(user: str) -> str:
            return at.tokens.issue_for_user(EXCHANGE[0], user, ("SMTP.Send",)) if user else at.tokens.issue(EXCHANGE[0])

        with Foreign(tmp_path, mint) as foreign:
            register(foreign)
            yield Setting(one, foreign)


def test_in_a_browser_and_then_mail(setting: Setting, tmp_path: Path) -> None:
    config = setting.config("authorization_code")
    code, said = run(tmp_path, "authorize", "office", "--config", str(config), environ=setting.browser())
    assert code == 0, said
    assert f"signed in: {setting.user}" in said
    assert "it gives a token, good for 30m" in said
    code, said = run(tmp_path, "send-test", "office", "--to", "a@example.org", "--config", str(config))
    assert code == 0, said
    with relay(tmp_path, "serve", "--config", str(config)) as process:
        process.wait_for("started")
        send(process, bytes(message("by another provider")))
        assert setting.one.wait_received(2)[1].subject == "by another provider"
        assert process.stop() == 0
    refreshed = [each for each in setting.foreign.records.asked if each["grant_type"] == "refresh_token"]
    assert len(refreshed) == 1, "what authorize has fetched, send-test and serve use"


def test_who_declines(setting: Setting, tmp_path: Path) -> None:
    config = setting.config("authorization_code")
    code, said = run(tmp_path, "authorize", "office", "--config", str(config), environ=setting.browser("cancel"))
    assert code == 1
    assert "access_denied" in said


def test_with_a_device_code(setting: Setting, tmp_path: Path) -> None:
    process = RelayProcess(tmp_path, "authorize", "office", "--config", str(setting.config("device_code")))
    while not (found := re.search(r"open (\S+) in a browser .* the code (\S+)", process.output)):
        with process._changed:
            assert process._changed.wait(30), process.output
    browser.Browser(setting.foreign.ca_file, setting.user).type_code(found[1], found[2])
    assert process.wait() == 0, process.output
    assert "authorization_pending" not in process.output


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_service_of_its_own(setting: Setting, tmp_path: Path, method: str) -> None:
    name, secret = method.rpartition("_")[2], tmp_path / "secret"
    secret.write_text(next(iter(setting.foreign.records.clients[name].secrets)))
    secret.chmod(0o600)
    more = f'client_id = "{name}"\nclient_secret_file = "{secret}"\ntoken_endpoint_auth_method = "{method}"'
    config = setting.config("client_credentials", more)
    code, said = run(tmp_path, "send-test", "office", "--to", "a@example.org", "--config", str(config))
    assert code == 0, said
    assert len(setting.one.received) == 1
