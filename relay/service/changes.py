"""What a changed configuration means for a relay that is running: which parts go on, which are made anew.

Pure, but for reading the files that are named. A part is compared by its settings and by the content of the files
that it reads only when it is made (certificates, keys, authorities); the file of a secret is read at every use, so it
does not count.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from relay.config import Account, Listener, Settings

_MOST_OCTETS = 1024 * 1024
_FIXED = {
    "state_folder": "state_folder",
    "database_file": "queue.database",
    "http": "[http]",
    "store": "[store]",
    "web": "[web]",
}
"""What a running relay stands on, with the name that an administrator knows it by."""


def fingerprint(paths: Iterable[Path]) -> bytes:
    """Another value when a file's content, or the list of files in a folder, has changed.

    What cannot be read counts as absent.
    """
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        digest.update(f"{path}\0".encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(_content(path)).digest())
    return digest.digest()


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            return "\0".join(sorted(one.name for one in path.iterdir())).encode("utf-8", "surrogateescape")
        with path.open("rb") as opened:
            return opened.read(_MOST_OCTETS)
    except OSError:
        return b""


def files_of_listener(listener: Listener) -> list[Path]:
    """What a listener reads when it starts."""
    return [path for path in (listener.certificate, listener.key) if path is not None]


def files_of_account(account: Account) -> list[Path]:
    """What an account reads when its way out is made."""
    found = [account.ca_file, account.certificate, account.key]
    return [path for path in found if path is not None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Settings, with what their files held at that moment."""

    settings: Settings
    listeners: Mapping[str, bytes]
    accounts: Mapping[str, bytes]

    @classmethod
    def of(cls, settings: Settings) -> "Snapshot":
        """Reads the files that listeners and accounts name."""
        return cls(
            settings,
            {name: fingerprint(files_of_listener(one)) for name, one in settings.listeners.items()},
            {name: fingerprint(files_of_account(one)) for name, one in settings.accounts.items()},
        )

    def same_listener(self, name: str, other: "Snapshot") -> bool:
        """Whether a listener of that name is in both, with the same settings and files."""
        mine, theirs = self.settings.listeners.get(name), other.settings.listeners.get(name)
        return mine == theirs and self.listeners.get(name) == other.listeners.get(name)

    def same_account(self, name: str, other: "Snapshot") -> bool:
        """Whether an account of that name is in both, with the same settings and files."""
        mine, theirs = self.settings.accounts.get(name), other.settings.accounts.get(name)
        return mine == theirs and self.accounts.get(name) == other.accounts.get(name)


def need_restart(old: Settings, new: Settings) -> list[str]:
    """The keys and tables that are not the same and that a running relay cannot change."""
    return [shown for name, shown in _FIXED.items() if getattr(old, name) != getattr(new, name)]


def watched(settings: Settings) -> list[Path]:
    """Each file and folder whose change may change the configuration or a part's certificates."""
    found = [*settings.read_from]
    for listener in settings.listeners.values():
        found += files_of_listener(listener)
    for account in settings.accounts.values():
        found += files_of_account(account)
    return found
