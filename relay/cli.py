"""The commands. Each is thin: it reads the configuration, calls one part, prints, and ends with a code for scripts.

Exit codes: 0 all is well, 1 something has to be done (the text says what), 2 the command was mistyped.
"""

import asyncio
import os
import sys
import webbrowser
from pathlib import Path
from typing import NoReturn

import argon2
import click

from relay import __version__, config, doctor, log
from relay.config import ConfigError, Settings, describe
from relay.policy import Policy

_CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="Configuration file. Otherwise RELAY_CONFIG, ./relay.toml, the user's configuration folder, or none.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="relay")
def main() -> None:
    """Takes mail from applications that cannot speak OAuth and sends it on with OAuth.

    Without a configuration file it is a test-mail sink: it takes everything and delivers nothing.
    """


@main.command()
@_CONFIG
@click.option("--only", metavar="ROLES", help="Only these parts, by commas: listener, delivery, web.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in Microsoft that is started beside the relay.")
def serve(path: Path | None, only: str | None, sandbox: bool) -> None:
    """Take mail and deliver it until SIGTERM or Ctrl-C."""
    from relay import service  # noqa: PLC0415 (the other commands need none of it)

    settings = _load(path)
    roles = frozenset(only.replace(" ", "").split(",")) if only else service.ROLES
    if not roles <= service.ROLES:
        raise click.BadParameter(f"{only}: the parts are {', '.join(sorted(service.ROLES))}", param_hint="--only")
    _configure_log(settings)
    for warning in settings.warnings:
        log.warned(warning)
    try:
        service.run(service.serve_sandbox(settings) if sandbox else service.serve(settings, roles))
    except service.StartError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


@main.command()
@_CONFIG
def check(path: Path | None) -> None:
    """Check the configuration without connecting anywhere; print all errors, or what will run."""
    settings = _load(path)
    for line in describe(settings):
        click.echo(line)


@main.command("send-test")
@_CONFIG
@click.argument("account")
@click.option("--to", "recipient", help="Recipient. Default: the account's own mailbox.")
@click.option("--from", "sender", help="Sender. Default: the account's mailbox.")
def send_test(path: Path | None, account: str, recipient: str | None, sender: str | None) -> None:
    """Send one message through ACCOUNT, past the queue, and show each step: token, connection, AUTH, reply."""
    settings = _load(path)
    if account not in settings.accounts:
        _fail(f"there is no account {account!r}: the configuration has {', '.join(settings.accounts)}")
    log.configure("ERROR")
    good = asyncio.run(doctor.send_test(settings, account, recipient, sender, click.echo))
    sys.exit(0 if good else 1)


@main.command()
@_CONFIG
@click.argument("account")
@click.option("--no-browser", is_flag=True, help="Print the link, and take the address at which the browser ends.")
@click.option("--yes", is_flag=True, help="Keep the sign-in whoever it was.")
def authorize(path: Path | None, account: str, no_browser: bool, yes: bool) -> None:
    """Have a user sign in for ACCOUNT, in a browser or with a device code, and keep the sign-in."""
    from relay.oauth import consent  # noqa: PLC0415 (the other commands need none of it)

    settings = _load(path)
    if account not in settings.accounts:
        _fail(f"there is no account {account!r}: the configuration has {', '.join(settings.accounts)}")
    log.configure("ERROR")
    try:
        asyncio.run(consent.authorize(settings, account, _Terminal(no_browser=no_browser, yes=yes)))
    except consent.ConsentError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


class _Terminal:
    """The person at the terminal."""

    def __init__(self, *, no_browser: bool, yes: bool) -> None:
        self._no_browser = no_browser
        self._yes = yes

    def say(self, text: str) -> None:
        click.echo(text)

    def countdown(self, seconds: float) -> None:
        if sys.stdout.isatty():
            click.echo(f"\r{log.duration(seconds)} left   ", nl=False)

    async def open(self, link: str) -> bool:
        return not self._no_browser and await asyncio.to_thread(webbrowser.open, link)

    async def paste(self) -> str:
        address: str = await asyncio.to_thread(click.prompt, "The address that the browser shows")
        return address

    async def confirm(self, question: str) -> bool:
        return self._yes or await asyncio.to_thread(click.confirm, question)


@main.command("sandbox")
@click.option(
    "--smtp", "smtp_bind", default="127.0.0.1:1587", show_default=True, help="Where the stand-in Exchange listens."
)
@click.option(
    "--http", "http_bind", default="127.0.0.1:1443", show_default=True, help="Where tokens and Graph are served."
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("sandbox"), show_default=True)
def sandbox_command(smtp_bind: str, http_bind: str, folder: Path) -> None:
    """Run the stand-in Microsoft alone, for testing other programs against it."""
    from relay import service  # noqa: PLC0415 (the other commands need none of it)

    log.configure()
    try:
        service.run(service.sandbox_alone(smtp_bind, http_bind, folder, click.echo))
    except service.StartError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


@main.command("hash-password")
def hash_password() -> None:
    """Ask for a password and print the argon2 hash for `clients.NAME.password_hash`."""
    password = click.prompt("Password", hide_input=True, confirmation_prompt=sys.stdin.isatty(), err=True)
    click.echo(argon2.PasswordHasher().hash(password))


def _configure_log(settings: Settings) -> None:
    os.umask(0o077)  # a log holds addresses
    try:
        log.configure(settings.log.level, settings.log.format, settings.log.file)
    except OSError as error:
        _fail(
            f"log.file {settings.log.file} cannot be written: {error.strerror}. Set it to a place where this user may"
        )


def _load(path: Path | None) -> Settings:
    try:
        settings = config.load(path, os.environ)
        Policy(settings)
    except ValueError as error:
        _fail(str(error))
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        count = len(error.problems)
        _fail(f"{count} {'error' if count == 1 else 'errors'} in the configuration; nothing was started")
    return settings


def _fail(text: str) -> NoReturn:
    click.echo(f"relay: {text}", err=True)
    sys.exit(1)
