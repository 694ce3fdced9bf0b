"""The relays as the benchmark starts them: a configuration that loads, a start that fails with a reason."""

import sys
from pathlib import Path

import pytest
import trustme

from benchmarks.control import ProcessError
from benchmarks.sides import LOGIN, MAILBOX, Server, Setup, free_port, relay_command
from relay import config


@pytest.fixture
def upstream(tmp_path: Path) -> dict[str, object]:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    return {
        "smtp_port": 1025,
        "plain_port": 1026,
        "token_port": 1027,
        "ca_file": str(authority),
        "client_id": "bench",
        "client_secret": 'a secret with " and \\ and é',
    }


def loaded(setup: Setup) -> config.Settings:
    return config.load(Path(relay_command(setup)[-1]), {})


def test_with_a_login(tmp_path: Path, upstream: dict[str, object]) -> None:
    settings = loaded(Setup(tmp_path, 2525, upstream, auth=True, discard=False, concurrency=5))
    client, account = settings.clients["bench"], settings.accounts["upstream"]
    assert client.password is not None
    assert (client.login, client.password.read(), client.networks) == (*LOGIN, ())
    assert (account.provider, account.port, account.tls, account.username) == ("smtp", 1025, "starttls", MAILBOX)
    assert account.concurrency == 5
    assert account.oauth is not None
    assert account.oauth.client_secret is not None
    assert account.oauth.client_secret.read() == upstream["client_secret"]
    assert account.oauth.token_endpoint == "https://127.0.0.1:1027/token"
    assert settings.state_folder == tmp_path / "state"
    assert settings.warnings == ()


def test_without_a_login_the_network_tells_who_it_is(tmp_path: Path, upstream: dict[str, object]) -> None:
    client = loaded(Setup(tmp_path, 2525, upstream, auth=False, discard=False, concurrency=5)).clients["bench"]
    assert client.login is None
    assert [str(network) for network in client.networks] == ["127.0.0.0/8"]


def test_mail_that_is_thrown_away_is_queued_as_well(tmp_path: Path, upstream: dict[str, object]) -> None:
    settings = loaded(Setup(tmp_path, 2525, upstream, auth=False, discard=True, concurrency=5))
    assert settings.accounts["upstream"].provider == "discard"
    assert settings.clients["bench"].reply == "queued"


def test_a_server_that_ends_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    setup = Setup(tmp_path, free_port(), {}, auth=False, discard=False, concurrency=5)
    command = [sys.executable, "-c", "raise SystemExit('no paper')"]
    with pytest.raises(ProcessError, match=r"relay: ended at start with exit code 1\.\n    no paper"):
        Server("relay", command, setup).__enter__()
