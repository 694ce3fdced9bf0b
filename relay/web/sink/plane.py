"""What the routes of the sink work with, handed in by the service."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from relay.model import Clock
from relay.policy.patterns import AddressPatterns
from relay.sink import SinkStore
from relay.sink.faults import Faults
from relay.spool import Spool

Check = Callable[[str, str, str], Awaitable[bool | None]]
"""(user name, password, peer address): whether the password is right; None when too many are being checked."""


@dataclass
class Plane:
    """The sink as its API sees it. Sizes in octets, times in seconds.

    `ways` are the accounts that caught mail can be released through, each with the address that it sends as ("" for
    whatever the mail says). `check` is None without a password; then `is_open` says whether other machines may come.
    """

    store: SinkStore
    faults: Faults
    spool: Spool
    ways: Mapping[str, str]
    release_to: AddressPatterns
    release_patterns: tuple[str, ...]
    account: str
    hostname: str
    max_message_size: int
    max_age: float
    database_file: Path
    started_at: float
    clock: Clock
    check: Check | None = None
    is_open: bool = False
    base_path: str = ""
    """How addresses begin: "" or "/mail"."""

    def use(self, other: "Plane") -> None:
        """Be as `other` from now on: the configuration has changed."""
        for each in fields(self):
            if each.name != "started_at":
                setattr(self, each.name, getattr(other, each.name))
