"""A secret: text that is written in the configuration, or kept in a file that is read anew each time it is used.

Its value never appears in a repr, an error or a log line; `origin` says where it is, which is what a person needs.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from relay.config.places import expanded

MOST_OCTETS = 1024 * 1024
"""No secret is larger: a longer file is the wrong file."""

# No leading zeros; RFC 6901's "-" means the element after the last, which does not exist.
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class SecretError(Exception):
    """A secret cannot be read; the text names the file and the next step, never what is in it."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret, masked in every repr.

    Exactly one of `value` and `file` is set. `pointer` is the JSON pointer (RFC 6901) of a text inside `file`; `where`
    names the file or variable that a written `value` came from.
    """

    value: str | None = None
    file: Path | None = None
    pointer: str | None = None
    where: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.file is None):
            raise ValueError("a secret has either a value or a file")

    @classmethod
    def in_file(cls, text: str, folder: Path) -> Self:
        """The secret that `k_file = "text"` means; a relative path starts at `folder`.

        Text that is an existing path as it stands is that path; otherwise what follows the last `#/` is a pointer.
        Raises ValueError.
        """
        whole = folder / expanded(text)
        path, mark, pointer = text.rpartition("#/")
        if not mark or _exists(whole):
            return cls(file=whole)
        return cls(file=folder / expanded(path), pointer=f"/{pointer}")

    @property
    def origin(self) -> str:
        """Where the secret is, for display."""
        if self.file is None:
            return f"written in {self.where}" if self.where else "given as text"
        return f"file {self.file}" + (f"#{self.pointer}" if self.pointer else "")

    def read(self) -> str:
        """The secret as it is now. Raises SecretError."""
        return read_together(self)[0]

    def __repr__(self) -> str:
        return f"Secret(*** {self.origin})"


def read_together(*secrets: Secret) -> tuple[str, ...]:
    """Read several secrets as one snapshot: each file is opened once, however many of them are in it.

    Raises SecretError.
    """
    files = {secret.file for secret in secrets if secret.file is not None}
    contents = {file: _content(file) for file in files}
    return tuple(_checked(secret, _value(secret, contents)) for secret in secrets)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # Not allowed to look, or no possible path: reading it says why.


def _value(secret: Secret, contents: dict[Path, str]) -> str:
    if secret.file is None:
        return secret.value or ""
    content = contents[secret.file]
    if secret.pointer is not None:
        return _pointed(content, secret, secret.pointer)
    return content.removesuffix("\n").removesuffix("\r") if content.endswith("\n") else content


def _checked(secret: Secret, value: str) -> str:
    if not value:
        raise SecretError(f"{secret.origin}: is empty. Put the secret there")
    return value


def read_octets(file: Path) -> bytes:
    """What is in a file that holds something secret. Raises SecretError."""
    try:
        if file.exists() and not file.is_file():
            raise SecretError(f"{file}: is not a file. Name the file that holds the secret")
        with file.open("rb") as opened:
            octets = opened.read(MOST_OCTETS + 1)
    except FileNotFoundError:
        raise SecretError(f"{file}: does not exist. Create it with the secret in it, or correct the path") from None
    except PermissionError:
        raise SecretError(f"{file}: may not be read by this user. Give the relay's user the right to read it") from None
    except OSError as error:
        raise SecretError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise SecretError("the path of a secret's file holds a character that no path can have") from None
    if len(octets) > MOST_OCTETS:
        raise SecretError(f"{file}: is larger than {MOST_OCTETS:,} octets. Name the file that holds only the secret")
    return octets


def _content(file: Path) -> str:
    octets = read_octets(file)
    # Windows PowerShell's > writes UTF-16 with a mark; everything else that people use writes UTF-8.
    encoding = "utf-16" if octets.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        return octets.decode(encoding)
    except UnicodeDecodeError:
        raise SecretError(f"{file}: is not text in UTF-8. Save it as UTF-8") from None


def _pointed(content: str, secret: Secret, pointer: str) -> str:
    try:
        node: Any = json.loads(content)
    except json.JSONDecodeError as error:
        what = f"{error.msg}, line {error.lineno}, column {error.colno}"
        raise SecretError(f"{secret.file}: is not JSON ({what}), but #{pointer} looks into it") from None
    except RecursionError:
        raise SecretError(f"{secret.file}: is nested too deeply to be read as JSON") from None
    for part in pointer.split("/")[1:]:
        node = _step(node, part.replace("~1", "/").replace("~0", "~"), secret)
    if not isinstance(node, str):
        raise SecretError(f"{secret.file}: #{pointer} is {_kind(node)}. Point at a text")
    return node


def _step(node: Any, part: str, secret: Secret) -> Any:
    """One step of RFC 6901 section 4."""
    if isinstance(node, dict) and part in node:
        return node[part]
    if isinstance(node, list) and _INDEX.fullmatch(part) and int(part) < len(node):
        return node[int(part)]
    raise SecretError(f"{secret.file}: has nothing at #{secret.pointer}. Correct the pointer behind #")


def _kind(node: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(node), "null")
