"""The environment: text stays text, other types are converted, and a variable that is no key is an error."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.config.conftest import MICROSOFT, SMARTHOST, Configure, Problems, told
from tests.config.test_secret import HOSTILE, TEXTS

PASSWORD = {"RELAY_ACCOUNTS__HUB__USERNAME": "u"}
shared_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_password_arrives_unchanged(configure: Configure, text: str) -> None:
    found = configure(SMARTHOST, {**PASSWORD, "RELAY_ACCOUNTS__HUB__PASSWORD": text})
    password = found.accounts["hub"].password
    assert password is not None
    assert password.read() == text
    assert password.origin == "written in RELAY_ACCOUNTS__HUB__PASSWORD"


@given(TEXTS)
@shared_files
def test_any_password_arrives_unchanged(configure: Configure, text: str) -> None:
    found = configure(SMARTHOST, {**PASSWORD, "RELAY_ACCOUNTS__HUB__PASSWORD": text})
    password = found.accounts["hub"].password
    assert password is not None
    assert password.read() == text


@given(TEXTS)
@shared_files
def test_any_password_in_the_file_arrives_unchanged(configure: Configure, text: str) -> None:
    written = json.dumps(text).replace("\x7f", "\\u007f")
    # JSON writes what is above U+FFFF as two surrogates, which TOML does not know.
    written = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f") if max(text) > "\uffff" else written
    found = configure(f"{SMARTHOST}username = 'u'\npassword = {written}\n")
    password = found.accounts["hub"].password
    assert password is not None
    assert password.read() == text


@pytest.mark.parametrize("text", ["123", "true", "[1]", "1e5", "null", "2026-11-21"])
def test_text_keys_stay_text(configure: Configure, text: str) -> None:
    found = configure("", {"RELAY_CLIENTS__A__LOGIN": text, "RELAY_CLIENTS__A__PASSWORD": "x"})
    assert found.clients["a"].login == text


def test_other_types_are_converted(configure: Configure) -> None:
    environ = {
        "RELAY_ACCOUNTS__HUB__PORT": "2587",
        "RELAY_ACCOUNTS__HUB__WRITE_TIMEOUT": "0",
        "RELAY_LISTENERS__A__BIND": "127.0.0.1:25, [::1]:25",
        "RELAY_LISTENERS__A__REQUIRE_TLS": "false",
        "RELAY_LISTENERS__A__MAX_MESSAGE_SIZE": "1MiB",
        "RELAY_CLIENTS__A__SENDERS": '["a@example.com", "@example.org"]',
        "RELAY_CLIENTS__A__NETWORKS": "10.0.0.0/8",
        "RELAY_CLIENTS__A__FROM_NAME": "",
        "RELAY_QUEUE__RETRY": "1m,1h",
        "RELAY_HTTP__NO_PROXY": "",
        "RELAY_WEB__BIND": "[::1]:8025,127.0.0.1:8025",
        "RELAY_LOG__LEVEL": "debug",
    }
    found = configure(SMARTHOST, environ)
    assert found.accounts["hub"].port == 2587
    assert found.accounts["hub"].write_timeout == 0
    assert list(map(str, found.listeners["a"].bind)) == ["127.0.0.1:25", "[::1]:25"]
    assert found.listeners["a"].max_message_size == 1024 * 1024
    assert found.clients["a"].senders == ("a@example.com", "@example.org")
    assert found.clients["a"].from_name == ""
    assert found.queue.retry == (60.0, 3600.0)
    assert found.http.no_proxy == ()
    assert list(map(str, found.web.bind)) == ["[::1]:8025", "127.0.0.1:8025"]
    assert found.log.level == "DEBUG"


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("ON", True), ("no", False), (" false ", False)]
)
def test_switches(configure: Configure, certificate: tuple[Path, Path], text: str, value: bool) -> None:
    environ = {
        "RELAY_LISTENERS__A__BIND": "127.0.0.1:25",
        "RELAY_LISTENERS__A__TLS": "starttls",
        "RELAY_LISTENERS__A__CERTIFICATE": str(certificate[0]),
        "RELAY_LISTENERS__A__KEY": str(certificate[1]),
        "RELAY_LISTENERS__A__REQUIRE_TLS": text,
    }
    assert configure(SMARTHOST, environ).listeners["a"].require_tls is value


def test_a_variable_goes_before_the_file(configure: Configure) -> None:
    environ = {"RELAY_ACCOUNTS__OFFICE__MAILBOX": "other@contoso.com", "RELAY_HOSTNAME": "relay.example.com"}
    found = configure('hostname = "file.example.com"\n' + MICROSOFT, environ)
    assert found.accounts["office"].mailbox == "other@contoso.com"
    assert found.accounts["office"].tenant == "contoso.onmicrosoft.com"
    assert found.hostname == "relay.example.com"


def test_everything_can_come_from_variables(configure: Configure) -> None:
    environ = {
        "RELAY_ACCOUNTS__MY_OFFICE__PROVIDER": "microsoft",
        "RELAY_ACCOUNTS__MY_OFFICE__TENANT": "contoso.com",
        "RELAY_ACCOUNTS__MY_OFFICE__MAILBOX": "a@contoso.com",
        "RELAY_ACCOUNTS__MY_OFFICE__OAUTH__CLIENT_ID": "123",
        "RELAY_ACCOUNTS__MY_OFFICE__OAUTH__CLIENT_SECRET": "456",
        "RELAY_ACCOUNTS__MY_OFFICE__OAUTH__EXTRA_PARAMETERS": '{"resource": "https://x"}',
        "RELAY_ACCOUNTS__MY_OFFICE__OAUTH__EXTRA_PARAMETERS__AUDIENCE": "789",
        "RELAY_CONFIG": "/nowhere/relay.toml",
        "PATH": "/bin",
    }
    oauth = configure("", environ).accounts["my_office"].oauth
    assert oauth is not None
    assert oauth.client_id is not None
    assert oauth.client_id.read() == "123"
    assert oauth.extra_parameters == {"resource": "https://x", "audience": "789"}


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("RELAY_HOSTNAM", "RELAY_HOSTNAME"),
        ("RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRT", "RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRET"),
        ("RELAY_ACCOUNTS_OFFICE_OAUTH_CLIENT_SECRET", "RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRET"),
        ("RELAY_ACCOUNTS__OFFICE__CLIENT_ID", "RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_ID"),
        ("RELAY_QUEUE__MAXAGE", "RELAY_QUEUE__MAX_AGE"),
        ("RELAY_WEB_BIND", "RELAY_WEB__BIND"),
        ("RELAY_ACCOUNTS__OFFICE", "RELAY_ACCOUNTS__OFFICE__"),
        ("RELAY_ACCOUNTS__OFFICE__OAUTH", "RELAY_ACCOUNTS__OFFICE__OAUTH__"),
        ("RELAY_LISTENERS__DEFAULT__BINDS", "RELAY_LISTENERS__DEFAULT__BIND"),
        ("RELAY_LISTENER__DEFAULT__BIND", "RELAY_LISTENERS__NAME__BIND"),
        ("RELAY_CLIENTS__LOCAL__ANY_LOGIN", "RELAY_CLIENTS__"),
    ],
)
def test_a_variable_that_is_no_key(problems: Problems, variable: str, near: str) -> None:
    found = problems(MICROSOFT, {variable: "hunter2"})
    assert [problem.where for problem in found] == [variable]
    assert f"did you mean {near}" in found[0].text
    assert "hunter2" not in str(found)


def test_a_variable_like_no_key_gets_the_beginnings(problems: Problems) -> None:
    found = problems("", {"RELAY_XYZ": "1"})
    assert "unset it, or use RELAY_CONFIG, " in found[0].text
    assert "RELAY_ACCOUNTS__NAME__OAUTH__" in found[0].text


@pytest.mark.parametrize(
    "variable",
    [
        "RELAY_SERVICE_HOST",
        "RELAY_PORT",
        "RELAY_PORT_2525_TCP_ADDR",
        "RELAY_SERVICE_PORT_SMTP",
        "RELAY_WEB_SERVICE_HOST",
    ],
)
def test_variables_that_kubernetes_makes(problems: Problems, variable: str) -> None:
    assert "set enableServiceLinks: false" in problems("", {variable: "tcp://10.0.0.1:25"})[0].text


def test_an_impossible_name(problems: Problems) -> None:
    problem = problems("", {"RELAY_ACCOUNTS__MY-OFFICE__PROVIDER": "sink"})[0]
    assert problem.where == "RELAY_ACCOUNTS__MY-OFFICE__PROVIDER"
    assert '"my-office" is not a possible name' in problem.text
    assert "write my_office" in problem.text


def test_a_misspelt_name_makes_a_second_account(problems: Problems) -> None:
    variable = "RELAY_ACCOUNTS__OFICE__OAUTH__CLIENT_SECRET"
    problem = told(
        problems(MICROSOFT, {variable: "hunter2"}), "accounts.ofice.provider", "did you mean the account office?"
    )
    assert problem.startswith(variable)


@pytest.mark.parametrize(
    ("variable", "text", "key", "hint"),
    [
        ("RELAY_ACCOUNTS__OFFICE__PORT", "many", "accounts.office.port", "write one from 1 to 65535"),
        ("RELAY_ACCOUNTS__OFFICE__PORT", "99999", "accounts.office.port", "99999 is out of range"),
        ("RELAY_ACCOUNTS__OFFICE__TIMEOUT", "30", "accounts.office.timeout", 'write "30s"'),
        ("RELAY_LISTENERS__A__REQUIRE_TLS", "maybe", "listeners.a.require_tls", "must be true or false"),
        ("RELAY_CLIENTS__A__SENDERS", "*,nobody", "clients.a.senders", '"nobody" is no address'),
        ("RELAY_CLIENTS__A__LISTENERS", "defualt", "clients.a.listeners", "did you mean default?"),
        ("RELAY_ACCOUNTS__OFFICE__OAUTH__EXTRA_PARAMETERS", "{x", "accounts.office.oauth.extra_parameters", "a table"),
        ("RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRET", "", "accounts.office.oauth.client_secret", "is empty"),
        (
            "RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRET",
            "\udcff",
            "accounts.office.oauth.client_secret",
            "not text in UTF-8",
        ),
    ],
)
def test_an_unusable_value_names_the_variable(
    problems: Problems, variable: str, text: str, key: str, hint: str
) -> None:
    assert told(problems(MICROSOFT, {variable: text}), key, hint).startswith(variable)


def test_a_secret_in_both_places(problems: Problems, tmp_path: Path) -> None:
    variable = "RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRET_FILE"
    problem = told(problems(MICROSOFT, {variable: "x"}), "accounts.office.oauth.client_secret", "both given", variable)
    assert str(tmp_path / "relay.toml") in problem


def test_two_variables_for_one_key(problems: Problems) -> None:
    found = problems("", {"RELAY_HOSTNAME": "a.example", "RELAY_hostname": "b.example"})
    assert told(found, "hostname", "is set by two variables")


def test_paths_in_variables_start_at_the_current_folder(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert configure("", {"RELAY_STATE_FOLDER": "state"}).state_folder == tmp_path / "here" / "state"
