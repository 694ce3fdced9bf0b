"""`relay authorize`."""

import asyncio
import sys
import webbrowser
from pathlib import Path

import click

from relay import log
from relay.cli.common import CONFIG, fail, load_account


@click.command()
@CONFIG
@click.argument("account")
@click.option("--no-browser", is_flag=True, help="Print the link, and take the address at which the browser ends.")
@click.option("--yes", is_flag=True, help="Keep the sign-in whoever it was.")
def authorize(path: Path | None, account: str, no_browser: bool, yes: bool) -> None:
    """Have a user sign in for ACCOUNT, in a browser or with a device code, and keep the sign-in."""
    from relay.oauth import consent  # noqa: PLC0415 (the other commands need none of it)

    settings = load_account(path, account)
    log.configure("ERROR")
    try:
        asyncio.run(consent.authorize(settings, account, _Terminal(no_browser=no_browser, yes=yes)))
    except consent.ConsentError as error:
        fail(str(error))
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
