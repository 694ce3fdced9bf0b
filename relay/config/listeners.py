"""Listeners: defaults that depend on who may use them, and the promise that none of them is an open relay."""

import itertools
from collections.abc import Iterable

from relay.config import mailbox_users, network, tls
from relay.config.files import Tree
from relay.config.findings import Findings
from relay.config.network import Bind
from relay.config.settings import Account, Client, Listener, Web
from relay.config.tables import make, possible

BUILT_IN: Tree = {"default": {"bind": ["localhost:2525"]}}


def listeners(raw: Tree, findings: Findings) -> dict[str, Listener]:
    """The listeners that can be made of the `listeners` table; `require_tls` is completed later."""
    found: dict[str, Listener] = {}
    for name, table in raw.items():
        path = ("listeners", name)
        if "bind" not in table:
            findings.problem((*path, "bind"), 'is missing: add where it listens, like bind = ["127.0.0.1:2525"]')
        made = make(Listener, table, path, findings)
        if made is not None:
            found[name] = made
        known = made or possible(Listener, table, BUILT_IN["default"])
        if known is None:
            continue
        if findings.has_problem((*path, "tls")):
            tls.check_files(known, path, findings)
        else:
            tls.check_listener(known, path, findings)
    return found


def complete(
    raw: Tree,
    made: dict[str, Listener],
    clients: dict[str, Client],
    accounts: dict[str, Account],
    findings: Findings,
) -> dict[str, Listener]:
    """`made` with `require_tls` decided, after the checks that need the clients and accounts as well."""
    found: dict[str, Listener] = {}
    for name, listener in made.items():
        users = {key: client for key, client in clients.items() if name in client.listeners}
        real = {
            key
            for key, client in users.items()
            if any(one in accounts and accounts[one].is_real for one in client.uses)
        }
        # Whoever is behind a load balancer on this machine is not on this machine.
        off_loopback = not is_loopback(listener.bind) or bool(listener.proxy_protocol)
        if off_loopback:
            _check_open(name, users, real, findings)
            if raw[name].get("require_tls") is False:
                mailbox_users.check_listener(name, users, findings)
        logins = any(users[key].has_login or users[key].any_login for key in real)
        chosen = raw[name].get("require_tls")
        required = off_loopback and logins if chosen is None else listener.require_tls
        if required and listener.tls == "off":
            _require_certificate(name, chosen is None, findings)
        if not users and clients:
            findings.warn(("listeners", name), "no client may use it, so it refuses everybody")
        found[name] = listener.model_copy(update={"require_tls": required})
    return found


def is_loopback(binds: Iterable[Bind]) -> bool:
    """Whether only this machine can reach all of them."""
    return all(bind.loopback for bind in binds)


def _check_open(name: str, users: dict[str, Client], real: set[str], findings: Findings) -> None:
    """Promise 2: strangers never reach a real account."""
    for key in sorted(real):
        client = users[key]
        start = (
            f'listener {name} can be reached from other machines and its client {key} sends through "{client.account}"'
        )
        if client.any_login:
            findings.problem(
                ("listeners", name, "bind"),
                f"{start}, whoever logs in: write [clients.NAME] with a password or networks, or bind to 127.0.0.1",
            )
        elif not client.is_proven and network.is_open(client.networks):
            findings.problem(
                ("clients", key, "networks"),
                f"{start} without a login, for the whole internet (an open relay): give it a password, or write only "
                'your own networks, like ["192.168.0.0/16"]',
            )


def _require_certificate(name: str, by_default: bool, findings: Findings) -> None:
    if by_default:
        findings.problem(
            ("listeners", name, "tls"),
            "logins would cross the network readable: add certificate and key and write "
            'tls = "starttls", or say require_tls = false if everyone on that network may read them',
        )
    else:
        findings.problem(
            ("listeners", name, "require_tls"),
            'is true, but tls = "off": add certificate and key and write tls = "starttls" or "implicit"',
        )


def check_addresses(made: dict[str, Listener], web: Web | None, findings: Findings) -> None:
    """No address is bound twice."""
    binds = [(f"listeners.{name}", bind) for name, listener in made.items() for bind in listener.bind]
    binds += [("web", bind) for bind in web.bind] if web else []
    for (one, bind), (other, same) in itertools.combinations(binds, 2):
        if bind.port and (bind.host, bind.port) == (same.host, same.port):
            findings.problem((*other.split("."), "bind"), f"{same} is also bound by {one}: give one another port")
