"""Every value that is in force, and where it came from: what `relay config show` prints. Never a secret's value."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from relay.config.forms import Form, Kind
from relay.config.schema import Shape, shape
from relay.config.secret import Secret
from relay.config.settings import Settings

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Value:
    """One key: its dotted name, its value as a file would hold it (None: not set), and the place that it came from."""

    key: str
    value: Any
    origin: str


def values(settings: Settings) -> list[Value]:
    """Each key of each table, whether somebody wrote it or it is a default (a provider's preset is one too).

    Of a secret only its file is shown.
    """
    return list(_table(settings, shape(), "", settings.origins))


def _table(table: BaseModel, keys: Shape, prefix: str, origins: dict[str, str]) -> Iterator[Value]:
    for name, form in keys.keys.items():
        if hasattr(table, name):
            yield _value(getattr(table, name), form, f"{prefix}{name}", origins)
    for name, inner in keys.tables.items():
        if (found := getattr(table, name)) is not None:
            yield from _table(found, inner, f"{prefix}{name}.", origins)
    for name, inner in keys.named.items():
        for chosen, found in getattr(table, name).items():
            yield from _table(found, inner, f"{prefix}{name}.{chosen}.", origins)


def _value(value: Any, form: Form, key: str, origins: dict[str, str]) -> Value:
    if form.kind is not Kind.SECRET:
        return Value(key, None if value is None else form.show(value), origins.get(key, DEFAULT))
    if isinstance(value, Secret) and value.file is not None:
        file = f"{value.file}#{value.pointer}" if value.pointer else str(value.file)
        return Value(f"{key}_file", file, origins.get(f"{key}_file", DEFAULT))
    return Value(key, "***" if value else None, origins.get(key, DEFAULT))
