"""Which keys there are, read from the models: for files, the environment, and messages about typing errors."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from relay.config import settings
from relay.config.findings import KeyPath
from relay.config.forms import Form, Kind, need_text

NAME = re.compile(r"[a-z][a-z0-9_]*")
NAME_RULE = "a name begins with a letter and has only a-z, 0-9 and single _"

_TWIN = Form(need_text, kind=Kind.PLAIN)


@dataclass(frozen=True, slots=True)
class Shape:
    """One table: its keys with their forms, the tables inside it, and the tables whose names the user chooses."""

    keys: dict[str, Form]
    tables: dict[str, "Shape"]
    named: dict[str, "Shape"]

    def words(self) -> list[str]:
        return [*self.keys, *self.tables, *self.named]


@cache
def shape(model: type[BaseModel] = settings.Settings) -> Shape:
    """The shape of a model; each secret `k` brings its twin `k_file`, and the top level `include`."""
    found = Shape({}, {}, {})
    if model is settings.Settings:
        found.keys["include"] = settings.INCLUDE
    for name, field in model.model_fields.items():
        inner = _model(field.annotation)
        form = _form([field.annotation, *field.metadata])
        if inner is not None:
            target = found.named if str(field.annotation).startswith("dict[") else found.tables
            target[name] = shape(inner)
        elif form is not None:
            found.keys[name] = form
            if form.kind is Kind.SECRET:
                found.keys[f"{name}_file"] = _TWIN
    return found


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model`, `Model | None` or `dict[str, Model]`."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _form(annotations: list[Any]) -> Form | None:
    """The form of a field, wherever `| None` and Annotated have put it."""
    for one in annotations:
        if isinstance(one, Form):
            return one
        if found := _form(list(get_args(one))):
            return found
    return None


def name_problem(name: str) -> str | None:
    """Why `name` cannot be the name of a listener, client or account."""
    if NAME.fullmatch(name) and "__" not in name:
        return None
    better = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", name.lower())).strip("_")
    advice = f": write {better}" if NAME.fullmatch(better) else ""
    return f"is not a possible name ({NAME_RULE}){advice}"


def every_key(top: Shape | None = None, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Each key as a path, with NAME where the user chooses a name."""
    top = top or shape()
    for key in top.keys:
        yield (*path, key)
    for name, inner in top.tables.items():
        yield from every_key(inner, (*path, name))
    for name, inner in top.named.items():
        yield from every_key(inner, (*path, name, "NAME"))


def written_keys(tree: Mapping[str, Any], top: Shape | None = None, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of each key that `tree` has a value for."""
    top = top or shape()
    for key, value in tree.items():
        if key in top.keys:
            yield (*path, key)
        elif key in top.tables:
            yield from written_keys(value, top.tables[key], (*path, key))
        else:
            for name, table in value.items():
                yield from written_keys(table, top.named[key], (*path, key, name))


def header(path: KeyPath) -> str:
    """How a file begins the table that holds the key `path`."""
    return f"[{'.'.join(path[:-1])}]" if len(path) > 1 else "the top of the file, above the first [table]"
