"""How a client is recognised: exactly one kind of login or certificate, a network, or both - and what that needs."""

from collections.abc import Mapping

from relay.config import bearers, htpasswd, mailbox_users
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.settings import Client, Listener

_PROOFS = ("password", "password_hash", "htpasswd_file", "issuer", "certificate_subject")
_LOGINS = _PROOFS[:4]


def check(table: Tree, path: KeyPath, findings: Findings) -> None:
    """Who it is: a login, a certificate, a network, or a network with one of the others."""
    if "authenticate" in table:
        mailbox_users.check_client(table, path, findings)
        return
    bearers.check(table, path, findings)
    given = [key for key in _PROOFS if key in table]
    said = any(findings.has_problem((*path, f"{key}{end}")) for key in _PROOFS for end in ("", "_file"))
    if len(given) > 1:
        findings.problem((*path, given[0]), f"and {given[1]} are both given: keep one")
    if "login" in table and not said and not any(key in _LOGINS for key in given):
        findings.problem((*path, "login"), "has no password with it: add password_hash or password, or remove login")
    elif not given and not said and "networks" not in table:
        findings.problem(
            path,
            "does not say how it is recognised: add password_hash or password for a login, or networks for the "
            'addresses it comes from, like networks = ["192.0.2.0/24"]',
        )


def is_unclear(path: KeyPath, findings: Findings) -> bool:
    """Whether something is wrong with how it is recognised: then it can be held against no other client."""
    keys = (*_PROOFS, "login", "networks", "listeners", "authenticate", "audience", "user_claim")
    return any(findings.has_problem((*path, f"{key}{end}")) for key in keys for end in ("", "_file"))


def check_client(client: Client, opened: Mapping[str, Listener], path: KeyPath, findings: Findings) -> None:
    """What only the finished client shows: its file of users, and a listener that asks for certificates."""
    if client.htpasswd_file is not None:
        htpasswd.check(client.htpasswd_file, client.login, path, findings)
    if client.certificate_subject is None:
        return
    listeners = [opened[name] for name in client.listeners if name in opened]
    if listeners and not any(listener.client_ca for listener in listeners):
        findings.problem(
            (*path, "certificate_subject"),
            "needs a listener that asks for certificates: add client_ca, the authority that signs them, to "
            f"[listeners.{client.listeners[0]}]",
        )


def check_ambiguous(found: Mapping[str, Client], findings: Findings) -> None:
    """Two clients with the same name in their certificate, or for the users of the same file."""
    for key in ("certificate_subject", "htpasswd_file"):
        seen: dict[object, tuple[str, Client]] = {}
        for name, client in found.items():
            value = getattr(client, key)
            if value is None or (key == "htpasswd_file" and client.login is not None):
                continue
            other, earlier = seen.setdefault(value, (name, client))
            if earlier is not client and set(client.listeners) & set(earlier.listeners):
                findings.problem(
                    ("clients", name, key), f"{value} is also that of [clients.{other}]: each needs one of its own"
                )
