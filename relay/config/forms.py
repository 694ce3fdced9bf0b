"""Forms: how the value of a key is written, and what it becomes.

Every field of the settings carries one. When a file is read (a validation `context` is given), the form turns what
was written into the value, or says what is wrong with it; a model that is built in code takes finished values as they
are. `environment` turns the text of a variable into what a file would have held.
"""

import itertools
import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from relay.config import network, units
from relay.config import queue_size as queue_sizes
from relay.config.findings import UnusableError, nearest
from relay.config.rates import show_rate

WRITTEN = {"written": True}
"""The validation context for values as a file or variable holds them."""


class Kind(Enum):
    """What a file holds for a key."""

    PLAIN = "plain"
    SECRET = "secret"  # noqa: S105 (the name of a kind)
    """Text that is never shown; `k_file` is its twin."""
    PATH = "path"
    """Relative to the folder of the file that it is written in."""
    TABLE = "table"
    """Keys that the user chooses, with texts."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a value; `parse` raises ValueError with a sentence for people."""

    parse: Callable[[Any], Any]
    environment: Callable[[str], Any] = str
    kind: Kind = Kind.PLAIN
    show: Callable[[Any], Any] = str
    """The value as a file would hold it: text, number, flag or list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._read, handler(source))

    def _read(self, value: Any, info: ValidationInfo) -> Any:
        return value if info.context is None else self.parse(value)


def need_text(value: Any) -> str:
    """`value` if it is a text that can be written out as UTF-8. Raises ValueError, which quotes nothing."""
    if not isinstance(value, str):
        raise UnusableError("must be text: put it into quotes")
    if any(0xD800 <= ord(char) < 0xE000 for char in value):
        raise UnusableError("is not text in UTF-8")
    return value


def text(check: Callable[[str], Any] = str, *, empty: bool = False, kind: Kind = Kind.PLAIN) -> Form:
    """A text without control characters that `check` accepts or converts."""

    def parse(value: Any) -> Any:
        found = need_text(value)
        if not found and not empty:
            raise UnusableError("is empty: write a value, or leave the key out")
        if not found.isprintable():
            raise UnusableError("holds a control character or an invisible one: remove it")
        return check(found)

    return Form(parse, kind=kind)


def charset(name: str) -> str:
    """The name of a character set in which ASCII is ASCII, for mail to be labelled with. Raises ValueError."""
    try:
        if not name.isascii() or " " in name or "_codec" in name or b"\0aZ~".decode(name) != "\0aZ~":
            raise LookupError
    except (LookupError, UnicodeError):
        raise UnusableError(f'"{name}" is no character set for mail: write it like "windows-1252" or "utf-8"') from None
    return name


def path() -> Form:
    return text(Path, kind=Kind.PATH)


def secret() -> Form:
    """The value arrives as a Secret: its text and its twin are put together before the models see them."""
    return Form(lambda value: value, kind=Kind.SECRET)


def listing(item: Callable[[str], Any], *, empty: bool = False, alone: bool = False, example: str) -> Form:
    """A list of texts; a variable holds it separated by commas, or as JSON. `alone`: one text is a list of one."""

    def parse(value: Any) -> tuple[Any, ...]:
        if alone and isinstance(value, str):
            value = [value]
        if isinstance(value, str):
            raise UnusableError(f"must be a list: write [{json.dumps(value, ensure_ascii=False)}]")
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UnusableError(f"must be a list of texts: write it like {example}")
        if not value and not empty:
            raise UnusableError(f"is an empty list: write it like {example}, or leave the key out")
        found = tuple(item(need_text(one)) for one in value)
        if len(set(found)) < len(found):
            raise UnusableError("holds the same entry twice: remove one")
        return found

    return Form(parse, environment=split_list, show=_texts)


def _texts(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values]


def rates(item: Callable[[str], Any], *, example: str) -> Form:
    """A list of rates; an empty one is no limit."""
    return replace(listing(item, empty=True, example=example), show=lambda found: [*map(show_rate, found)])


def binds(*, empty: bool = False) -> Form:
    """A list of addresses to listen on."""
    entries = listing(network.bind, empty=empty, example='["127.0.0.1:2525", "[::1]:2525"]')

    def parse(value: Any) -> tuple[network.Bind, ...]:
        found = tuple(itertools.chain.from_iterable(entries.parse(value)))
        for one, other in itertools.combinations(found, 2):
            if one.port and (one.host, one.port) == (other.host, other.port):
                raise UnusableError(f"holds {one} twice: remove one")
        return found

    return Form(parse, environment=split_list, show=_texts)


def ways(choices: Any) -> Form:
    """The ways of an account, in the order in which they are tried."""
    return listing(one_of(choices).parse, example='["smtp", "graph"]')


def split_list(value: str) -> list[Any]:
    """What a list looks like in a variable: `a, b` or `["a", "b"]`."""
    try:
        found = json.loads(value)
    except ValueError:
        found = None  # Not JSON: "[::1]:2525,127.0.0.1:2525" begins like it and is not.
    if isinstance(found, list):
        return found
    return [part.strip() for part in value.split(",") if part.strip()]


def one_of(choices: Any, normal: Callable[[str], str] = str) -> Form:
    """One of the words of a Literal."""
    words = get_args(choices)

    def parse(value: Any) -> str:
        found = normal(need_text(value))
        if found in words:
            return found
        allowed = " or ".join(f'"{normal(word)}"' for word in words)
        meant = nearest(found, words, alike=0.65)
        raise UnusableError(
            f'"{value}" is not possible: write {allowed}' + (f" (did you mean {meant}?)" if meant else "")
        )

    return Form(parse)


def count(low: int, high: int) -> Form:
    """A whole number."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            shown = f"{value!r} is no whole number" if isinstance(value, float) else "is no whole number"
            raise UnusableError(f"{shown}: write one from {low} to {high}, without quotes")
        if not low <= value <= high:
            raise UnusableError(f"{value} is out of range: write a number from {low} to {high}")
        return value

    def from_text(value: str) -> int | str:
        number = value.strip()
        digits = number.removeprefix("-")
        return int(number) if digits.isascii() and digits.isdigit() and len(digits) < 20 else value

    return Form(parse, environment=from_text, show=int)


