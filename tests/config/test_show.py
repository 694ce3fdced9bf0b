"""Every value that is in force, with the place that it came from."""

import tomllib
from pathlib import Path

from relay.config import Value, values
from relay.config.schema import every_key
from tests.config.conftest import MICROSOFT, Configure


def shown(configure: Configure, text: str, environ: dict[str, str] | None = None) -> dict[str, Value]:
    return {one.key: one for one in values(configure(text, environ))}


def test_a_value_comes_from_a_file_a_variable_or_a_default(configure: Configure, tmp_path: Path) -> None:
    found = shown(configure, MICROSOFT, {"RELAY_QUEUE__MAX_AGE": "3d"})
    assert found["queue.max_age"] == Value("queue.max_age", "3d", "RELAY_QUEUE__MAX_AGE")
    assert found["accounts.office.provider"] == Value("accounts.office.provider", "microsoft", f"{tmp_path}/relay.toml")
    assert found["accounts.office.port"] == Value("accounts.office.port", 587, "default")
    assert found["http.proxy"] == Value("http.proxy", None, "default")


def test_a_variable_wins_over_the_file_and_is_named(configure: Configure) -> None:
    found = shown(configure, MICROSOFT, {"RELAY_ACCOUNTS__OFFICE__MAILBOX": "a@example.com"})
    assert found["accounts.office.mailbox"].origin == "RELAY_ACCOUNTS__OFFICE__MAILBOX"
    assert found["accounts.office.mailbox"].value == "a@example.com"
    assert found["accounts.office.tenant"].origin.endswith("relay.toml")


def test_an_included_file_is_named(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text('[accounts.more]\nprovider = "discard"\n', encoding="utf-8")
    found = shown(
        configure, 'include = ["more.toml"]\n[clients.a]\npassword = "x"\naccount = "more"\nsenders = ["*"]\n'
    )
    assert found["accounts.more.provider"].origin == f"{tmp_path}/more.toml"


def test_of_a_secret_only_its_file_is_shown(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "proxy.json").write_text('{"url": "http://user:hunter2@proxy.example.com:3128"}', encoding="utf-8")
    found = shown(configure, MICROSOFT, {"RELAY_HTTP__PROXY_FILE": f"{tmp_path}/proxy.json#/url"})
    assert found["accounts.office.oauth.client_secret"].value == "***"
    assert found["http.proxy_file"].value == f"{tmp_path}/proxy.json#/url"
    assert found["http.proxy_file"].origin == "RELAY_HTTP__PROXY_FILE"
    assert "hunter2" not in repr(found)


def test_what_is_shown_is_what_a_file_holds(configure: Configure) -> None:
    """Each shown value of the tables that always exist is read back to the same."""
    found = shown(configure, "")
    lines = []
    for one in found.values():
        table, _, key = one.key.rpartition(".")
        if one.value is not None and table in {"queue", "sink", "web", "http", "log", "listeners.default"}:
            text = str(one.value).lower() if isinstance(one.value, bool) else repr(one.value).replace("'", '"')
            lines.append(f"{table}.{key} = {text}")
    tomllib.loads("\n".join(lines))
    again = shown(configure, "\n".join(lines))
    assert {key: one.value for key, one in again.items()} == {key: one.value for key, one in found.items()}


def test_no_key_is_left_out(configure: Configure) -> None:
    found = set(shown(configure, MICROSOFT))
    for path in every_key():
        key = ".".join(path).replace("listeners.NAME", "listeners.default").replace("clients.NAME", "clients.local")
        key = key.replace("accounts.NAME", "accounts.office")
        assert key in found or key.removesuffix("_file") in found or key == "include"
