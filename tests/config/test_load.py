"""The whole: every problem at once, no secret in any of them, and settings that nothing can change."""

import json
import re
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from relay.config import ConfigError, Problem, Settings, load
from relay.config.forms import Form, Kind
from relay.config.schema import Shape, every_key, shape
from relay.config.settings import Table
from tests.config.conftest import MICROSOFT, Configure, Problems

WRONG = """
hostname = "my_host"
state_folder = 3
colour = "red"
[listeners.lan]
bind = ["0.0.0.0:99999"]
max_message_size = 35
[clients.printer]
password = "hunter2"
account = "ofice"
listeners = ["wan"]
[clients.scanner]
[accounts.office]
provider = "microsoft"
tenant = "common"
mailbox = "nobody"
[accounts.office.oauth]
client_id = "id"
client_secret_file = "missing"
client_secrets = "hunter2"
[queue]
max_age = 5
retry = "1m"
[web]
bind = [":8025"]
[http]
proxy = "hunter2"
timeout = "0s"
[log]
level = "loud"
[sink]
log = "all"
"""
KEYS = {
    "hostname",
    "state_folder",
    "colour",
    "listeners.lan.bind",
    "listeners.lan.max_message_size",
    "clients.printer.account",
    "clients.printer.listeners",
    "clients.scanner",
    "accounts.office.tenant",
    "accounts.office.mailbox",
    "accounts.office.oauth.client_secret_file",
    "accounts.office.oauth.client_secrets",
    "queue.max_age",
    "queue.retry",
    "web.bind",
    "http.proxy",
    "http.timeout",
    "log.level",
    "sink.log",
}


def test_every_problem_is_told_at_once(problems: Problems, tmp_path: Path) -> None:
    """A mistake in a table hides neither its own others nor those of its neighbours."""
    found = problems(WRONG, {"RELAY_XYZ": "1"})
    assert {problem.key for problem in found} == {*KEYS, ""}
    assert {problem.where for problem in found} == {str(tmp_path / "relay.toml"), "RELAY_XYZ"}
    assert "hunter2" not in "\n".join(map(str, found))


def test_a_problem_is_one_line(problems: Problems) -> None:
    for problem in problems(WRONG):
        assert re.fullmatch(r"\S.*: \S.*", str(problem)), problem


def test_how_a_problem_is_written() -> None:
    assert str(Problem("a.b", "relay.toml", "is wrong")) == "relay.toml: a.b: is wrong"
    assert str(Problem("", "RELAY_X", "is wrong")) == "RELAY_X: is wrong"
    assert str(ConfigError([Problem("a", "f", "x"), Problem("b", "f", "y")])) == "f: a: x\nf: b: y"


def test_settings_cannot_be_changed(configure: Configure) -> None:
    found = configure(MICROSOFT)
    with pytest.raises(pydantic.ValidationError):
        found.hostname = "other"
    with pytest.raises(pydantic.ValidationError):
        found.accounts["office"].port = 25


@pytest.mark.parametrize("place", ["sqlite:////q/relay.db", None])
def test_where_the_database_is(configure: Configure, place: str | None) -> None:
    text = 'state_folder = "/state"\n' + (f'[queue]\ndatabase = "{place}"' if place else "")
    assert configure(text).database_file == Path("/q/relay.db" if place else "/state/relay.db")


def test_no_repr_shows_a_secret(configure: Configure) -> None:
    found = configure(MICROSOFT.replace("the~Value", "hunter2") + '[clients.a]\npassword = "hunter2"')
    assert "hunter2" not in f"{found!r} {found}"
    with pytest.raises(pydantic.ValidationError) as caught:
        Settings.model_validate({"hostname": 3, "accounts": {"a": {"password": "hunter2"}}})
    assert "hunter2" not in str(caught.value)


def test_without_arguments_everything_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relay.toml").write_text('hostname = "[192.0.2.1]"')
    found = load(None, {"HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "s")})
    assert (found.hostname, found.state_folder, found.source) == ("[192.0.2.1]", tmp_path / "s", Path("relay.toml"))


def forms(top: Shape) -> list[Form]:
    inner = [*top.tables.values(), *top.named.values()]
    return [*top.keys.values(), *(form for each in inner for form in forms(each))]


def fields(model: type[Table]) -> set[str]:
    return set(model.model_fields)


def test_every_field_has_a_form_but_those_that_nobody_writes() -> None:
    known = {path[-1] for path in every_key()}
    tables = set(shape().named) | set(shape().tables) | {"oauth"}
    models = Table.__subclasses__()
    assert len(models) == 12
    nobody_writes = {"any_login", "entra", "origins", "read_from", "self_signed", "source", "warnings", "way_scopes"}
    assert {name for model in models for name in fields(model)} - known - tables == nobody_writes


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(ANYTHING)
def test_no_form_fails_in_another_way(value: Any) -> None:
    """Whatever a file holds for a key becomes a value or a ValueError with a text."""
    for form in forms(shape()):
        try:
            form.parse(value)
        except ValueError:
            with pytest.raises(ValueError, match=r"\w+ \w+"):
                form.parse(value)


@given(st.text())
@example("0\x1f")  # which str.strip() takes for a space, and int() does not
def test_no_variable_fails_in_another_way(text: str) -> None:
    for form in forms(shape()):
        converted = form.environment(text)
        if form.kind is Kind.PLAIN and not isinstance(converted, str):
            assert isinstance(converted, bool | int | list)


@given(st.dictionaries(st.sampled_from(["provider", "via", "cloud", "tenant", "tls", "oauth", "password"]), ANYTHING))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_nonsense_is_a_config_error(tmp_path: Path, table: dict[str, Any]) -> None:
    """JSON is TOML for these values, nulls, infinities and lone surrogates left out."""
    lines = [f"{key} = {text}" for key, value in table.items() if "null" not in (text := _toml(value))]
    file = tmp_path / "relay.toml"
    file.write_text('[accounts.a]\nhost = "nonsense"\n' + "\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, {"HOME": str(tmp_path)})
    assert {problem.where for problem in caught.value.problems} == {str(file)}


def _toml(value: Any) -> str:
    text = json.dumps(value).replace("\x7f", "\\u007f")
    return "null" if re.search(r"NaN|Infinity|\\ud[89a-f]", text) else text
