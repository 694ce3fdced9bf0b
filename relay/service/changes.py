"""What a changed configuration means for a relay that is running: what goes on, what is made anew, what has to wait.

Pure, but for reading the files that are named. A client, an account or a table is compared by its settings and by the
content of the files that it names.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from relay.config import Client, Secret, Settings
from relay.config.settings import Table

_OF_QUEUE = ("database", "max_bytes_in_memory")
"""What the whole of delivery and listeners stands on."""
_MOST_OCTETS = 1024 * 1024
_NAMED = ("listeners", "clients", "accounts")
_TABLES = ("queue", "sink", "web", "log", "alerts")
_UNREAD = frozenset({"federated_token_file", "proxy"})
"""The one is renewed every hour by somebody else and read for each token, the other for each request: a new content is
no change.
"""
_READ_AT_START = {"http": "http.ca_file", "store": "store.key"}
"""The key whose file is read once, by its table."""
_RECOGNISED_BY = (
    "login",
    "password",
    "password_hash",
    "htpasswd_file",
    "certificate_subject",
    "authenticate",
    "issuer",
    "audience",
    "user_claim",
    "any_login",
)
"""What a client shows to be known, but for its address: that each session can look at again."""


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
    except (OSError, ValueError):
        return b""


def files_of(table: Table) -> list[Path]:
    """What a table's keys name as their files: secrets, keys, certificates, authorities."""
    return list(_files(table))


def _files(table: Table) -> Iterator[Path]:
    for name in type(table).model_fields:
        value = getattr(table, name)
        if name in _UNREAD:
            continue
        if isinstance(value, Table):
            yield from _files(value)
        elif isinstance(value, Secret) and value.file is not None:
            yield value.file
        elif isinstance(value, Path):
            yield value


def _tables(settings: Settings) -> dict[str, Table]:
    """The tables whose files count, by their dotted names.

    Not the listeners': each looks after its certificate by itself. Nor `[log]`, whose file is written.
    """
    found: dict[str, Table] = {name: getattr(settings, name) for name in ("web", "alerts", *_READ_AT_START)}
    found |= {f"clients.{name}": one for name, one in settings.clients.items()}
    found |= {f"accounts.{name}": one for name, one in settings.accounts.items()}
    return found


def watched(settings: Settings) -> set[Path]:
    """Each file and folder whose change may change the configuration."""
    return {*settings.read_from, *(path for table in _tables(settings).values() for path in files_of(table))}


