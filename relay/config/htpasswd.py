"""htpasswd files (Apache's, nginx's, many a mail server's): user names and password hashes, a line for each."""

from dataclasses import dataclass, field
from pathlib import Path

from relay.config import hashes
from relay.config.findings import Findings, KeyPath
from relay.config.secret import SecretError, read_octets
from relay.config.secrets import warn_if_open


@dataclass(slots=True, repr=False, eq=False)
class Htpasswd:
    """A file that is read anew for each login, so that whoever is added or removed counts at once."""

    file: Path
    _octets: bytes = b""
    _users: dict[str, str] = field(default_factory=dict)

    def hash_of(self, login: str) -> str | None:
        """The hash of `login`, None where it has none that can be used. Raises SecretError."""
        return self._read().get(login)

    def hashes(self) -> list[str]:
        """All hashes that can be used. Raises SecretError."""
        return list(self._read().values())

    def _read(self) -> dict[str, str]:
        octets = read_octets(self.file)
        if octets != self._octets:
            self._octets, self._users = octets, {name: text for _, name, text, fault in lines(octets) if not fault}
        return self._users

    def __repr__(self) -> str:
        return f"Htpasswd(*** {self.file})"


def lines(octets: bytes) -> list[tuple[int, str, str, str]]:
    """Each user: the line's number, name, hash, and why the hash cannot be used ("" if it can).

    Of a name that stands twice, the first counts, as it does for Apache.
    """
    found: dict[str, tuple[int, str, str, str]] = {}
    for number, line in enumerate(octets.decode("utf-8-sig", "surrogateescape").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, hashed = text.partition(":")
        # Some programs keep further fields behind the hash.
        hashed = hashed.partition(":")[0]
        fault = hashes.unusable(hashed) if colon else "has no colon between name and hash"
        found.setdefault(name, (number, name, hashed, fault))
    return list(found.values())


def check(file: Path, login: str | None, path: KeyPath, findings: Findings) -> None:
    """Say what is wrong with a client's file: unreadable, nobody in it, hashes that are refused."""
    where = (*path, "htpasswd_file")
    try:
        users = lines(read_octets(file))
    except SecretError as error:
        findings.problem(where, str(error))
        return
    warn_if_open(file, where, findings)
    if login is not None:
        users = [user for user in users if user[1] == login]
    usable = sum(not fault for *_, fault in users)
    if not users:
        whom = f'the login "{login}"' if login is not None else "a user"
        findings.problem(where, f"{file} does not hold {whom}: add it with `htpasswd -B {file} NAME`")
    for number, name, _, fault in users:
        text = f"{file}, line {number}: the password of {name} {fault}: make a bcrypt hash with `htpasswd -B`"
        if fault and usable:
            findings.warn(where, f"{text}; until then {name} cannot log in")
        elif fault:
            findings.problem(where, text)
