"""`relay token`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay import log
from relay.cli.common import CONFIG, fail, load_account
from relay.database import StorageError

if TYPE_CHECKING:
    from relay.doctor import TokenFacts

_MARKS = {"ok": "ok", "warn": "warn", "fail": "FAIL", "skipped": "-"}


@click.command("token", short_help="Get a token and show what it says.")
@CONFIG
@click.argument("account")
@click.option("--show", is_flag=True, help="Print the token itself too: whoever has it can send until it ends.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def token(path: Path | None, account: str, show: bool, as_json: bool) -> None:
    """Get a token for ACCOUNT, and show where it came from, how long it is good, and what it says.

    Its claims are held against what the account's way needs. The exit code is 1 when there is no token, or one that
    cannot work.
    """
    from relay import doctor  # noqa: PLC0415 (the other commands need none of it)

    settings = load_account(path, account)
    if settings.accounts[account].oauth is None:
        fail(f"accounts.{account} uses no token: it has no oauth table")
    if not doctor.has_token_of_its_own(settings.accounts[account]):
        fail(f"accounts.{account} has no token of its own, each mailbox has one. {doctor.try_a_mailbox(account)}")
    log.only_mistakes()
    try:
        found = asyncio.run(doctor.examine_token(settings, account))
    except StorageError as error:
        fail(f"the stored sign-ins cannot be read: {error}")
    if as_json:
        click.echo(json.dumps(found.as_json(show=show), indent=2))
    else:
        _tell(found, show=show)
    sys.exit(0 if found.good else 1)


def _tell(found: "TokenFacts", *, show: bool) -> None:
    for line in found.lines():
        click.echo(line)
    for claim in found.claims:
        click.echo(f"  {_MARKS[claim.state.value]:4}  {claim.name}: {claim.value}")
        if claim.note:
            click.echo(f"          {claim.note}{f'. {claim.action}' if claim.action else ''}")
        for command in claim.commands:
            click.echo(f"            {command}")
    if found.trouble is not None and (found.trouble.last or found.trouble.unreadable):
        click.echo(f"last error: {found.trouble.step().text}")
    if show and found.token is not None:
        click.echo(found.token.value)
