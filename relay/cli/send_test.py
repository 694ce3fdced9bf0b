"""`relay send-test`."""

import asyncio
import sys
from pathlib import Path

import click

from relay import log
from relay.cli.common import CONFIG, load_account
from relay.config.addresses import address


def _address(_context: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A mail address, seen before anything is asked of a server."""
    try:
        return value if value is None else address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("send-test", short_help="Send one message and show each step.")
@CONFIG
@click.argument("account")
@click.option("--to", "recipient", callback=_address, help="Recipient. Default: the account's own mailbox.")
@click.option("--from", "sender", callback=_address, help="Sender. Default: the account's mailbox.")
def send_test(path: Path | None, account: str, recipient: str | None, sender: str | None) -> None:
    """Send one message through ACCOUNT, past the queue, and show each step: token, connection, AUTH, reply."""
    from relay import doctor  # noqa: PLC0415 (the other commands need none of it)

    settings = load_account(path, account)
    log.only_mistakes()
    good = asyncio.run(doctor.send_test(settings, account, recipient, sender, click.echo))
    sys.exit(0 if good else 1)
