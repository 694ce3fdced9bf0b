"""Every secret, read once while the configuration is checked: a missing file shows at start, not with the first mail.

The values are looked at and forgotten; nothing here puts one into a text.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from relay.config import hashes, network
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.secret import Secret, SecretError
from relay.config.store_key import octets_of

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def check(tree: Tree, findings: Findings) -> None:
    """Read each secret in `tree`; say what is missing, unusable, or open to everyone on this machine.

    The tree, not the models: a table with another mistake in it is looked at as well.
    """
    for path, secret in _secrets(tree, ()):
        where = path if secret.file is None else (*path[:-1], f"{path[-1]}_file")
        try:
            value = secret.read()
        except SecretError as error:
            findings.problem(where, str(error))
            continue
        _check_value(path[-1], value, where, findings)
        _check_characters(value, written=secret.file is None, path=where, findings=findings)
        # A client ID is no secret; it is one here because people keep it in the same file.
        file = secret.file or (findings.place(where).file if path[-1] != "client_id" else None)
        if file is not None:
            warn_if_open(file, where, findings)


def _secrets(tree: Tree, path: KeyPath) -> Iterator[tuple[KeyPath, Secret]]:
    for key, value in tree.items():
        if isinstance(value, Secret):
            yield (*path, key), value
        elif isinstance(value, dict):
            yield from _secrets(value, (*path, key))


def _check_characters(value: str, *, written: bool, path: KeyPath, findings: Findings) -> None:
    """Warn of what nobody types: a backslash that TOML has taken for an escape, or more than one line in a file."""
    if all(char >= " " and char != "\x7f" for char in value):
        return
    if written:
        text = 'holds a control character: in "..." a \\ begins an escape. Write the secret in single quotes'
    else:
        text = "the file holds a control character or several lines; only one line end, the last, is left out"
    findings.warn(path, text)


def _check_value(key: str, value: str, path: KeyPath, findings: Findings) -> None:
    if key in ("password_hash", "sink_password_hash") and (fault := hashes.unusable(value)):
        instead = ", or write password" if path[0] == "clients" else ""
        findings.problem(path, f"{fault}: make one with `relay hash-password`{instead}")
    if path[:1] == ("store",):
        try:
            octets_of(value)
        except ValueError as error:
            findings.problem(path, str(error))
    if key in ("client_secret", "client_secret_next") and _GUID.fullmatch(value):
        findings.warn(path, "this looks like the secret's ID; use its Value (shown once, when the secret is created)")
    if key == "proxy":
        try:
            network.proxy_url(value)
        except ValueError as error:
            findings.problem(path, str(error))
    if key == "webhook":
        try:
            network.webhook(value)
        except ValueError as error:
            findings.problem(path, str(error))
    if key == "client_id" and (value != value.strip() or not value.isprintable()):
        findings.problem(path, "holds spaces or line ends around or inside it: write only the ID")


def warn_if_open(file: Path, path: KeyPath, findings: Findings) -> None:
    """Warn when everyone on this machine may read `file`. Windows keeps such rights elsewhere."""
    if os.name == "nt":
        return
    try:
        mode = file.stat().st_mode
    except OSError:
        return  # Reading it has said so.
    if mode & stat.S_IROTH:
        findings.warn(path, f"{file} may be read by every user of this machine: chmod o-r {file}")