def contents(paths: Iterable[Path]) -> dict[Path, bytes]:
    """What each file and folder holds now, as a fingerprint."""
    return {path: fingerprint([path]) for path in paths}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Settings, with what their files held at that moment, by the dotted names of the tables."""

    settings: Settings
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, settings: Settings) -> "Snapshot":
        """Reads the files that the tables name."""
        return cls(settings, {name: fingerprint(files_of(table)) for name, table in _tables(settings).items()})

    def same(self, kind: str, name: str, other: "Snapshot") -> bool:
        """Whether a table ("accounts", "office") is in both, with the same settings and files."""
        mine, theirs = getattr(self.settings, kind).get(name), getattr(other.settings, kind).get(name)
        return mine == theirs and self._same_files(f"{kind}.{name}", other)

    def same_tokens(self, account: str, other: "Snapshot") -> bool:
        """Whether an account's tokens are asked for in the same way, with the same secrets, in both."""
        mine, theirs = self.settings.accounts.get(account), other.settings.accounts.get(account)
        if mine is None or theirs is None or not self._same_files(f"accounts.{account}", other):
            return False
        return (mine.oauth, mine.via, mine.acts_as_sender) == (theirs.oauth, theirs.via, theirs.acts_as_sender)

    def _same_files(self, table: str, other: "Snapshot") -> bool:
        return self.files.get(table) == other.files.get(table)

    def changes(self, new: "Snapshot") -> list[str]:
        """What is different in `new`, as an administrator would say it; what needs a restart is not among it."""
        told: list[str] = []
        for kind in _NAMED:
            mine, theirs = getattr(self.settings, kind), getattr(new.settings, kind)
            told += [f"{kind}.{name} is new" for name in theirs if name not in mine]
            told += [f"{kind}.{name} is removed" for name in mine if name not in theirs]
            both = [name for name in theirs if name in mine]
            told += [f"{kind}.{name} has changed" for name in both if not self._looks_same(kind, name, new)]
        for table in _TABLES:
            mine, theirs = getattr(self.settings, table), getattr(new.settings, table)
            keys = [name for name in type(mine).model_fields if getattr(mine, name) != getattr(theirs, name)]
            told += [f"{table}.{key} has changed" for key in keys]
            if not keys and not self._same_files(table, new):
                told.append(f"a file of [{table}] has changed")
        if self.settings.hostname != new.settings.hostname:
            told.append("hostname has changed")
        return told

    def _looks_same(self, kind: str, name: str, new: "Snapshot") -> bool:
        """As `same`; a client that may use all listeners does not change with their number."""
        if kind != "clients" or any(f"clients.{name}.listeners" in each.settings.origins for each in (self, new)):
            return self.same(kind, name, new)
        mine, theirs = self.settings.clients[name], new.settings.clients[name]
        same = mine == theirs.model_copy(update={"listeners": mine.listeners})
        return same and self._same_files(f"{kind}.{name}", new)

    def needs_restart(self, new: "Snapshot") -> list[str]:
        """The keys that are not the same and that a running relay cannot change."""
        found = need_restart(self.settings, new.settings)
        other = [key for table, key in _READ_AT_START.items() if not self._same_files(table, new)]
        return found + [f"{key} (its content)" for key in other if key not in found]

    def in_force(self, new: "Snapshot") -> "Snapshot":
        """`new` with the files that were read at the start: until the next one they count as they were then."""
        return Snapshot(new.settings, {**new.files, **{name: self.files[name] for name in _READ_AT_START}})


def need_restart(old: Settings, new: Settings) -> list[str]:
    """The keys with other values that a running relay cannot take: what it stands on."""
    found = ["state_folder"] if old.state_folder != new.state_folder else []
    found += [f"queue.{key}" for key in _OF_QUEUE if getattr(old.queue, key) != getattr(new.queue, key)]
    for name in ("http", "store"):
        mine, theirs = getattr(old, name), getattr(new, name)
        found += [f"{name}.{key}" for key in type(mine).model_fields if getattr(mine, key) != getattr(theirs, key)]
    found += [f"web.{key}" for key in ("bind", "base_path") if getattr(old.web, key) != getattr(new.web, key)]
    if (old.web.certificate is None) != (new.web.certificate is None):
        found.append("web.certificate")
    return found


def in_force(old: Settings, new: Settings) -> Settings:
    """`new` as far as it can be used without a restart: what `need_restart` names stays as it is."""
    web: dict[str, object] = {"bind": old.web.bind, "base_path": old.web.base_path}
    if (old.web.certificate is None) != (new.web.certificate is None):
        web |= {"certificate": old.web.certificate, "key": old.web.key}
    return new.model_copy(
        update={
            "state_folder": old.state_folder,
            "queue": new.queue.model_copy(update={key: getattr(old.queue, key) for key in _OF_QUEUE}),
            "http": old.http,
            "store": old.store,
            "web": new.web.model_copy(update=web),
            "listeners": {
                name: one.model_copy(update=_in_folder(old.state_folder, one.certificate, one.key))
                if one.self_signed
                else one
                for name, one in new.listeners.items()
            },
        }
    )


def _in_folder(folder: Path, certificate: Path | None, key: Path | None) -> dict[str, Path | None]:
    """The files of a certificate that the relay makes are in its state folder, and that stays where it is."""
    return {name: file and folder / file.name for name, file in (("certificate", certificate), ("key", key))}


def shut_out(old: Settings, new: Settings) -> frozenset[str]:
    """The clients that are gone, or that have to show something else now to be known."""
    return frozenset(
        name
        for name, client in old.clients.items()
        if name not in new.clients or _way_in(client) != _way_in(new.clients[name])
    )


def _way_in(client: Client) -> tuple[object, ...]:
    return tuple(getattr(client, key) for key in _RECOGNISED_BY)
