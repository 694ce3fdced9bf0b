"""`relay sandbox` by itself, and a relay that sends by its Gmail API: from what it prints, as a person would do it."""

import re
import ssl
import time
from pathlib import Path

import httpx2

from tests.support.process import PATIENCE, RelayProcess, relay
from tests.support.way import ANYONE, message, send


def told(process: RelayProcess, words: str) -> str:
    """What stands behind `words` in what the process prints."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = re.search(rf"{re.escape(words)} ([^\s,;]+)", process.output)
        if found:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(process.output)


def received(address: str, ca_file: Path) -> list[dict[str, object]]:
    context = ssl.create_default_context(cafile=ca_file)
    with httpx2.Client(verify=context, trust_env=False, timeout=PATIENCE) as client:
        found: list[dict[str, object]] = client.get(f"{address}/received").json()
    return found


def test_the_gmail_api_with_the_service_account_that_it_made(tmp_path: Path) -> None:
    places = ("--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--folder", "stand-in")
    with relay(tmp_path, "sandbox", *places) as stand_in:
        key = tmp_path / told(stand_in, "private_key_file")
        ca_file = tmp_path / told(stand_in, "ca_file")
        api = told(stand_in, "Gmail API: mail_endpoint")
        assert key.stat().st_mode & 0o777 == 0o600
        config = tmp_path / "relay.toml"
        config.write_text(
            f'state_folder = "{tmp_path}/state"\n[log]\nformat = "json"\n[web]\nbind = ["127.0.0.1:0"]\n'
            f'[listeners.default]\nbind = ["127.0.0.1:0"]\n[http]\nca_file = "{ca_file}"\n{ANYONE}'
            f'[accounts.gmail]\nprovider = "google"\nvia = ["gmail-api"]\nmailbox = "{told(stand_in, "mailbox")}"\n'
            f'mail_endpoint = "{api}"\n'
            f'[accounts.gmail.oauth]\nprivate_key_file = "{key}"\n'
            f'token_endpoint = "{told(stand_in, f"{api}, token_endpoint")}"\n'
        )
        config.chmod(0o600)
        with relay(tmp_path, "serve", "--config", str(config)) as process:
            process.wait_for("started")
            send(process, message().as_bytes())
            assert "accepted by the Gmail API" in process.wait_for("sent")["reply"]
        (got,) = received(told(stand_in, "received mail:"), ca_file)
    assert (got["way"], got["recipients"]) == ("gmail", ["someone@example.org"])
