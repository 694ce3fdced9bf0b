"""`relay serve` with a client that is recognised by its tokens: a mail program, a foreign issuer, nothing of ours."""

import shutil
import subprocess
import time
from pathlib import Path

import jwt
import pytest

from tests.oauth.foreign.server import Foreign
from tests.support.process import PATIENCE, relay

CURL = shutil.which("curl")


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
def test_curl_logs_in_with_a_token(foreign: Foreign, tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text(
        '[listeners.default]\nbind = ["127.0.0.1:0"]\n[web]\nbind = []\n'
        f'[http]\nca_file = "{foreign.ca_file}"\n[accounts.sink]\nprovider = "sink"\n'
        f'[clients.app]\nissuer = "{foreign.issuer}"\naudience = "relay"\nsenders = ["*"]\n'
    )
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"From: ann@x.org\r\nTo: b@x.org\r\nSubject: by token\r\n\r\nHello\r\n")

    def token(audience: str) -> str:
        claims = {"iss": foreign.issuer, "aud": audience, "sub": "1", "email": "ann@x.org", "exp": time.time() + 600}
        return jwt.encode(claims, foreign.key.as_pem(private=True), "RS256", headers={"kid": "foreign"})

    with relay(tmp_path, "serve", "--config", str(config), environ={"RELAY_LOG__FORMAT": "json"}) as process:
        place = process.wait_for("listening")["places"][0]

        def send(mechanism: str, audience: str) -> subprocess.CompletedProcess[bytes]:
            command = [
                *(str(CURL), "--silent", "--show-error", "--max-time", str(PATIENCE), f"smtp://{place}"),
                *("--user", "ann@x.org:", "--oauth2-bearer", token(audience), "--login-options", f"AUTH={mechanism}"),
                *("--mail-from", "ann@x.org", "--mail-rcpt", "b@x.org", "--upload-file", str(mail)),
            ]
            return subprocess.run(command, capture_output=True, check=False)

        for count, mechanism in enumerate(("XOAUTH2", "OAUTHBEARER"), 1):
            sent = send(mechanism, "relay")
            assert sent.returncode == 0, sent.stderr
            process.wait_for("login", count, client="app", login="ann@x.org")
            refused = send(mechanism, "another")
            assert refused.returncode == 67, refused.stderr
            said = process.wait_for("login refused", count)
            assert said["reason"] == "the access token is not for relay: one that is has to be asked for"
        assert "eyJ" not in process.output
