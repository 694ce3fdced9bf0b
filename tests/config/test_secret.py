"""Secrets: any text survives, files are read anew, and nothing shows a value."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Secret, SecretError, read_together
from tests.config.conftest import without_rights

# Everything that UTF-8 can hold, without NUL, which no environment and no SASL mechanism can carry.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


class Counted(type(Path())):  # type: ignore[misc]
    """A path that counts how often a file was opened."""

    opened = 0

    def open(self, *args: Any, **kwargs: Any) -> Any:
        Counted.opened += 1
        return super().open(*args, **kwargs)


HOSTILE = [
    '{"a":1}',
    "123",
    "true",
    '"quoted"',
    "<>&%$é",
    "a,b",
    "[1]",
    " leading and trailing ",
    "\\n",
    "'",
    "ümläut€🔑",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_written_secret_is_that_text(text: str) -> None:
    assert Secret(text).read() == text


@given(TEXTS.filter(lambda text: not text.startswith("\ufeff") and not text.endswith("\r")))
def test_a_file_gives_back_its_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "round-trip"
    file.write_bytes(text.encode() + b"\n")
    assert Secret(file=file).read() == text


@given(TEXTS, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
def test_a_json_file_gives_back_its_text(tmp_path_factory: pytest.TempPathFactory, text: str, key: str) -> None:
    file = tmp_path_factory.getbasetemp() / "round-trip.json"
    file.write_text(json.dumps({"other": 1, "list": [{key: text}]}), encoding="utf-8")
    pointer = "/list/0/" + key.replace("~", "~0").replace("/", "~1")
    assert Secret(file=file, pointer=pointer).read() == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\n\n", "secret\n"),
        (b"\xef\xbb\xbfsecret\n", "secret"),
        ("secret\r\n".encode("utf-16"), "secret"),
        (b"  se cret  \n", "  se cret  "),
        (b'{"a":1}\n', '{"a":1}'),
    ],
)
def test_what_editors_and_shells_add_is_dropped(tmp_path: Path, octets: bytes, text: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(octets)
    assert Secret(file=file).read() == text


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first")
    secret = Secret(file=file)
    assert secret.read() == "first"
    file.write_text("second")
    assert secret.read() == "second"
    file.unlink()
    with pytest.raises(SecretError, match=r"secret: does not exist\. Create it"):
        secret.read()


def test_secrets_of_one_file_are_one_snapshot(tmp_path: Path) -> None:
    file = Counted(tmp_path / "both.json")
    file.write_text('{"id": "new-id", "secret": "new-secret"}')
    pair = (Secret(file=file, pointer="/id"), Secret(file=file, pointer="/secret"), Secret("written"))
    Counted.opened = 0
    assert read_together(*pair) == ("new-id", "new-secret", "written")
    assert Counted.opened == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", ("plain", None)),
        ("app.json#/oauth/secret", ("app.json", "/oauth/secret")),
        ("odd#/name", ("odd#/name", None)),
        ("odd#/name#/secret", ("odd#/name", "/secret")),
        ("missing#/a#/b", ("missing#/a", "/b")),
        ("app.json#/", ("app.json", "/")),
    ],
)
def test_a_pointer_begins_at_the_last_mark_unless_the_whole_is_a_file(
    tmp_path: Path, name: str, expected: tuple[str, str | None]
) -> None:
    (tmp_path / "odd#").mkdir()
    (tmp_path / "odd#" / "name").touch()
    secret = Secret.in_file(name, tmp_path)
    assert (secret.file, secret.pointer) == (tmp_path / expected[0], expected[1])


@pytest.mark.parametrize(
    ("content", "pointer", "hint"),
    [
        ('{"a": "hunter2"}', "/b", "has nothing at #/b"),
        ('{"a": {"hunter2": 1}}', "/a", "#/a is an object. Point at a text"),
        ('{"a": ["hunter2"]}', "/a", "#/a is a list"),
        ('{"a": 31337}', "/a", "#/a is a number"),
        ('{"a": true}', "/a", "true or false"),
        ('{"a": null}', "/a", "null"),
        ('{"a": "hunter2"}', "/a/b", "has nothing at"),
        ('["hunter2"]', "/1", "has nothing at"),
        ('["hunter2"]', "/-", "has nothing at"),
        ('["hunter2"]', "/00", "has nothing at"),
        ("hunter2", "/a", "is not JSON (Expecting value, line 1, column 1)"),
        ('{"a": ""}', "/a", "is empty"),
        ("[" * 200_000, "/a", "nested too deeply"),
    ],
)
def test_a_pointer_that_leads_nowhere(tmp_path: Path, content: str, pointer: str, hint: str) -> None:
    file = tmp_path / "app.json"
    file.write_text(content)
    with pytest.raises(SecretError) as caught:
        Secret(file=file, pointer=pointer).read()
    assert hint in str(caught.value)
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("octets", "hint"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\xff", "not text in UTF-8"),
        (b"\xff\xfeh", "not text in UTF-8"),
        (b"x" * (1024 * 1024 + 1), "is larger than 1,048,576 octets"),
    ],
)
def test_a_file_that_holds_no_secret(tmp_path: Path, octets: bytes, hint: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(octets)
    with pytest.raises(SecretError, match=hint) as caught:
        Secret(file=file).read()
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="is not a file"):
        Secret(file=tmp_path).read()


def test_a_file_without_rights(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    with without_rights(file), pytest.raises(SecretError, match="may not be read by this user"):
        Secret(file=file).read()


def test_an_impossible_path() -> None:
    with pytest.raises(SecretError, match="a character that no path can have"):
        Secret(file=Path("a\0b")).read()


@given(TEXTS)
def test_nothing_shows_the_value(text: str) -> None:
    text = f"hunter2{text}"
    secret = Secret(text, where="relay.toml")
    assert "hunter2" not in f"{secret!r} {secret} {[secret]} {secret.origin}"
    assert "relay.toml" in secret.origin


def test_where_it_is(tmp_path: Path) -> None:
    assert Secret("x").origin == "given as text"
    assert Secret(file=tmp_path / "a.json", pointer="/b").origin == f"file {tmp_path / 'a.json'}#/b"


def test_it_has_a_value_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either a value or a file"):
        Secret()
    with pytest.raises(ValueError, match="either a value or a file"):
        Secret("x", tmp_path)


def test_it_is_a_value() -> None:
    assert pickle.loads(pickle.dumps(Secret("x"))) == Secret("x")  # noqa: S301 (our own bytes)
    assert Secret("") != Secret("x")
    with pytest.raises(SecretError, match="is empty"):
        Secret("").read()
