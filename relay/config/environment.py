"""The environment: `RELAY_ACCOUNTS__OFFICE__PORT=587` is the key accounts.office.port.

A variable holds text. For a key of text it is that text, untouched: a password may look like a number, a list or JSON.
For numbers, true/false and lists it is converted before any check, so that both sources obey the same rules.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath, Place, nearest
from relay.config.forms import Form, Kind
from relay.config.schema import Shape, every_key, name_problem, shape

PREFIX = "RELAY_"
NOT_A_KEY = "RELAY_CONFIG"

# What Kubernetes puts into every pod for a Service called "relay" (enableServiceLinks).
_SERVICE_LINK = re.compile(r"RELAY_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT\w*|PORT(?:_\d+_(?:TCP|UDP)\w*)?)")


def read(environ: Mapping[str, str], known: Tree, findings: Findings, here: Place) -> Tree:
    """The tree that the RELAY_* variables describe; `known` is what the files hold, for names in messages.

    `here` is where relative paths in variables start. A variable that is no key is a problem.
    """
    tree: Tree = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == NOT_A_KEY:
            continue
        place = Place(variable, here.folder)
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        form, trouble = _locate(path)
        if form is None:
            findings.problem((), trouble or _unknown(variable, environ, known), place=place)
        elif not _put(tree, path, form.environment(environ[variable])):
            findings.problem(path, f"is set by two variables: unset {variable} or the other", place=place)
        else:
            findings.places[path] = place
            _place_tables(path, place, known, findings)
    return tree


def _locate(path: KeyPath) -> tuple[Form | None, str | None]:
    """The form of the key at `path`, or what is wrong with the name in it (None: nothing known is there)."""
    at: Shape = shape()
    rest = list(path)
    while len(rest) > 1:
        first = rest.pop(0)
        if first in at.tables:
            at = at.tables[first]
        elif first in at.named and len(rest) > 1:
            name = rest.pop(0)
            if text := name_problem(name):
                return None, f'"{name}" {text}'
            at = at.named[first]
        elif len(rest) == 1 and first in at.keys and at.keys[first].kind is Kind.TABLE and rest[0]:
            return Form(str), None
        else:
            return None, None
    return at.keys.get(rest[0]), None


def _put(tree: Tree, path: KeyPath, value: Any) -> bool:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            return False
    if path[-1] in tree:
        return False
    tree[path[-1]] = value
    return True


def _place_tables(path: KeyPath, place: Place, known: Tree, findings: Findings) -> None:
    """A table that only variables make belongs to the first of them."""
    for length in range(1, len(path)):
        part = path[:length]
        if not _has(known, part):
            findings.places.setdefault(part, place)


def _has(tree: Any, path: Iterable[str]) -> bool:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _variable(path: KeyPath) -> str:
    return PREFIX + "__".join(path).upper()


def _unknown(variable: str, environ: Mapping[str, str], known: Tree) -> str:
    if _SERVICE_LINK.fullmatch(variable):
        return (
            "is not a key. It looks like a variable that Kubernetes makes for a Service called relay: set "
            "enableServiceLinks: false in the pod, or rename the Service"
        )
    names = _names([*environ, variable], known)
    choices = ["__".join(path).upper() for key in every_key() for path in _with_names(key, names)]
    word = variable.removeprefix(PREFIX)
    near = next((choice for choice in choices if choice.startswith(f"{word}__")), None) or nearest(word, choices)
    if near:
        return f"is not a key: did you mean {PREFIX}{near}?"
    starts = ", ".join(dict.fromkeys(_variable(key[:-1]) + "__" for key in every_key() if len(key) > 1))
    alone = ", ".join([NOT_A_KEY, *(_variable(key) for key in every_key() if len(key) == 1)])
    return f"is not a key: unset it, or use {alone}, or one that begins with {starts}"


def _names(variables: list[str], known: Tree) -> dict[str, set[str]]:
    """The names that the file, or any variable, gives to listeners, clients and accounts."""
    found: dict[str, set[str]] = {}
    for table in shape().named:
        tables = known.get(table)
        found[table] = set(tables) if isinstance(tables, dict) else set()
        for variable in variables:
            path = variable.removeprefix(PREFIX).lower().split("__")
            if variable.startswith(PREFIX) and path[0] == table and len(path) > 1 and not name_problem(path[1]):
                found[table].add(path[1])
    return found


def _with_names(key: KeyPath, names: dict[str, set[str]]) -> Iterable[KeyPath]:
    if "NAME" not in key:
        return [key]
    used = sorted(names[key[0]]) or ["NAME"]
    return [tuple(name if part == "NAME" else part for part in key) for name in used]
