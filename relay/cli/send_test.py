"""`relay send-test`."""

import asyncio
import sys
from pathlib import Path

import click

from relay import log
from relay.cli.common import CONFIG, load_account


@click.command("send-test")
@CONFIG
@click.argument("account")
@click.option("--to", "recipient", help="Recipient. Default: the account's own mailbox.")
@click.option("--from", "sender", help="Sender. Default: the account's mailbox.")
def send_test(path: Path | None, account: str, recipient: str | None, sender: str | None) -> None:
    """Send one message through ACCOUNT, past the queue, and show each step: token, connection, AUTH, reply."""
    from relay import doctor  # noqa: PLC0415 (the other commands need none of it)

    settings = load_account(path, account)
    log.configure("ERROR")
    good = asyncio.run(doctor.send_test(settings, account, recipient, sender, click.echo))
    sys.exit(0 if good else 1)
