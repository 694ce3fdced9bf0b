"""`relay authorize`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from relay import doctor, log, upstream
from relay.cli.common import CONFIG, fail, load_account
from relay.cli.terminal import Terminal
from relay.config import Settings
from relay.model import Clock
from relay.oauth import TokenSource


@click.command()
@CONFIG
@click.argument("account")
@click.option("--no-browser", is_flag=True, help="Print the link, and take the address at which the browser ends.")
@click.option("--yes", is_flag=True, help="Keep the sign-in whoever it was.")
@click.option("--send-test", is_flag=True, help="Send one message to the mailbox itself in the end.")
def authorize(path: Path | None, account: str, no_browser: bool, yes: bool, send_test: bool) -> None:
    """Have a user sign in for ACCOUNT, in a browser or with a device code, keep the sign-in, and see that it works."""
    from relay.oauth import consent  # noqa: PLC0415 (the other commands need none of it)

    settings = load_account(path, account)
    log.configure("ERROR")
    person = Terminal(no_browser=no_browser, yes=yes)
    try:
        done = asyncio.run(consent.authorize(settings, account, person, _try_out(settings, account, person)))
        works = done.works and (not send_test or asyncio.run(_send(settings, account, done.user, person)))
    except consent.ConsentError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    if not works:
        fail(f"the sign-in of {account} is kept, but mail cannot be sent with it yet: see above")
    if not send_test:
        person.say(f"next: relay send-test {account} --to YOUR@ADDRESS")


def _try_out(settings: Settings, account: str, person: Terminal) -> Callable[[TokenSource, Clock], Awaitable[bool]]:
    wanted = settings.accounts[account]

    async def try_out(tokens: TokenSource, clock: Clock) -> bool:
        return await upstream.probe(account, wanted, tokens, hostname=settings.hostname, clock=clock, say=person.say)

    return try_out


async def _send(settings: Settings, account: str, user: str, person: Terminal) -> bool:
    wanted = settings.accounts[account]
    mailbox = wanted.own_mailbox or user
    return await doctor.send_test(settings, account, mailbox, wanted.own_address or mailbox, person.say)