def flag() -> Form:
    """A switch: true or false."""

    def parse(value: Any) -> bool:
        if not isinstance(value, bool):
            raise UnusableError("must be true or false, without quotes")
        return value

    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return Form(parse, environment=lambda value: words.get(value.strip().lower(), value), show=bool)


def duration(*, zero: bool = False) -> Form:
    return Form(lambda value: units.duration(value, zero=zero), show=units.show_duration)


def durations() -> Form:
    """A list of durations."""

    def parse(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list) or not value:
            raise UnusableError('must be a list of durations: write it like ["1m", "5m", "30m"]')
        return tuple(units.duration(one) for one in value)

    return Form(parse, environment=split_list, show=lambda value: [units.show_duration(one) for one in value])


def day() -> Form:
    """A day, or a moment of one, as TOML or as text has it."""
    return Form(units.day, show=units.show_moment)


def command() -> Form:
    """A program with its arguments: a list, or one text that is divided as a shell divides it. Empty for none."""

    def parse(value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            try:
                value = shlex.split(value) or [""]
            except ValueError as error:
                raise UnusableError(f"is no command: {str(error).lower()}") from None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or value[:1] == [""]:
            raise UnusableError('must be a program and its arguments: write it like ["/usr/local/bin/page-me", "mail"]')
        if any("\0" in need_text(one) for one in value):
            raise UnusableError("holds a NUL character: remove it")
        return tuple(value)

    return Form(
        parse, environment=lambda value: split_list(value) if value.lstrip().startswith("[") else value, show=list
    )


def size(*, zero: bool = False, least: int = 1) -> Form:
    return Form(lambda value: units.size(value, zero=zero, least=least), show=units.show_size)


def queue_size() -> Form:
    """How much the queue may hold: octets, messages, or both."""
    return Form(
        queue_sizes.queue_size,
        environment=lambda value: split_list(value) if "," in value else value,
        show=queue_sizes.show_queue_size,
    )


def scopes() -> Form:
    """A list of texts, or one text with spaces in between. Empty asks for none."""

    def parse(value: Any) -> tuple[str, ...]:
        found = value.split() if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(one, str) and one and one.isprintable() for one in found):
            raise UnusableError(
                'must be a list of texts, or one text: write it like ["https://api.example.com/.default"]'
            )
        return tuple(found)

    return Form(
        parse,
        environment=lambda value: split_list(value) if value.lstrip().startswith("[") else value,
        show=_texts,
    )


def parameters(reserved: dict[str, str]) -> Form:
    """A table of texts with names that the user chooses, except those that another key sets. Never quoted."""

    def parse(value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise UnusableError('must be a table of texts: write it like { resource = "https://mail.example.com" }')
        for name, content in value.items():
            if other := reserved.get(name):
                raise UnusableError(f"{name} is not set here: use {other}")
            if not isinstance(content, str):
                raise UnusableError(f"{name} must be text: put it into quotes")
        return dict(value)

    def from_text(value: str) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            return value

    return Form(parse, environment=from_text, kind=Kind.TABLE, show=dict)
