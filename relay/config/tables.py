"""From what was written to models: both sources joined, secrets and paths resolved, each table made on its own.

A table that cannot be made leaves its problems behind and the others go on, so that everything wrong is told at once.
"""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.forms import WRITTEN, Kind, need_text
from relay.config.places import expanded
from relay.config.schema import Shape, shape
from relay.config.secret import Secret
from relay.config.settings import Table

Made = TypeVar("Made", bound=Table)


class _Given(PydanticBaseSettingsSource):
    """A source that was read already. The library's own take a password like `123` or `{"a":1}` for a value of
    another type, and ignore variables that match no key.
    """

    def __init__(self, model: type[BaseSettings], tree: Tree) -> None:
        super().__init__(model)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


def joined(*sources: Tree) -> Tree:
    """One tree of several; the first that has a key wins."""

    class Written(BaseSettings):
        model_config = SettingsConfigDict(extra="allow")

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_Given(settings_cls, tree) for tree in sources)

    return Written().model_dump()


def resolved(tree: Tree, findings: Findings, top: Shape | None = None, path: KeyPath = ()) -> Tree:
    """`tree` with a Secret for each secret or its twin, and paths that start where their file is."""
    top = top or shape()
    kept: Tree = {}
    for key, form in top.keys.items():
        if form.kind is Kind.SECRET:
            if (found := _secret(tree, key, path, findings)) is not None:
                kept[key] = found
        elif form.kind is Kind.PATH and isinstance(tree.get(key), str) and tree[key]:
            kept[key] = _absolute(tree[key], (*path, key), findings)
        elif key in tree and key.removesuffix("_file") not in _secrets(top):
            kept[key] = tree[key]
    for key, inner in top.tables.items():
        if key in tree:
            kept[key] = resolved(tree[key], findings, inner, (*path, key))
    for key, inner in top.named.items():
        kept[key] = {
            name: resolved(table, findings, inner, (*path, key, name)) for name, table in tree.get(key, {}).items()
        }
    return kept


def _secrets(top: Shape) -> set[str]:
    return {key for key, form in top.keys.items() if form.kind is Kind.SECRET}


def _absolute(text: str, path: KeyPath, findings: Findings) -> str:
    try:
        return str(findings.place(path).folder / expanded(text))
    except ValueError as error:
        findings.problem(path, str(error))
        return text


def _secret(tree: Tree, key: str, path: KeyPath, findings: Findings) -> Secret | None:
    """The secret `k` or `k_file` of a table; None when there is none, or a problem."""
    twin = f"{key}_file"
    if key in tree and twin in tree:
        places = {findings.place((*path, one)).name for one in (key, twin)}
        where = f" ({' and '.join(sorted(places))})" if len(places) > 1 else ""
        findings.problem((*path, key), f"and {twin} are both given{where}: keep one")
        return None
    used = key if key in tree else twin
    if used not in tree:
        return None
    place = findings.place((*path, used))
    try:
        text = need_text(tree[used])
        if not text:
            raise ValueError("is empty: write the secret" if used == key else "is empty: write the path of a file")
        return Secret(value=text, where=place.name) if used == key else Secret.in_file(text, place.folder)
    except ValueError as error:
        findings.problem((*path, used), str(error))
    return None


def make(model: type[Made], raw: Tree, path: KeyPath, findings: Findings) -> Made | None:
    """The model of one table, or None after its problems are noted."""
    try:
        return model.model_validate(raw, context=WRITTEN)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            _note(one["type"], one.get("ctx", {}), (*path, *map(str, one["loc"])), one["msg"], findings)
        return None


def possible(model: type[Made], raw: Tree, needed: Tree | None = None) -> Made | None:
    """The model of a table without the keys that cannot be used, once `make()` has told what is wrong with them.

    What is left is looked at all the same, so that one reading finds everything. `needed` stands in for keys that must
    be there; None where one is not there all the same.
    """
    try:
        return model.model_validate(raw, context=WRITTEN)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    rest = raw
    for one in found:
        rest = _without(rest, [str(part) for part in one["loc"]])
    rest = {**(needed or {}), **rest}
    return possible(model, rest, needed) if rest != raw else None


def _without(raw: Tree, path: list[str]) -> Tree:
    """`raw` without the key at `path`; the rest of a table in it stays."""
    if not path:
        return raw
    first, *rest = path
    inner = raw.get(first)
    if rest and isinstance(inner, dict):
        return {**raw, first: _without(inner, rest)}
    return {key: value for key, value in raw.items() if key != first}


def _note(kind: str, context: dict[str, Any], path: KeyPath, text: str, findings: Findings) -> None:
    if kind == "missing":
        # A secret that was there and could not be used, or a key that depends on one, has its problem already.
        twin = (*path[:-1], f"{path[-1]}_file")
        if not findings.has_problem(path) and not findings.has_problem(twin):
            findings.problem(path, "is missing: add it")
        return
    findings.problem(path, str(context.get("error", text)))
