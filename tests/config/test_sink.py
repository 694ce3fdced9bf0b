"""`[sink]` and what `[web]` has for its API."""

from pathlib import Path

import pytest

from relay.config import load
from relay.config.describe import describe
from tests.config.conftest import Problems, told

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27dWRJJTmaaJObG+EUJcxBlTc"


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[sink]\nkeep = 0", "sink.keep", "out of range"),
        ('[sink]\nmax_bytes = "1"', "sink.max_bytes", "bare number"),
        ('[sink]\nrelease_to = "a@x.org"', "sink.release_to", "must be a list"),
        ('[sink]\nrelease_to = ["x.org"]', "sink.release_to", "x.org"),
        ('[web]\nbase_path = "mail"', "web.base_path", 'write it like "/mail"'),
        ('[web]\nbase_path = "/a/../b"', "web.base_path", "is no path"),
        ('[web]\nsink_password_hash = "hunter2"', "web.sink_password_hash", "relay hash-password"),
    ],
)
def test_what_cannot_be(problems: Problems, text: str, key: str, hint: str) -> None:
    found = problems(text)
    assert "hunter2" not in told(found, key, hint)


def test_what_results_is_told(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("")
    assert "sink: keeps the newest 500 messages, 1GiB of them; its API is open to whoever reaches it" in describe(
        load(file, {})
    )
    real = '[accounts.c]\nprovider = "sink"\n[accounts.o]\nprovider = "smtp"\nhost = "x.org"\nmailbox = "a@x.org"\n'
    clients = '[clients.a]\nnetworks = ["127.0.0.1/32"]\naccount = "c"\n[clients.b]\npassword = "x"\naccount = "o"\n'
    file.write_text(f'{real}{clients}[sink]\nmax_age = "2d"\nrelease_to = ["@x.org"]\n[web]\nbase_path = "/mail/"\n')
    file.chmod(0o600)
    settings = load(file, {})
    lines = "\n".join(describe(settings))
    assert "1GiB of them, for 2d; its API is open to this machine only" in lines
    assert "caught mail may be sent on to @x.org" in lines
    assert settings.web.base_path == "/mail"
    hashed = load(file, {"RELAY_WEB__SINK_PASSWORD_HASH": HASH})
    assert "its API is with a password" in "\n".join(describe(hashed))
