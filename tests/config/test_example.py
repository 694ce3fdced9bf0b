"""config.example.toml: it loads, it is complete both ways, and its three kinds of lines are what it says they are.

`key = ...` is set, `#key = ...` is the default, `# key = ...` is another possibility.
"""

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.config import Account, Alerts, Client, Http, Listener, Log, OAuth, Queue, Settings, Sink, Store, Web, load
from relay.config.findings import KeyPath
from relay.config.forms import Kind, need_text
from relay.config.schema import Shape, every_key, shape
from relay.config.settings import Table

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
LINE = re.compile(r"(#? ?)([a-z_]+) = (.+)")
HEADER = re.compile(r"(#? ?)\[([a-z_.]+)\]")


def lines(text: str = TEXT) -> Iterator[tuple[str, KeyPath, str]]:
    """How each key is marked ("", "#", "# "), its path, and its value as written."""
    table: KeyPath = ()
    for line in text.splitlines():
        if header := HEADER.fullmatch(line):
            table = tuple(header[2].split("."))
        elif key := LINE.fullmatch(line):
            yield key[1], (*table, key[2]), key[3]


def general(path: KeyPath) -> KeyPath:
    """`path` with NAME for a name."""
    return tuple("NAME" if place == 1 and path[0] in shape().named else part for place, part in enumerate(path))


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "relay.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return load(file, {"HOME": str(folder)})


def test_it_loads_as_it_is_copied(tmp_path: Path) -> None:
    copy = Path(shutil.copy(EXAMPLE, tmp_path / "relay.toml"))
    copy.chmod(0o600)
    found = load(copy, {"HOME": str(tmp_path)})
    assert found.warnings == ()
    assert (list(found.listeners), list(found.clients), list(found.accounts)) == (["default"], ["app"], ["office"])


def test_every_key_is_in_it_and_no_other() -> None:
    assert {general(path) for _, path, _ in lines()} == set(every_key())


def test_taking_the_mark_from_the_defaults_changes_nothing(tmp_path: Path) -> None:
    uncommented = re.sub(r"^#(?=[a-z_]+ = |\[)", "", TEXT, flags=re.MULTILINE)
    assert uncommented.count("\n#") < TEXT.count("\n#") - 30
    without_places: dict[str, dict[str, str]] = {"origins": {}}
    assert loaded(tmp_path, uncommented).model_copy(update=without_places) == loaded(tmp_path, TEXT).model_copy(
        update=without_places
    )


def at(top: Shape, path: KeyPath) -> Shape:
    """The shape of the table that holds the key `path`."""
    for part in path[:-1]:
        if part != "NAME":
            top = (top.tables | top.named)[part]
    return top


@pytest.mark.parametrize(("path", "value"), [(path, value) for mark, path, value in lines() if mark == "# "])
def test_every_other_possibility_is_a_possible_value(path: KeyPath, value: str) -> None:
    form = at(shape(), general(path)).keys[path[-1]]
    written = tomllib.loads(f"key = {value}")["key"]
    assert need_text(written) if form.kind is Kind.SECRET else form.parse(written) is not None


MODELS: dict[KeyPath, type[Table]] = {
    ("listeners", "NAME"): Listener,
    ("clients", "NAME"): Client,
    ("accounts", "NAME"): Account,
    ("accounts", "NAME", "oauth"): OAuth,
    ("queue",): Queue,
    ("sink",): Sink,
    ("web",): Web,
    ("http",): Http,
    ("log",): Log,
    ("store",): Store,
    ("alerts",): Alerts,
}


@pytest.mark.parametrize(("table", "model"), MODELS.items())
def test_every_default_is_shown_as_one(table: KeyPath, model: type[Table]) -> None:
    shown = {general(path) for mark, path, _ in lines() if mark != "# "}
    defaults = {(*table, name) for name, field in model.model_fields.items() if field.default not in (None, ())}
    written = {path for path in defaults if path in set(every_key()) and not model.model_fields[path[-1]].is_required()}
    assert written - shown == set()


def test_no_prose_looks_like_a_key() -> None:
    """Each line is a header, a key, a comment in words, or empty."""
    for line in TEXT.splitlines():
        assert not line or line.startswith("# ") or LINE.fullmatch(line) or HEADER.fullmatch(line) or line == "#", line
