"""The files: found, read, joined with what they include, and checked for keys that do not exist."""

import glob
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relay.config import places, toml_errors
from relay.config.findings import Findings, KeyPath, Place, nearest, suggestion
from relay.config.places import expanded
from relay.config.schema import Shape, every_key, header, name_problem, shape
from relay.config.settings import INCLUDE

Tree = dict[str, Any]


def find(path: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, str]:
    """The main file, and how it was named ("" when it was found where it is looked for)."""
    if path is not None:
        return path, "--config"
    if named := environ.get("RELAY_CONFIG"):
        return Path(named).expanduser(), "RELAY_CONFIG"
    # exists() is true for a folder, too: one in the file's place must be told, not passed by.
    return next((one for one in places.candidates(environ) if _exists(one)), None), ""


def _identity(path: Path) -> Path:
    """One path for a file, however it is named."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()  # A loop of links: reading it says so.


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return True  # Not allowed to look, or no possible path: reading it says why.


class Files:
    """Reads a file and everything that it includes into one tree."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._seen: set[Path] = set()
        self._tables: dict[KeyPath, str] = {}
        self.tree: Tree = {}
        self.read_from: list[Path] = []
        """The files, and the folders in which patterns were looked for."""

    def read(self, path: Path, *, named_by: str = "", nested: bool = True) -> None:
        """Add `path` and, when `nested`, what it includes. A file is read once, however often it is named."""
        real = _identity(path)
        if real in self._seen:
            return
        self._seen.add(real)
        self.read_from.append(path.absolute())
        place = Place(str(path), path.absolute().parent, path)
        found = self._parse(path, place, named_by)
        if found is None:
            return
        written = found.pop("include", [])
        self._join(found, place)
        if nested:
            self.include(written, place)

    def include(self, written: object, place: Place) -> None:
        """Read the files that the patterns in `written` name, relative to `place`, in the order of their names."""
        folder = place.folder
        try:
            patterns = [str(expanded(pattern)) for pattern in INCLUDE.parse(written)]
        except ValueError as error:
            self._findings.problem(("include",), str(error), place=place)
            return
        for pattern in patterns:
            if not glob.has_magic(pattern) or _exists(folder / pattern):
                self.read(folder / pattern, named_by=f"include in {place.name}")
                continue
            self.read_from.append((folder / pattern).parent)
            # Not Path.glob, which refuses absolute patterns.
            for match in sorted(glob.glob(pattern, root_dir=folder)):  # noqa: PTH207
                self.read(folder / match)

    def _parse(self, path: Path, place: Place, named_by: str) -> Tree | None:
        content = ""
        try:
            content = path.read_bytes().decode("utf-8-sig")
            return tomllib.loads(content)
        except tomllib.TOMLDecodeError as error:
            text = f"is not valid TOML: {toml_errors.explained(str(error), content)}"
        except UnicodeDecodeError as error:
            text = f"is not text in UTF-8 (octet {error.start + 1}): save it as UTF-8"
        except FileNotFoundError:
            text = "does not exist: correct the path, or copy config.example.toml to it"
            if named_by.startswith("include"):
                text = "does not exist: correct the path, or take it out of include"
        except IsADirectoryError:
            text = (
                "is a folder, a file is needed: name the file in it. (Docker makes a folder when the file that it "
                "should mount does not exist.)"
            )
        except PermissionError:
            text = "may not be read by this user: give the relay's user the right to read it"
        except (OSError, ValueError, RecursionError) as error:
            text = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        self._findings.problem((), f"{text} (named by {named_by})" if named_by else text, place=place)
        return None

    def _join(self, found: Tree, place: Place) -> None:
        """Add a file's keys and tables; one that another file has already is an error that names both."""
        top = shape()
        for key, value in found.items():
            if key in top.named and isinstance(value, dict):
                tables = self.tree.setdefault(key, {})
                for name, table in value.items() if isinstance(tables, dict) else ():
                    self._add(tables, (key, name), table, place)
            else:
                self._add(self.tree, (key,), value, place)

    def _add(self, tree: Tree, path: KeyPath, value: Any, place: Place) -> None:
        if path in self._tables:
            what = "table" if isinstance(value, dict) else "key"
            self._findings.problem(
                path, f"is also in {self._tables[path]}: each {what} has one file, so merge or rename them", place=place
            )
            return
        self._tables[path] = place.name
        tree[path[-1]] = value
        self._findings.places[path] = place


def remove_unknown(tree: Tree, findings: Findings, top: Shape | None = None, path: KeyPath = ()) -> Tree:
    """`tree` without what cannot be: unknown keys, impossible names, values where tables belong. Each is a problem."""
    top = top or shape()
    kept: Tree = {}
    for key, value in tree.items():
        here = (*path, key)
        if key in top.keys:
            kept[key] = value
        elif key in top.tables:
            if _is_table(value, here, findings):
                kept[key] = remove_unknown(value, findings, top.tables[key], here)
        elif key in top.named:
            if _is_table(value, here, findings):
                kept[key] = _named(value, findings, top.named[key], here)
        else:
            findings.problem(here, f"is not a key here: {_meant(key, top)}")
    return kept


def _named(tables: Tree, findings: Findings, inner: Shape, path: KeyPath) -> Tree:
    kept: Tree = {}
    for name, table in tables.items():
        here = (*path, name)
        if not isinstance(table, dict):
            known = f", and put {name} below it" if name in inner.keys else ""
            findings.problem(
                here, f"is a value where a table belongs: write [{path[0]}.NAME] with a name of yours{known}"
            )
        elif text := name_problem(name):
            findings.problem(here, text)
        else:
            kept[name] = remove_unknown(table, findings, inner, here)
    return kept


def _is_table(value: object, path: KeyPath, findings: Findings) -> bool:
    if isinstance(value, dict):
        return True
    dotted = ".".join(path)
    findings.problem(path, f"is a value where a table belongs: write [{dotted}] and put its keys below it")
    return False


def _meant(key: str, top: Shape) -> str:
    """Which key was probably meant: all but the same in this table, the same in another, or a similar one in this."""
    if near := nearest(key, top.words(), alike=0.85):
        return f"did you mean {near}?"
    for other in every_key():
        if other[-1] == key:
            return f"{key} belongs to {header(other)}"
    return suggestion(key, top.words(), otherwise="the keys are")
