"""Files: found, read, included, and every way in which one can be wrong."""

import os
import sys
from pathlib import Path

import pytest

from relay.config import ConfigError, Problem, load, places
from relay.config.files import find
from tests.config.conftest import MICROSOFT, SMARTHOST, Configure, Problems, told, without_rights


def refused(path: Path | None, environ: dict[str, str]) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return caught.value.problems


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_an_empty_file_is_a_test_mail_sink(configure: Configure) -> None:
    settings = configure("")
    assert [str(bind) for bind in settings.listeners["default"].bind] == ["127.0.0.1:2525", "[::1]:2525"]
    assert [bind.optional for bind in settings.listeners["default"].bind] == [False, True]
    local = settings.clients["local"]
    assert (local.any_login, local.account, local.senders, local.reply) == (True, "sink", ("*",), "delivered")
    assert list(map(str, local.networks)) == ["127.0.0.0/8", "::1/128"]
    assert settings.accounts["sink"].provider == "sink"
    assert settings.warnings == ()


def test_no_file_is_the_same(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the relay is installed has a file in /etc that would be found."""
    monkeypatch.chdir(write(tmp_path / "elsewhere" / "x", "").parent)
    environ = {"HOME": str(tmp_path)}
    empty = configure("")
    if find(None, environ)[0] is None:
        assert load(None, environ) == empty.model_copy(update={"source": None, "read_from": ()})
    null = Path(os.devnull)
    assert load(null, environ) == empty.model_copy(update={"source": null, "read_from": (null,)})


def test_the_order_in_which_a_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given, named = tmp_path / "given.toml", tmp_path / "named.toml"
    environ = {
        "RELAY_CONFIG": str(named),
        "CONFIGURATION_DIRECTORY": str(tmp_path / "systemd"),
        "XDG_CONFIG_HOME": str(tmp_path / "user"),
    }
    user = write(tmp_path / "user" / "smtp-oauth-relay" / "relay.toml", "")
    assert find(given, environ) == (given, "--config")
    assert find(None, environ) == (named, "RELAY_CONFIG")
    del environ["RELAY_CONFIG"]
    assert find(None, environ) == (user, "")
    service = write(tmp_path / "systemd" / "relay.toml", "")
    assert find(None, environ) == (service, "")
    write(tmp_path / "relay.toml", "")
    assert find(None, environ) == (Path("relay.toml"), "")


@pytest.mark.skipif(sys.platform == "win32", reason="other folders")
def test_the_system_s_folder_is_the_last() -> None:
    assert places.candidates({"HOME": "/home/x"})[-2:] == [
        Path("/home/x/.config/smtp-oauth-relay/relay.toml"),
        Path("/etc/smtp-oauth-relay/relay.toml"),
    ]


@pytest.mark.parametrize("option", [True, False])
def test_a_named_file_that_is_not_there(tmp_path: Path, option: bool) -> None:
    file = tmp_path / "relay.toml"
    problem = refused(file if option else None, {} if option else {"RELAY_CONFIG": str(file)})[0]
    assert problem.where == str(file)
    assert "does not exist: correct the path" in problem.text
    assert f"named by {'--config' if option else 'RELAY_CONFIG'}" in problem.text


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    problem = refused(tmp_path, {})[0]
    assert (problem.key, problem.where) == ("", str(tmp_path))
    assert "is a folder, a file is needed" in problem.text


def test_a_folder_where_it_is_looked_for_is_not_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relay.toml").mkdir()
    assert "is a folder" in refused(None, {"HOME": str(tmp_path)})[0].text


def test_a_file_without_rights(tmp_path: Path) -> None:
    file = write(tmp_path / "relay.toml", "")
    with without_rights(file):
        problem = refused(file, {})[0]
    assert problem.where == str(file)
    assert "may not be read by this user: give the relay's user the right" in problem.text


def test_links_that_lead_to_themselves(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.symlink_to(file)
    assert "cannot be read" in refused(file, {})[0].text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a = 1\nb = = 2\n", "line 2, column 5: Invalid value"),
        ("a = 1\na = 2\n", "line 2, column 6: Cannot overwrite a value"),
        ('[a]\nb = "hunter2\n', "line 2, column 13: Illegal character"),
        ("[accounts.office\n", "line 1, column 17"),
        ("a = 1\nabc", "line 2, column 4: Expected '=' after a key"),
        ('[a]\npassword = "hunter2\\q"', "line 2"),
    ],
)
def test_invalid_toml(problems: Problems, tmp_path: Path, text: str, hint: str) -> None:
    problem = problems(text)[0]
    assert problem.where == str(tmp_path / "relay.toml")
    assert "is not valid TOML" in problem.text
    assert hint in problem.text
    assert "hunter2" not in problem.text


def test_a_file_of_windows(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_bytes(b'\xef\xbb\xbfhostname = "relay.example.com"\r\n')
    assert load(file, {"HOME": str(tmp_path)}).hostname == "relay.example.com"
    file.write_bytes('hostname = "relay.example.com"'.encode("utf-16"))
    assert "is not text in UTF-8" in refused(file, {})[0].text


def test_a_file_that_is_nested_too_deeply(problems: Problems) -> None:
    assert "cannot be read" in problems("a = " + "[" * 100_000)[0].text


def test_includes_are_joined_in_order(configure: Configure, tmp_path: Path) -> None:
    write(tmp_path / "conf.d" / "a.toml", MICROSOFT)
    write(tmp_path / "conf.d" / "b.toml", SMARTHOST)
    write(tmp_path / "conf.d" / "ignored.txt", "not TOML")
    write(tmp_path / "clients.toml", '[clients.a]\npassword = "x"\naccount = "hub"\n')
    settings = configure('include = ["conf.d/*.toml", "clients.toml"]\nhostname = "relay.example.com"')
    assert list(settings.accounts) == ["office", "hub"]
    assert list(settings.clients) == ["a"]
    assert settings.hostname == "relay.example.com"
    assert settings.source == tmp_path / "relay.toml"


def test_an_included_file_includes_from_its_own_folder(configure: Configure, tmp_path: Path) -> None:
    write(tmp_path / "sub" / "first.toml", 'include = ["second.toml"]')
    write(tmp_path / "sub" / "second.toml", SMARTHOST)
    assert list(configure('include = ["sub/first.toml"]').accounts) == ["hub"]


def test_a_file_that_is_named_twice_is_read_once(configure: Configure, tmp_path: Path) -> None:
    write(tmp_path / "a.toml", 'include = ["relay.toml", "b.toml"]')
    write(tmp_path / "b.toml", 'include = ["a.toml"]\n' + SMARTHOST)
    assert list(configure('include = ["*.toml", "a.toml", "./b.toml"]').accounts) == ["hub"]


def test_an_absolute_pattern(configure: Configure, tmp_path: Path) -> None:
    write(tmp_path / "conf.d" / "a.toml", SMARTHOST)
    assert list(configure(f'include = ["{tmp_path}/conf.d/*.toml"]').accounts) == ["hub"]


def test_a_pattern_may_match_nothing_but_a_name_may_not(problems: Problems, tmp_path: Path) -> None:
    found = problems('include = ["conf.d/*.toml", "missing.toml"]')
    assert [problem.where for problem in found] == [str(tmp_path / "missing.toml")]
    assert f"does not exist: correct the path, or take it out of include (named by include in {tmp_path}" in (
        found[0].text
    )


def test_the_environment_can_name_the_includes(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path / "here" / "a.toml", SMARTHOST).parent)
    assert list(configure('include = ["missing.toml"]', {"RELAY_INCLUDE": "*.toml"}).accounts) == ["hub"]


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        (SMARTHOST, SMARTHOST, "accounts.hub"),
        ("[queue]\n", "[queue]\n", "queue"),
        ('hostname = "a.example"', 'hostname = "b.example"', "hostname"),
        (MICROSOFT, '[accounts.office.oauth]\nclient_id = "x"', "accounts.office"),
    ],
)
def test_a_table_in_two_files(problems: Problems, tmp_path: Path, first: str, second: str, key: str) -> None:
    write(tmp_path / "a.toml", first)
    write(tmp_path / "b.toml", second)
    problem = told(problems('include = ["*.toml"]'), key, f"is also in {tmp_path / 'a.toml'}", "merge or rename")
    assert problem.startswith(str(tmp_path / "b.toml"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('include = "conf.d/*.toml"', 'must be a list: write ["conf.d/*.toml"]'),
        ("include = [1]", "must be a list of texts"),
        ('include = [""]', "is empty"),
        ('include = ["a\\u0000b"]', "holds a control character"),
    ],
)
def test_an_unusable_include(problems: Problems, text: str, hint: str) -> None:
    assert told(problems(text), "include", hint)


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("hostnam = 1", "hostnam", "is not a key here: did you mean hostname?"),
        ("[account.office]", "account", "did you mean accounts?"),
        ("[queue]\nmax_ages = 1", "queue.max_ages", "did you mean max_age?"),
        (
            '[accounts.a]\nprovider = "sink"\nclient_id = "x"',
            "accounts.a.client_id",
            "client_id belongs to [accounts.NAME.oauth]",
        ),
        (
            '[accounts.a]\nprovider = "sink"\nhostname = "x"',
            "accounts.a.hostname",
            "hostname belongs to the top of the file, above the first [table]",
        ),
        ("[sink]\nxyzzy = 1", "sink.xyzzy", "the keys are chaos, keep, log"),
        ("[clients.a]\nany_login = true", "clients.a.any_login", "did you mean"),
        ("source = 1", "source", "is not a key here"),
        ('[accounts.a.oauth]\nclient_secrt = "hunter2"', "accounts.a.oauth.client_secrt", "did you mean client_secret"),
        ('[web]\nclient_secret = "hunter2"', "web.client_secret", "client_secret belongs to [accounts.NAME.oauth]"),
    ],
)
def test_a_key_that_does_not_exist(problems: Problems, tmp_path: Path, text: str, key: str, hint: str) -> None:
    found = problems(text)
    problem = told(found, key, hint)
    assert problem.startswith(str(tmp_path / "relay.toml"))
    assert "hunter2" not in "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("accounts = 3", "accounts", "write [accounts] and put its keys below it"),
        ('[accounts]\nprovider = "sink"', "accounts.provider", "write [accounts.NAME] with a name of yours"),
        ("[[listeners]]", "listeners", "is a value where a table belongs"),
        ('[accounts.a]\nprovider = "sink"\noauth = "x"', "accounts.a.oauth", "write [accounts.a.oauth]"),
        ("queue = []", "queue", "write [queue]"),
    ],
)
def test_a_value_where_a_table_belongs(problems: Problems, text: str, key: str, hint: str) -> None:
    assert told(problems(text), key, hint)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Office", "write office"),
        ("my-office", "write my_office"),
        ("a__b", "write a_b"),
        ("1st", "a name begins with"),
    ],
)
@pytest.mark.parametrize("table", ["accounts", "clients", "listeners"])
def test_impossible_names(problems: Problems, table: str, name: str, hint: str) -> None:
    assert told(problems(f"[{table}.{name}]"), f"{table}.{name}", "is not a possible name", hint)


def test_a_key_cannot_forge_a_line(problems: Problems) -> None:
    assert "\n" not in str(problems('"a\\nb" = 1')[0])


def test_relative_paths_start_at_the_file_that_holds_them(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "secret", "from-sub")
    write(tmp_path / "sub" / "a.toml", SMARTHOST + 'password_file = "secret"\nusername = "u"\n')
    settings = configure('include = ["sub/a.toml"]\nstate_folder = "state"\n[log]\nfile = "~/relay.log"')
    assert settings.accounts["hub"].password is not None
    assert settings.accounts["hub"].password.read() == "from-sub"
    assert settings.state_folder == tmp_path / "state"
    assert settings.log.file == Path.home() / "relay.log"


@pytest.mark.skipif(sys.platform == "win32", reason="other folders")
@pytest.mark.parametrize(
    ("environ", "root", "expected"),
    [
        ({"HOME": "/home/x"}, False, "/home/x/.local/state/smtp-oauth-relay"),
        ({"HOME": "/home/x", "XDG_STATE_HOME": "/s"}, False, "/s/smtp-oauth-relay"),
        ({"HOME": "/home/x", "XDG_STATE_HOME": "relative"}, False, "/home/x/.local/state/smtp-oauth-relay"),
        ({"HOME": "/root"}, True, "/var/lib/smtp-oauth-relay"),
        ({"HOME": "/root", "STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, True, "/var/lib/a"),
        ({"HOME": "/home/x", "STATE_DIRECTORY": "/var/lib/a"}, False, "/var/lib/a"),
    ],
)
def test_the_state_folder(environ: dict[str, str], root: bool, expected: str) -> None:
    assert places.state_folder(environ, root=root) == Path(expected)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ('"postgresql://relay:hunter2@db/relay"', "is no database of this version"),
        ('"sqlite:///relay.db"', "needs the whole path"),
        ('"relay.db"', "is no database of this version"),
        ("3", "must be text"),
    ],
)
def test_an_unusable_database(problems: Problems, value: str, hint: str) -> None:
    problem = told(problems(f"[queue]\ndatabase = {value}"), "queue.database", hint)
    assert "hunter2" not in problem
