"""Clients: how each is recognised, what it uses, and that no two of them can be mistaken for each other."""

import itertools
from dataclasses import dataclass
from typing import Any

from relay.config import bearers, mailbox_users, network, oauth, recognition
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath, suggestion
from relay.config.settings import Account, Client, Listener
from relay.config.tables import make, possible

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Known:
    """What clients refer to: `accounts` and `listeners` as written, `made` and `opened` what of it is sound."""

    accounts: Tree
    made: dict[str, Account]
    listeners: list[str]
    opened: dict[str, Listener]


def clients(raw: Tree, known: Known, findings: Findings) -> dict[str, Client]:
    """The clients that can be made of the `clients` table, or the built-in one when there is none."""
    if not raw:
        return _built_in(known, findings)
    found: dict[str, Client] = {}
    for name, table in raw.items():
        path = ("clients", name)
        recognition.check(table, path, findings)
        _check_listeners(table, known.listeners, path, findings)
        filled = {"listeners": known.listeners, **table, "account": _account(table, known.accounts, path, findings)}
        _check_accounts(table, known.accounts, path, findings)
        if "password" in table or "password_hash" in table:
            filled.setdefault("login", name)
        if client := _made(filled, known, path, findings):
            if not recognition.is_unclear(path, findings):
                found[name] = client
            recognition.check_client(client, known.opened, path, findings)
            if findings.has_problem((*path, "account")):
                continue  # another stands in for it
            _check_sender(client, known.made, path, findings)
            oauth.warn_of_senders(client, known.made, path, findings)
            mailbox_users.check_pair(client, known.made.get(client.account), path, findings)
    _check_ambiguous(found, findings)
    mailbox_users.check_ambiguous(found, findings)
    recognition.check_ambiguous(found, findings)
    bearers.check_ambiguous(found, findings)
    return found


def _built_in(known: Known, findings: Findings) -> dict[str, Client]:
    """`local`: this machine, any login, the only account. With a sink, everyone who reaches a listener.

    A sink's listener may be bound anywhere (in a container it must be), and nothing can leave through it.
    """
    if len(known.accounts) > 1:
        findings.problem(
            ("clients",),
            f"is missing: there are several accounts ({', '.join(sorted(known.accounts))}), so write [clients.NAME] "
            "with account = one of them for each app",
        )
        return {}
    name = next(iter(known.accounts))
    account = known.made.get(name)
    if account is None:
        return {}
    beyond = any(not bind.loopback for listener in known.opened.values() for bind in listener.bind)
    networks = network.EVERYWHERE if beyond and not account.is_real else network.LOOPBACK
    raw = {"account": name, "listeners": known.listeners, "networks": [str(one) for one in networks]}
    client = _made(raw, known, ("clients", LOCAL), findings)
    return {LOCAL: client.model_copy(update={"any_login": True})} if client else {}


def _made(filled: Tree, known: Known, path: KeyPath, findings: Findings) -> Client | None:
    """The client with the defaults that come from its account; what of it can be used where there are problems."""
    name = filled["account"]
    account = known.made.get(name) if isinstance(name, str) else None
    if account is None:
        # Its account has problems of its own; these let the rest of the client be checked.
        stand_in = {"senders": ["*"], **filled, "account": name or next(iter(known.accounts))}
        return _as_far_as_possible(stand_in, known, path, findings)
    served = [known.made[one] for one in filled.get("accounts", [name]) if one in known.made]
    mailboxes = list(dict.fromkeys(one.own_mailbox for one in served if one.is_real and one.own_mailbox))
    real = any(one.is_real for one in served)
    if "senders" not in filled and real and not mailboxes and "authenticate" not in filled:
        instead = "" if account.acts_as_sender else f", or mailbox in [accounts.{name}]"
        findings.problem(
            (*path, "senders"),
            f"is missing, and the account {name} has no mailbox to take for it: add the addresses that may send, "
            f'like senders = ["noreply@example.com"]{instead}',
        )
    defaults: Tree = {"senders": mailboxes if real and mailboxes else ["*"]}
    if "authenticate" in filled and "senders" not in filled:
        made = _as_far_as_possible({**defaults, **filled}, known, path, findings)
        # Nobody until somebody has logged in: then it is that user's own mailbox.
        return made.model_copy(update={"senders": ()}) if made else None
    if not real:
        defaults["reply"] = "delivered"
    return _as_far_as_possible({**defaults, **filled}, known, path, findings)


def _as_far_as_possible(filled: Tree, known: Known, path: KeyPath, findings: Findings) -> Client | None:
    needed: Tree = {"listeners": known.listeners, "account": next(iter(known.accounts)), "senders": ["*"]}
    return make(Client, filled, path, findings) or possible(Client, filled, needed)


def _account(table: Tree, accounts: Tree, path: KeyPath, findings: Findings) -> Any:
    """The account's name; None after a problem."""
    written = table.get("account")
    several = table.get("accounts")
    if isinstance(several, list) and several and isinstance(several[0], str):
        return several[0] if several[0] in accounts else None
    if written is None:
        if len(accounts) == 1:
            return next(iter(accounts))
        names = ", ".join(sorted(accounts))
        findings.problem((*path, "account"), f"is missing: there are several accounts, write one of {names}")
        return None
    if isinstance(written, str) and written and written not in accounts:
        findings.problem((*path, "account"), f'there is no account "{written}": {suggestion(written, accounts)}')
        return None
    return written


def _check_accounts(table: Tree, accounts: Tree, path: KeyPath, findings: Findings) -> None:
    written = table.get("accounts")
    if written is not None and "account" in table:
        findings.problem((*path, "accounts"), "and account are both given: keep one")
    if written is not None and "authenticate" in table:
        findings.problem(
            (*path, "accounts"), "has no meaning with authenticate: write account, the one that checks logins"
        )
    for name in written if isinstance(written, list) else ():
        if isinstance(name, str) and name not in accounts:
            findings.problem((*path, "accounts"), f'there is no account "{name}": {suggestion(name, accounts)}')


def _check_listeners(table: Tree, names: list[str], path: KeyPath, findings: Findings) -> None:
    written = table.get("listeners")
    for name in written if isinstance(written, list) else ():
        if isinstance(name, str) and name not in names:
            findings.problem((*path, "listeners"), f'there is no listener "{name}": {suggestion(name, names)}')


def _check_sender(client: Client, made: dict[str, Account], path: KeyPath, findings: Findings) -> None:
    if client.authenticate is not None:
        return  # The user's own is there when it is needed.
    for name in client.uses:
        account = made.get(name)
        if client.sender != "keep" and account is not None and account.own_address is None:
            findings.problem(
                (*path, "sender"),
                f'"{client.sender}" needs an address to write: add from_address or mailbox to [accounts.{name}]',
            )


def _check_ambiguous(found: dict[str, Client], findings: Findings) -> None:
    """Two clients that nobody could tell apart."""
    for (one, first), (other, second) in itertools.combinations(found.items(), 2):
        if first.login is not None and first.login == second.login:
            findings.problem(
                ("clients", other, "login"), f'"{first.login}" is also the login of [clients.{one}]: rename one'
            )
        if first.is_proven or second.is_proven or not set(first.listeners) & set(second.listeners):
            continue
        for same in sorted(map(str, set(first.networks) & set(second.networks))):
            findings.problem(
                ("clients", other, "networks"),
                f"{same} is also a network of [clients.{one}] on the same listener, and neither has a login: keep it "
                "in one, or write a narrower one",
            )
