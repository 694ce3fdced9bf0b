"""The relay beside a stand-in Microsoft, and the stand-in alone: the first try, without a tenant."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from pathlib import Path

from relay import config, log
from relay.config import Settings
from relay.sandbox import Sandbox, SandboxSettings, service_account
from relay.service.errors import StartError
from relay.service.http_server import serve_http
from relay.service.process import serve
from relay.service.reload import Load
from relay.service.state_folder import make_state_folder


async def serve_sandbox(base: Settings, load: Load | None = None) -> None:
    """Serve with one account only, at a stand-in Microsoft beside the relay. Raises StartError beside real accounts.

    `load` reads the configuration again.
    """
    _check_harmless(base)
    folder = make_state_folder(base.state_folder / "sandbox")
    try:
        async with Sandbox(SandboxSettings(folder=folder, send_as=("*",)), serve_http) as sandbox:
            about = _about(sandbox)
            log.service.sandbox_about(about)

            def again() -> Settings:
                assert load is not None  # noqa: S101 (asked below)
                changed = load()
                _check_harmless(changed)
                return sandboxed(changed, sandbox, folder)

            await serve(
                sandboxed(base, sandbox, folder),
                sandbox=about,
                received=lambda: [message.as_json() for message in sandbox.received],
                load=again if load is not None else None,
            )
    except OSError as error:
        raise StartError(f"the sandbox cannot start: {error.strerror or error}") from error


def _check_harmless(base: Settings) -> None:
    real = [name for name, account in base.accounts.items() if account.is_real]
    if real:
        raise StartError(
            f"--sandbox beside the real account {real[0]!r}: mail meant for it would end in the sandbox. "
            "Give --config a file without real accounts, or leave --sandbox out"
        )


def sandboxed(base: Settings, sandbox: Sandbox, folder: Path) -> Settings:
    """The settings of `base` with the sandbox as the only account; its file is left in `folder` to be looked at."""
    tenant = sandbox.settings
    file = folder / "relay.toml"
    file.write_text(
        f"""# Written anew at each `relay serve --sandbox`: the account that it uses.
[accounts.sandbox]
provider = "microsoft"
tenant = {json.dumps(tenant.tenant)}
mailbox = {json.dumps(tenant.mailbox)}
host = {json.dumps(sandbox.smtp[0])}
port = {sandbox.smtp[1]}
ca_file = {json.dumps(sandbox.ca_file.as_posix())}

[accounts.sandbox.oauth]
client_id = {json.dumps(tenant.client_id)}
client_secret = {json.dumps(tenant.client_secret)}
token_endpoint = {json.dumps(sandbox.token_endpoint)}

[http]
ca_file = {json.dumps(sandbox.ca_file.as_posix())}
""",
        encoding="utf-8",
    )
    loaded = config.load(file, {})
    # Whatever sender the newcomer's first message has, it is to arrive.
    rules = {"account": "sandbox", "senders": ("*",), "reply": "queued"}
    clients = {name: client.model_copy(update=rules) for name, client in base.clients.items()}
    queue = base.queue.model_copy(update={"database": None, "bounce_account": None})
    changed = {"accounts": loaded.accounts, "http": loaded.http, "clients": clients, "queue": queue}
    return base.model_copy(update=changed | {"state_folder": folder})


def _about(sandbox: Sandbox) -> list[str]:
    exchange = f"{sandbox.smtp[0]}:{sandbox.smtp[1]}"
    return [
        f"Mail goes to a stand-in Exchange at {exchange}, with tokens from {sandbox.token_endpoint}.",
        "Nothing leaves this machine.",
        f"What it received: curl --insecure {sandbox.control_endpoint}/received",
    ]


async def sandbox_alone(smtp_bind: str, http_bind: str, folder: Path, say: Callable[[str], None]) -> None:
    """Run the stand-in until SIGTERM or Ctrl-C, telling how to reach it. Raises StartError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    places = [_host_and_port(bind) for bind in (smtp_bind, http_bind)]
    folder = make_state_folder(folder)
    try:
        google, key_file = service_account.made(folder)
        settings = SandboxSettings(smtp_bind=places[0], http_bind=places[1], folder=folder, service_account=google)
        async with Sandbox(settings, serve_http) as sandbox:
            say(f"tenant {settings.tenant}, mailbox {settings.mailbox}")
            say(f"client_id {settings.client_id}, client_secret {settings.client_secret}")
            say(f"token_endpoint {sandbox.token_endpoint}")
            say(f"SMTP {sandbox.smtp[0]}:{sandbox.smtp[1]}, mail_endpoint {sandbox.graph_endpoint}")
            say(f"ca_file {sandbox.ca_file}; faults and received mail: {sandbox.control_endpoint}")
            say(f"Gmail API: mail_endpoint {sandbox.gmail_endpoint}, token_endpoint {sandbox.google_token_endpoint}")
            say(f"its service account: private_key_file {key_file}")
            await stop.wait()
    except OSError as error:
        raise StartError(f"the sandbox cannot start: {error.strerror or error}") from error


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port[:6]) > 65535:
        raise StartError(f"{text!r} is no address: write HOST:PORT, such as 127.0.0.1:1587")
    return host.strip("[]"), int(port)
