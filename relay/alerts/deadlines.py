"""When what mail depends on runs out: client secrets, certificates, sign-ins."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from relay import log, providers
from relay.config import Account, OAuth, SecretError, Settings
from relay.config.private_key import KeyFiles, KeyReader
from relay.config.secret import read_octets
from relay.oauth.store import OK, Consent

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something that runs out at `until` (seconds since the epoch). `subject` names it, `action` says what to do."""

    kind: str
    """"client_secret", "refresh_token", "certificate", or that of a "client_", a "listener_" or the "page_"."""
    name: str
    """The account's, the listener's, or "page"."""
    until: float
    subject: str
    action: str

    @property
    def key(self) -> str:
        """What it is about, whatever its date."""
        return f"{self.kind}:{self.name}"


class Deadlines:
    """Reads the deadlines of one configuration, and reads the files again each time it is asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Kept, because taking a PKCS#12 file apart is slow: they do it once for each content.
        self._keys = {
            name: KeyReader(KeyFiles(oauth.private_key_file, oauth.key_password, oauth.certificate_file))
            for name, oauth in _with_key(settings)
            if oauth.private_key_file is not None
        }

    def all(self) -> list[Deadline]:
        """Those of every account and listener; sign-ins are in the database, and not among them."""
        accounts = (one for name in self._settings.accounts for one in self.of_account(name))
        return [*accounts, *self.of_doors()]

    def of_account(self, name: str) -> Iterator[Deadline]:
        """Those that an account's settings and files tell of."""
        account = self._settings.accounts[name]
        if account.oauth is not None and account.oauth.client_secret_expires is not None:
            yield Deadline(
                "client_secret",
                name,
                account.oauth.client_secret_expires,
                f"the client secret of the account {name}",
                f"{_new_secret(account)}, and write the new date into accounts.{name}.oauth.client_secret_expires",
            )
        if name in self._keys:
            yield from self._of_key(name)
        if account.certificate is not None:
            key, do = f"accounts.{name}.certificate", "Renew it and put the new one into"
            yield from _of_file("client_certificate", name, account.certificate, key, f"{do} {account.certificate}")

    def _of_key(self, name: str) -> Iterator[Deadline]:
        subject = f"the certificate of the account {name}"
        try:
            until = self._keys[name].read().not_after
        except SecretError as error:
            log.alerts.unreadable(subject, str(error))
            return
        if until is not None:
            action = (
                "Make a new certificate, upload it under App registrations > Certificates & secrets > Certificates, "
                "and exchange the files that the account names"
            )
            yield Deadline("certificate", name, until.timestamp(), subject, action)

    def of_doors(self) -> Iterator[Deadline]:
        """Those of the certificates that listeners and the page show."""
        shown = [
            ("listener_certificate", name, listener.certificate, f"listeners.{name}.certificate")
            for name, listener in self._settings.listeners.items()
            if listener.tls != "off"
        ]
        shown.append(("page_certificate", "page", self._settings.web.certificate, "web.certificate"))
        for kind, name, file, key in shown:
            if file is not None:
                yield from _of_file(kind, name, file, key, f"Renew it and put the new one into {file}")


def signed_in_until(name: str, account: Account, consent: Consent) -> Deadline | None:
    """When a stored sign-in ends if nobody uses it; None where that is not known, or it has ended.

    Entra ends a refresh token 90 days after it was last used; how long Google's last depends on the application.
    """
    if consent.state != OK or account.oauth is None or not account.oauth.entra:
        return None
    until = consent.used_at + providers.REFRESH_TOKEN_DAYS * _DAY
    action = (
        f"It ends because nothing was sent: send something by the account, or sign in again: relay authorize {name}"
    )
    return Deadline("refresh_token", name, until, f"the sign-in of the account {name}", action)


def _with_key(settings: Settings) -> Iterator[tuple[str, OAuth]]:
    """The accounts that prove themselves with a key of their own."""
    for name, account in settings.accounts.items():
        oauth = account.oauth
        if oauth is not None and oauth.token_endpoint_auth_method == "private_key_jwt":  # noqa: S105 (a name)
            yield name, oauth


def _new_secret(account: Account) -> str:
    if account.provider == "microsoft":
        return "Create a new one under App registrations > Certificates & secrets, put its *Value* into client_secret"
    return "Create a new one at the provider, put it into client_secret"


def _of_file(kind: str, name: str, file: Path, key: str, action: str) -> Iterator[Deadline]:
    subject = f"the certificate in {key}"
    try:
        yield Deadline(kind, name, _end(file).timestamp(), subject, action)
    except (SecretError, ValueError) as error:
        log.alerts.unreadable(subject, str(error))


def _end(file: Path) -> datetime:
    """When the first certificate in a PEM file ends; its chain follows it. Raises SecretError and ValueError."""
    return x509.load_pem_x509_certificates(read_octets(file))[0].not_valid_after_utc
