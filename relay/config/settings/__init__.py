"""The settings: every key that the relay knows, its type, its default and the form in which a file holds it.

The models are strict, frozen and closed. What depends on more than one key (a provider's host, a client's senders) is
filled in before a model is made, so the rest of the relay meets only complete values.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from relay.config import forms, network
from relay.config.settings.account import Account
from relay.config.settings.base import File, Table
from relay.config.settings.client import Client
from relay.config.settings.listener import Listener
from relay.config.settings.oauth import OAuth
from relay.config.settings.single import Alerts, Http, Log, Queue, Sink, Store, Web

__all__ = [
    "INCLUDE",
    "Account",
    "Alerts",
    "Client",
    "Http",
    "Listener",
    "Log",
    "OAuth",
    "Queue",
    "Settings",
    "Sink",
    "Store",
    "Table",
    "Web",
]


class Settings(Table):
    """The whole configuration, complete and checked."""

    hostname: Annotated[str, forms.text(network.ehlo_name)]
    state_folder: File
    listeners: dict[str, Listener]
    clients: dict[str, Client]
    accounts: dict[str, Account]
    queue: Queue = Queue()
    sink: Sink = Sink()
    web: Web = Web()
    http: Http = Http()
    log: Log = Log()
    store: Store = Store()
    alerts: Alerts = Alerts()
    source: Path | None = None  # the file that it came from
    warnings: tuple[str, ...] = ()
    """What works but should not stay as it is."""
    read_from: tuple[Path, ...] = ()
    """Every file that was read, and the folders in which `include` looks for more."""
    origins: dict[str, str] = Field(default_factory=dict)
    """The file or variable of each key that somebody wrote, by its dotted name."""

    @property
    def database_file(self) -> Path:
        """The file of the SQLite database."""
        written = self.queue.database
        return Path(written.removeprefix("sqlite:///")) if written else self.state_folder / "relay.db"

    @property
    def lock_file(self) -> Path:
        """What the serving process holds: beside the database, so that two relays on one see each other."""
        return self.database_file.with_name(f"{self.database_file.name}.lock")

    @property
    def store_key_file(self) -> Path:
        """The key that the relay makes for itself when `[store]` has none."""
        return self.state_folder / "store.key"

    def reaches(self, listener: str) -> list[str]:
        """The names of the clients that may use a listener."""
        return [name for name, client in self.clients.items() if listener in client.listeners]


INCLUDE = forms.listing(forms.text().parse, empty=True, example='["conf.d/*.toml"]')
"""The form of `include`, which is used up while the files are read."""
