"""`[alerts]` and `client_secret_expires`: what may be written, and what results."""

import pytest

from relay.config import describe
from tests.config.conftest import MICROSOFT, Configure, Problems, told


def test_nothing_is_written(configure: Configure) -> None:
    alerts = configure().alerts
    assert (alerts.webhook, alerts.command, alerts.paused_after) == (None, (), 3600)


@pytest.mark.parametrize(
    ("written", "command"),
    [
        ('["/bin/page", "the admin"]', ("/bin/page", "the admin")),
        ("\"/bin/page 'the admin' $HOME;\"", ("/bin/page", "the admin", "$HOME;")),
        ("[]", ()),
    ],
)
def test_a_command(configure: Configure, written: str, command: tuple[str, ...]) -> None:
    assert configure(f"[alerts]\ncommand = {written}").alerts.command == command


@pytest.mark.parametrize(("text", "command"), [("page 'a b'", ("page", "a b")), ('["page", "a b"]', ("page", "a b"))])
def test_a_command_in_the_environment(configure: Configure, text: str, command: tuple[str, ...]) -> None:
    assert configure(environ={"RELAY_ALERTS__COMMAND": text}).alerts.command == command


@pytest.mark.parametrize("written", ['""', '" "', '[""]', "5", '["a", 5]', '"\'open"', '["a\\u0000"]'])
def test_what_is_no_command(problems: Problems, written: str) -> None:
    assert told(problems(f"[alerts]\ncommand = {written}"), "alerts.command")


@pytest.mark.parametrize("address", ["https://alerts.example.com/x?y=1", "http://localhost:9/x", "http://[::1]/"])
def test_a_webhook(configure: Configure, address: str) -> None:
    webhook = configure(f'[alerts]\nwebhook = "{address}"').alerts.webhook
    assert webhook is not None
    assert webhook.read() == address
    assert address not in repr(webhook)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://alerts.example.com/s3cret", "write https://"),
        ("ftp://alerts.example.com/s3cret", "is not an https URL"),
        ("http://192.0.2.1/s3cret", "write https://"),
        ("http://[/s3cret", "is not a URL"),
        ("https://me:s3cret@alerts.example.com/", "holds a user name"),
    ],
)
def test_what_is_no_webhook(problems: Problems, address: str, says: str) -> None:
    found = problems(f'[alerts]\nwebhook = "{address}"')
    assert "s3cret" not in told(found, "alerts.webhook", says)


def test_when_the_secret_ends(configure: Configure) -> None:
    for written in ('"2027-03-01"', "2027-03-01"):
        settings = configure(f"{MICROSOFT}client_secret_expires = {written}\n")
        oauth = settings.accounts["office"].oauth
        assert oauth is not None
        assert oauth.client_secret_expires == 1_803_859_200.0
        assert any("ends on 2027-03-01" in line for line in describe(settings))


def test_a_key_has_no_secret_that_ends(problems: Problems) -> None:
    text = MICROSOFT.replace('client_secret = "the~Value"', 'federated_token_file = "x"')
    found = problems(f'{text}client_secret_expires = "2027-03-01"\n')
    assert told(found, "accounts.office.oauth.client_secret_expires", "has no meaning", "remove it")


def test_check_tells_of_alerts(configure: Configure) -> None:
    lines = describe(configure('[alerts]\nwebhook = "https://alerts.example.com/s3cret"\ncommand = ["page", "a b"]'))
    assert "alerts start page 'a b'" in lines
    assert "alerts are posted to the webhook ***" in "\n".join(lines)
    assert "s3cret" not in "\n".join(lines)
