"""`mailbox = "sender"`, an account that acts as whoever sends, and the clients whose users log in at its provider."""

from collections.abc import Mapping
from enum import Enum

from relay.config.addresses import SENDER
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.settings import Account, Client, Settings

_GRANTS = ("client_credentials", "managed_identity", "jwt_bearer", "password")
"""Those whose tokens can be for more than one mailbox."""
_ONE_USER = ("username", "password")


class ActsAs(Enum):
    """Whom an account without a mailbox of its own acts as."""

    SENDER = "sender"
    """The sender of the message's envelope."""
    LOGIN = "login"
    """The user who logged in with the password of his mailbox."""

    def mailbox(self, sender: str, login: str) -> str:
        """The mailbox that a message goes through; "" when there is nobody to act as."""
        name = (sender if self is ActsAs.SENDER else login).lower()
        return name if "@" in name else ""


def acts_as(account: Account) -> ActsAs | None:
    """Whom `account` acts as; None when it has a mailbox of its own."""
    if not account.acts_as_sender:
        return None
    return ActsAs.LOGIN if account.has_sign_ins else ActsAs.SENDER


def acting(settings: Settings) -> dict[str, ActsAs]:
    """The accounts that act as whoever sends."""
    return {name: kind for name, account in settings.accounts.items() if (kind := acts_as(account)) is not None}


def is_of_sender(account: Tree) -> bool:
    """Whether an account, as it was written, acts as whoever sends."""
    return account.get("mailbox") == SENDER


def check_account(account: Tree, grant: str, path: KeyPath, findings: Findings) -> None:
    """What an account that acts as whoever sends cannot have. `grant` is the one that counts, "" without tokens."""
    if not is_of_sender(account):
        return
    if not grant:
        findings.problem(
            (*path, "mailbox"), f'"{SENDER}" needs [{".".join(path)}.oauth]: a password is that of one user'
        )
    elif grant not in _GRANTS:
        findings.problem(
            (*path, "mailbox"),
            f'"{SENDER}" has no meaning with grant = "{grant}", the sign-in of one user: write that mailbox',
        )
    for key in _ONE_USER:
        if key in account and grant:
            findings.problem((*path, key), f'has no meaning with mailbox = "{SENDER}": remove it')
    oauth = account.get("oauth")
    if isinstance(oauth, dict) and "subject" in oauth:
        findings.problem((*path, "oauth", "subject"), f'has no meaning with mailbox = "{SENDER}": remove it')


def check_client(table: Tree, path: KeyPath, findings: Findings) -> None:
    """A client whose users log in at the provider has no login of its own."""
    for key in ("login", "password", "password_hash", "htpasswd_file", "issuer", "certificate_subject"):
        if key in table:
            findings.problem(
                (*path, key), 'has no meaning with authenticate = "upstream", where each user has his own: remove it'
            )


def check_pair(client: Client, account: Account | None, path: KeyPath, findings: Findings) -> None:
    """A client's users log in at the provider exactly where its account stands for them."""
    if account is None:
        return
    name = client.account
    if client.authenticate is not None and not account.has_sign_ins:
        findings.problem(
            (*path, "authenticate"),
            f'"upstream" needs an account whose users show their passwords: write mailbox = "{SENDER}" in '
            f'[accounts.{name}] and grant = "password" in [accounts.{name}.oauth]',
        )
    if client.authenticate is None and account.has_sign_ins:
        findings.problem(
            (*path, "account"),
            f'"{name}" sends as the users who log in (mailbox = "{SENDER}" with grant = "password"), and this client '
            'has none: write authenticate = "upstream", or another account',
        )


def check_ambiguous(found: Mapping[str, Client], findings: Findings) -> None:
    """Of two clients whose users log in at a provider, each user must belong to one."""
    people = [(name, client) for name, client in found.items() if client.authenticate is not None]
    for index, (name, client) in enumerate(people):
        for other, earlier in people[:index]:
            apart = client.networks and earlier.networks and not set(client.networks) & set(earlier.networks)
            if set(client.listeners) & set(earlier.listeners) and not apart:
                findings.problem(
                    ("clients", name, "authenticate"),
                    f'"upstream" is also said by [clients.{other}] on the same listener, and nobody could tell their '
                    "users apart: give each networks or listeners of its own",
                )


def check_listener(name: str, users: Mapping[str, Client], findings: Findings) -> None:
    """Passwords of mailboxes, and tokens, never cross a network readable."""
    for key, client in users.items():
        if client.authenticate is not None:
            findings.problem(
                ("listeners", name, "require_tls"),
                f"is false, and the users of client {key} would send their mailbox passwords readable: remove it",
            )
        if client.issuer is not None:
            findings.problem(
                ("listeners", name, "require_tls"),
                f"is false, and client {key} would send its access tokens readable: remove it",
            )
