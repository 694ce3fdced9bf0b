"""The way from files and environment to settings: everything is checked, then all problems are told at once."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relay.config import accounts, clients, environment, files, listeners, network, places, secrets, tls
from relay.config.files import Files, Tree
from relay.config.findings import BUILT_IN, ConfigError, Findings, Place, suggestion
from relay.config.forms import split_list
from relay.config.schema import shape, written_keys
from relay.config.secret import Secret
from relay.config.settings import Account, Alerts, Http, Log, Queue, Settings, Sink, Store, Table, Web
from relay.config.tables import joined, make, possible, resolved


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read and check the configuration: `path`, or the file that is found without one, then the RELAY_* variables.

    Without any file the built-in defaults are a test-mail sink. Raises ConfigError with every problem that was found.
    """
    findings = Findings()
    source, named_by = files.find(path, environ)
    findings.main = Place(str(source), Path.cwd(), source) if source else BUILT_IN
    written, read_from = _read(source, named_by, environ, findings)
    tree = resolved(written, findings)
    _take_credential(tree, environ)
    settings = _settings(tree, source, environ, findings)
    if findings.problems or settings is None:
        raise ConfigError(findings.problems)
    origins = {".".join(path): findings.place(path).name for path in written_keys(written)}
    return settings.model_copy(update={"origins": origins, "read_from": read_from})


def _read(
    source: Path | None, named_by: str, environ: Mapping[str, str], findings: Findings
) -> tuple[Tree, tuple[Path, ...]]:
    """Both sources as one tree, in which only keys that exist are left, and the files that they are in."""
    here = Place("RELAY_INCLUDE", Path.cwd())
    chosen = environ.get("RELAY_INCLUDE")
    read = Files(findings)
    if source is not None:
        read.read(source, named_by=named_by, nested=chosen is None)
    if chosen is not None:
        read.include(split_list(chosen), here)
    variables = environment.read(environ, read.tree, findings, here)
    variables.pop("include", None)
    return joined(variables, files.remove_unknown(read.tree, findings)), tuple(read.read_from)


def _take_credential(tree: Tree, environ: Mapping[str, str]) -> None:
    """A key for stored tokens that systemd hands over (LoadCredential=store_key:...), where no other is named."""
    store = tree.setdefault("store", {})
    file = Path(environ.get("CREDENTIALS_DIRECTORY", "")) / "store_key"
    if "key" not in store and environ.get("CREDENTIALS_DIRECTORY") and file.is_file():
        store["key"] = Secret(file=file)


def _settings(tree: Tree, source: Path | None, environ: Mapping[str, str], findings: Findings) -> Settings | None:
    """The settings of a tree; None, or incomplete ones, when there are problems."""
    written = tree["accounts"] or accounts.BUILT_IN
    doors = tree["listeners"] or listeners.BUILT_IN
    made = accounts.accounts(written, findings)
    opened = listeners.listeners(doors, findings)
    known = clients.Known(accounts=written, made=made, listeners=list(doors), opened=opened)
    people = clients.clients(tree["clients"], known, findings)
    opened = listeners.complete(doors, opened, people, made, findings)
    parts = _parts(tree, findings)
    web, http = parts["web"], parts["http"]
    listeners.check_addresses(opened, web, findings)
    tls.check_page(web, findings)
    if http.ca_file:
        tls.check_authority(http.ca_file, ("http", "ca_file"), findings)
    _check_reports(parts["queue"], written, findings)
    used = {name for client in people.values() for name in client.uses} | _reporting(parts["queue"])
    used |= {account.fallback for account in made.values() if account.fallback}
    _warn(written, used, web, made, findings)
    secrets.check(tree, findings)
    top = _top(tree, environ, findings)
    opened = tls.with_self_signed(opened, top["state_folder"])
    _check_log_file(parts["log"], findings)
    _check_conversations(parts["log"], [*(tree["clients"] or people)], written, made, findings)
    if findings.problems:
        return None
    return Settings(
        listeners=opened,
        clients=people,
        accounts=made,
        source=source,
        warnings=tuple(findings.warnings),
        **top,
        **parts,
    )


def _check_log_file(log: Log, findings: Findings) -> None:
    """Whether it can be there at all; whether it may be written is for the user that the relay runs as."""
    if log.file is None:
        return
    if log.file.is_dir():
        findings.problem(("log", "file"), f"{log.file}: is a folder: name a file in it")
    elif not log.file.parent.is_dir():
        findings.problem(("log", "file"), f"{log.file}: the folder {log.file.parent} does not exist: make it")


def _check_conversations(
    log: Log, people: list[str], written: Tree, made: Mapping[str, Account], findings: Findings
) -> None:
    names = [*people, *written]
    for name in log.conversations:
        if name not in names:
            text = f'there is no client and no account "{name}": {suggestion(name, names)}'
            findings.problem(("log", "conversations"), text)
        elif name not in people and name in made and not made[name].is_real:
            findings.warn(("log", "conversations"), f'the account "{name}" sends nothing, so nothing is said there')


def _parts(tree: Tree, findings: Findings) -> dict[str, Any]:
    """The tables that there is one of."""
    models: dict[str, type[Table]] = {
        "queue": Queue,
        "sink": Sink,
        "web": Web,
        "http": Http,
        "log": Log,
        "store": Store,
        "alerts": Alerts,
    }
    written = {name: tree.get(name, {}) for name in models}
    return {
        name: make(model, written[name], (name,), findings) or possible(model, written[name])
        for name, model in models.items()
    }


def _top(tree: Tree, environ: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """The keys above all tables. The machine's own name is asked of the machine, never of a name server."""
    found: dict[str, Any] = {
        "hostname": network.usable_hostname(socket.gethostname()),
        "state_folder": places.state_folder(environ),
    }
    for key in found.keys() & tree.keys():
        try:
            found[key] = shape().keys[key].parse(tree[key])
        except ValueError as error:
            findings.problem((key,), str(error))
    return found


def _check_reports(queue: Queue, written: Tree, findings: Findings) -> None:
    """The account that reports leave through has to be there."""
    for name in _reporting(queue) - written.keys():
        findings.problem(("queue", "bounce_account"), f'there is no account "{name}": {suggestion(name, written)}')


def _reporting(queue: Queue) -> set[str]:
    return {queue.bounce_account} if queue.bounce_account else set()


def _warn(written: Tree, used: set[str], web: Web, made: Mapping[str, Any], findings: Findings) -> None:
    for name in written:
        if name not in used and not findings.problems:
            findings.warn(("accounts", name), "no client uses it: name it as account in a [clients.NAME], or remove it")
    real = any(account.is_real for account in made.values())
    if real and not listeners.is_loopback(web.bind):
        text = "everyone who can reach it may try to log in there: bind to 127.0.0.1 to keep it here"
        if web.certificate is None:
            text += ", or add certificate and key: without https what is shown and typed crosses the network readable"
        findings.warn(("web", "bind"), text)
