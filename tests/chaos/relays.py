"""The relay of the chaos test: its configuration, and its lives as a process."""

import time
from pathlib import Path

from tests.chaos import mail, senders
from tests.chaos.agenda import TIMEOUT
from tests.chaos.evidence import Evidence, Life
from tests.chaos.senders import Desk, Kind
from tests.chaos.stand_in import KEY_ID, MAILBOXES, SERVICE_ACCOUNT, StandIn
from tests.support import certificates
from tests.support.keys import rsa_key, service_account
from tests.support.process import RelayProcess

POSTMASTER = "postmaster@chaos.example"
ONE, TWO, THREE, FOUR, FIVE = MAILBOXES
KINDS = (
    Kind("app", ONE, login="app", meets_unknown=True),
    Kind("waiting", ONE, "secure", tls=True, login="waiting", meets_unknown=True),
    Kind("newsletter", ONE, login="newsletter"),
    Kind("erp", TWO, "secure", tls=True, login="erp"),
    Kind("printer", THREE),
    Kind("scanner", FOUR, login="scanner"),
    Kind("shop", FIVE, "secure", tls=True, login="shop"),
)
"""Of each kind there are two; a client's name here is its name in the configuration."""
_SETTINGS = """
hostname = "relay.chaos.example"
state_folder = "{folder}/state"
[log]
format = "json"
[listeners.plain]
bind = ["127.0.0.1:0"]
[listeners.secure]
bind = ["127.0.0.1:0"]
tls = "starttls"
certificate = "{certificate}"
key = "{key}"
[http]
ca_file = "{ca_file}"
timeout = "{timeout}s"
[queue]
retry = ["1s", "1s", "2s"]
bounce_to = "{postmaster}"
bounce_account = "two"
"""
_CLIENTS = f"""
[clients.app]
password = "{senders.PASSWORD}"
account = "one"
senders = ["*"]
priority = "high"
[clients.waiting]
password = "{senders.PASSWORD}"
account = "one"
senders = ["*"]
reply = "delivered"
reply_timeout = "2s"
[clients.newsletter]
password = "{senders.PASSWORD}"
account = "one"
senders = ["*"]
priority = "low"
[clients.erp]
password = "{senders.PASSWORD}"
account = "two"
senders = ["*"]
[clients.printer]
networks = ["127.0.0.0/8"]
accounts = ["internal", "four"]
senders = ["*"]
[clients.scanner]
password = "{senders.PASSWORD}"
account = "four"
senders = ["*"]
[clients.shop]
password = "{senders.PASSWORD}"
account = "five"
senders = ["*"]
"""


class Relays:
    """The relay in `folder`: `start`, `kill`, and in the end `stop` it. `desk` tells the clients where it listens."""

    def __init__(self, folder: Path, stand_in: StandIn, desk: Desk, evidence: Evidence) -> None:
        self.folder = folder
        self.desk = desk
        self._evidence = evidence
        self._process: RelayProcess | None = None
        self._configure(stand_in)

    def start(self) -> None:
        """A new life; returns once it takes mail."""
        process = self._begin()
        process.wait_for("started")
        self.desk.ports = {
            name: int(process.wait_for("listening", listener=name)["places"][0].rpartition(":")[2])
            for name in ("plain", "secure")
        }

    def start_and_kill(self, seconds: float) -> None:
        """A life that ends after so many seconds, however far it has come."""
        self._begin()
        time.sleep(seconds)
        self.kill()

    def _begin(self) -> RelayProcess:
        life = Life(len(self._evidence.lives) + 1, time.time())
        self._evidence.lives.append(life)
        arguments = ("serve", "--only", "listener,delivery", "--config", "relay.toml")
        self._process = RelayProcess(self.folder, *arguments)
        life.events = self._process.events
        return self._process

    def kill(self) -> None:
        """kill -9."""
        self._leave()
        assert self._process is not None
        # The moment is not one moment: a message that is on its way may still be taken.
        self._evidence.lives[-1].killed_at = time.time()
        self._process.kill()
        self._ended()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._leave()
        assert self._process is not None
        code = self._process.stop()
        self._ended()
        return code

    def give_up(self) -> None:
        """End what is left of it, when the run has failed."""
        if self._process is not None:
            self.kill()

    def _leave(self) -> None:
        self.desk.ports = {}

    def _ended(self) -> None:
        assert self._process is not None
        self._evidence.lives[-1].strange = [line for line in self._process.text if not line.startswith("{")]
        self._process = None

    def _configure(self, stand_in: StandIn) -> None:
        files = certificates.server_files(self.folder)
        key = self.folder / "google.json"
        key.write_text(service_account(rsa_key(), client_email=SERVICE_ACCOUNT, private_key_id=KEY_ID))
        key.chmod(0o600)
        text = _SETTINGS.format(
            folder=self.folder,
            certificate=files.certificate,
            key=files.key,
            ca_file=stand_in.sandbox.ca_file,
            timeout=round(TIMEOUT),
            postmaster=POSTMASTER,
        )
        text += _CLIENTS + _accounts(stand_in, key)
        path = self.folder / "relay.toml"
        path.write_text(text)
        path.chmod(0o600)


def _accounts(stand_in: StandIn, key: Path) -> str:
    """Two mailboxes by SMTP, one that is for internal recipients only, one by Graph, one by the Gmail API."""
    at = stand_in.sandbox
    internal = f'recipients = ["@{mail.INTERNAL}"]'
    smtp = f'host = "{at.smtp[0]}"\nport = {at.smtp[1]}\nca_file = "{at.ca_file}"'
    graph = f'via = ["graph"]\nmail_endpoint = "{at.graph_endpoint}"'
    pace = f'rate = []\ntimeout = "{TIMEOUT:.0f}s"'
    oauth = f"""
client_id = "{at.settings.client_id}"
client_secret = "{at.settings.client_secret}"
token_endpoint = "{at.token_endpoint}"
"""
    found = ""
    for name, mailbox, way in (
        ("one", ONE, smtp),
        ("two", TWO, smtp),
        ("internal", THREE, f"{smtp}\n{internal}"),
        ("four", FOUR, f'{graph}\nrecipients = ["*"]'),
    ):
        found += f"""
[accounts.{name}]
provider = "microsoft"
tenant = "{at.settings.tenant}"
mailbox = "{mailbox}"
{way}
{pace}
[accounts.{name}.oauth]{oauth}"""
    return f"""{found}
[accounts.five]
provider = "google"
via = ["gmail-api"]
mailbox = "{FIVE}"
mail_endpoint = "{at.gmail_endpoint}"
{pace}
[accounts.five.oauth]
private_key_file = "{key}"
token_endpoint = "{at.google_token_endpoint}"
"""
