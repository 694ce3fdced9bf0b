"""`relay authorize`."""

import asyncio
import sys
from pathlib import Path

import click

from relay import doctor, log
from relay.cli.common import CONFIG, fail, load_account
from relay.cli.terminal import Terminal
from relay.config import Settings


@click.command(short_help="Have a user sign in for an account.")
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
        done = asyncio.run(consent.authorize(settings, account, person, doctor.trial_of(settings, account, person.say)))
        works = done.works and (not send_test or asyncio.run(_send(settings, account, done.user, person)))
    except consent.ConsentError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    if not works:
        fail(f"the sign-in of {account} is kept, but mail cannot be sent with it yet: see above")
    if not send_test:
        person.say(f"next: relay send-test {account} --to YOUR@ADDRESS")


async def _send(settings: Settings, account: str, user: str, person: Terminal) -> bool:
    wanted = settings.accounts[account]
    mailbox = wanted.own_mailbox or user
    return await doctor.send_test(settings, account, mailbox, wanted.own_address or mailbox, person.say)
