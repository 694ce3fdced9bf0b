"""Mistakes that people make in a file, each met by a text that says what they probably meant."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.config import describe
from tests.config.conftest import MICROSOFT, Configure, Problems

SECRET = 'client_secret = "the~Value"'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('hostname = "a"b"', 'the text itself holds a ": write it in single quotes'),
        ("hostname = 'a'b'", "the text itself holds a ': write it in double quotes"),
        (r'hostname = "C:\dir"', r'in "..." a \ begins an escape: write the text in single quotes'),
        (r'hostname = "C:\users"', r'in "..." a \ begins an escape: write the text in single quotes'),
        ("hostname = relay.example.com", "quotes are missing"),
        ('hostname = "relay\n', "is its closing quote missing?"),
        ("[queue]\n[queue]", "write each table once"),
        ('hostname = "a"\nhostname = "b"', "keep one"),
    ],
)
def test_what_is_no_toml(problems: Problems, text: str, hint: str) -> None:
    (problem,) = problems(text)
    assert "is not valid TOML: line " in problem.text
    assert hint in problem.text


def test_an_error_that_nobody_can_guess_has_its_place_alone(problems: Problems) -> None:
    (problem,) = problems("hostname =")
    assert problem.text.startswith("is not valid TOML: line 1, column 11: Invalid value")
    assert "Perhaps" not in problem.text


def test_a_table_with_one_mistake_is_looked_at_to_its_end(problems: Problems) -> None:
    found = problems(
        MICROSOFT
        + '[queue]\nmax_age = 5\nbounce_account = "ofice"\n'
        + '[http]\ntimeout = 5\nca_file = "no.pem"\n'
        + '[web]\nbase_path = "x"\ncertificate = "no.pem"\n'
        + '[log]\nlevel = "loud"\nconversations = ["ap"]\nfile = "nowhere/relay.log"\n'
    )
    assert {problem.key for problem in found} == {
        "queue.max_age",
        "queue.bounce_account",
        "http.timeout",
        "http.ca_file",
        "web.base_path",
        "web.key",
        "log.level",
        "log.conversations",
        "log.file",
    }


def test_an_account_with_one_mistake_is_looked_at_to_its_end(problems: Problems) -> None:
    found = problems(
        MICROSOFT.replace("mailbox", 'port = "x"\nfallback = "nobody"\nca_file = "no.pem"\nmailbox').replace(
            SECRET, 'private_key_file = "no.pem"\nrefresh_margin = 5'
        )
    )
    assert {problem.key.removeprefix("accounts.office.") for problem in found} == {
        "port",
        "fallback",
        "ca_file",
        "oauth.refresh_margin",
        "oauth.private_key_file",
    }


def test_a_listener_with_one_mistake_is_looked_at_to_its_end(problems: Problems) -> None:
    found = problems('[listeners.a]\nbind = ["127.0.0.1:25"]\ntimeout = 5\ntls = "starttls"\nclient_ca = "no.pem"\n')
    keys = {problem.key.removeprefix("listeners.a.") for problem in found}
    assert keys == {"timeout", "client_ca", "certificate", "key"}


@pytest.mark.parametrize(
    ("mistake", "keys"),
    [
        ('bind = "127.0.0.1:25"\ntls = "implicit"', {"bind", "certificate", "key", "client_ca"}),
        ('tls = "starttls"', {"bind", "certificate", "key", "client_ca"}),
        ('bind = ["127.0.0.1:25"]\ntls = "starttl"', {"tls", "certificate", "key", "client_ca"}),
    ],
)
def test_a_listeners_files_are_looked_at_whatever_else_is_wrong(
    problems: Problems, mistake: str, keys: set[str]
) -> None:
    files = 'certificate = "no.pem"\nkey = "no.key"\nclient_ca = "no.ca"\n'
    found = problems(f"[listeners.a]\n{mistake}\n{files}")
    assert {problem.key.removeprefix("listeners.a.") for problem in found} == keys


@pytest.mark.parametrize("provider", ["", 'provider = "microsft"\n'])
def test_an_accounts_files_are_looked_at_without_its_provider(problems: Problems, provider: str) -> None:
    found = problems(f'[accounts.a]\n{provider}host = "x.example"\nca_file = "no.pem"\n')
    assert {problem.key for problem in found} == {"accounts.a.provider", "accounts.a.ca_file"}


@pytest.mark.parametrize(
    ("mistake", "key"), [("priority = 5", "priority"), ('rate = "x"', "rate"), ('account = "ofice"', "account")]
)
def test_a_client_with_one_mistake_is_looked_at_to_its_end(problems: Problems, mistake: str, key: str) -> None:
    found = problems(f'{MICROSOFT}[clients.a]\nhtpasswd_file = "no.users"\n{mistake}\n')
    assert {problem.key for problem in found} == {f"clients.a.{key}", "clients.a.htpasswd_file"}
    certificate = f'{MICROSOFT}[clients.a]\ncertificate_subject = "a.example"\n{mistake}\n'
    assert {problem.key for problem in problems(certificate)} == {f"clients.a.{key}", "clients.a.certificate_subject"}


def test_a_client_with_one_mistake_is_held_against_the_others(problems: Problems) -> None:
    two = '[clients.a]\nlogin = "x"\npassword = "x"\npriority = 5\n[clients.b]\nlogin = "x"\npassword = "y"\n'
    assert {problem.key for problem in problems(MICROSOFT + two)} == {"clients.a.priority", "clients.b.login"}
    # Without what tells them apart it is not known whether somebody could.
    unknown = '[clients.a]\npassword_hash = "x"\nnetworks = ["10.0.0.0/8"]\n[clients.b]\nnetworks = ["10.0.0.0/8"]\n'
    assert {problem.key for problem in problems(MICROSOFT + unknown)} == {"clients.a.password_hash"}


def test_what_refers_to_a_client_with_a_mistake_is_right(problems: Problems) -> None:
    client = '[clients.a]\npassword = "x"\npriority = 5\n[log]\nconversations = ["a", "office"]\n'
    assert {problem.key for problem in problems(MICROSOFT + client)} == {"clients.a.priority"}


def test_nothing_is_said_of_the_account_that_was_not_meant(problems: Problems) -> None:
    other = '[accounts.hub]\nprovider = "smtp"\nhost = "x.example"\n'
    found = problems(f'{other}{MICROSOFT}[clients.a]\npassword = "x"\naccount = "ofice"\nsender = "force"\n')
    assert {problem.key for problem in found} == {"clients.a.account"}


def test_nothing_is_concluded_from_what_is_missing(problems: Problems) -> None:
    """What a wrong key would have said is not known, so nothing is said about what depends on it."""
    (problem,) = problems('[listeners.a]\nbind = ["127.0.0.1:25"]\ntls = "starttl"\n')
    assert problem.key == "listeners.a.tls"
    (problem,) = problems(MICROSOFT + 'grant = "client_credential"\n')
    assert problem.key == "accounts.office.oauth.grant"


def test_what_is_possible_is_told_once(problems: Problems) -> None:
    (problem,) = problems('[accounts.a]\nprovider = "sink"\n[clients.a]\npassword = "x"\npriority = "urgent"')
    assert problem.text == '"urgent" is not possible: write "high" or "normal" or "low"'


def test_the_page_has_no_password_beside_its_hash(problems: Problems) -> None:
    (problem,) = problems('[web]\npassword_hash = "secret"')
    assert problem.text.endswith("make one with `relay hash-password`")
    (problem,) = problems('[clients.a]\npassword_hash = "secret"')
    assert problem.text.endswith("make one with `relay hash-password`, or write password")


def test_a_tenant_that_cannot_be_is_told_once(problems: Problems) -> None:
    (problem,) = problems(MICROSOFT.replace("contoso.onmicrosoft.com", "a b/c"))
    assert problem.key == "accounts.office.tenant"


def test_an_included_file_that_is_not_there(problems: Problems) -> None:
    (problem,) = problems('include = ["no.toml"]')
    assert "does not exist: correct the path, or take it out of include" in problem.text


def test_a_variable_of_no_table(problems: Problems) -> None:
    (problem,) = problems("", {"RELAY_XYZ": "1"})
    assert "RELAY_CONFIG, RELAY_INCLUDE, RELAY_HOSTNAME, RELAY_STATE_FOLDER, or one that begins" in problem.text


@pytest.mark.parametrize("written", [r'"a\bc"', r'"a\tc"', r'"a\u0007c"'])
def test_a_backslash_that_toml_has_eaten(configure: Configure, written: str) -> None:
    (warning,) = configure(MICROSOFT.replace(SECRET, f"client_secret = {written}")).warnings
    assert 'client_secret: holds a control character: in "..." a \\ begins an escape' in warning


@pytest.mark.parametrize("written", [r"'a\bc'", r'"a\\bc"', "'a\"<>&%$é'"])
def test_a_secret_of_any_characters_that_can_be_typed(configure: Configure, written: str) -> None:
    assert configure(MICROSOFT.replace(SECRET, f"client_secret = {written}")).warnings == ()


def test_a_secret_s_file_with_more_than_one_line(configure: Configure, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    for content, warned in (("one\n", False), ("one\r\n", False), ("one\n\n", True), ("one\ntwo\n", True)):
        file.write_bytes(content.encode())
        warnings = configure(MICROSOFT.replace(SECRET, 'client_secret_file = "secret"')).warnings
        assert any("client_secret_file: the file holds a control character" in one for one in warnings) is warned


def test_a_log_file_in_the_place_of_a_folder(problems: Problems) -> None:
    (problem,) = problems('[log]\nfile = "."')
    assert problem.text.endswith("is a folder: name a file in it")


def test_the_page_s_addresses_are_those_of_a_browser(configure: Configure, certificate: tuple[Path, Path]) -> None:
    pair = f'certificate = "{certificate[0]}"\nkey = "{certificate[1]}"\n'
    lines = describe(configure(f'[web]\n{pair}bind = ["127.0.0.1:8025"]\nbase_path = "/mail"\n'))
    assert "page: https://127.0.0.1:8025/mail" in lines


def test_the_files_that_were_read_are_named(configure: Configure, tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "a.toml").write_text('[accounts.a]\nprovider = "discard"\n')
    lines = describe(configure('include = ["conf.d/*.toml"]\n'))
    assert lines[:3] == [f"configuration: {tmp_path / 'relay.toml'}", f"  and {folder / 'a.toml'}", lines[2]]
    assert lines[2].startswith("hostname: ")


def test_a_secret_that_has_ended_is_warned_of(configure: Configure) -> None:
    settings = configure(f'{MICROSOFT}client_secret_expires = "2026-11-21"\n')
    day = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert not any("has ended" in line for line in describe(settings, now=day - 1))
    assert "has ended on 2026-11-21: make a new one" in describe(settings, now=day)[-1]
