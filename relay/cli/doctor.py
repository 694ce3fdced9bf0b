"""`relay doctor`."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay import config, log
from relay.cli.common import CONFIG, load, need_account
from relay.config import ConfigError, Settings
from relay.policy import Policy

if TYPE_CHECKING:
    from relay.doctor import Report, Step

_MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red"), "skipped": ("-", None)}


@click.command("doctor", short_help="Does everything behind an account work? Nothing is sent.")
@CONFIG
@click.argument("account", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, when all is done.")
def doctor_command(path: Path | None, account: str | None, as_json: bool) -> None:
    """Go the whole way of ACCOUNT, or of every account, and say what is wrong and what to do. Nothing is sent.

    Secrets, token, claims, connection, login, and whether each sender is taken. The exit code is 1 when something has
    to be done.
    """
    settings = _loaded(path) if as_json else load(path)
    if account is not None:
        need_account(settings, account)
    log.only_mistakes()
    reports = asyncio.run(_examine(settings, account, quiet=as_json))
    if as_json:
        _print(reports)
    sys.exit(0 if all(report.good for report in reports) else 1)


def _loaded(path: Path | None) -> Settings:
    """The configuration; what is wrong with it is a report too."""
    try:
        settings = config.load(path, os.environ)
        Policy(settings)
    except (ConfigError, ValueError) as error:
        from relay.doctor import Report, State, Step  # noqa: PLC0415

        details = tuple(str(error).splitlines())
        text = f"{len(details)} {'error' if len(details) == 1 else 'errors'} in the configuration"
        step = Step("configuration", State.FAIL, text, "Correct them; nothing was examined", details=details)
        _print([Report("", (step,))])
        sys.exit(1)
    return settings


async def _examine(settings: Settings, account: str | None, *, quiet: bool) -> "list[Report]":
    """One after the other: each step is shown as it ends. Without `account` the relay itself comes first."""
    from relay import doctor  # noqa: PLC0415 (the other commands need none of it)

    tell = None if quiet else _show
    say = _nothing if quiet else click.echo
    reports = []
    if account is None:
        say("relay:")
        reports.append(doctor.diagnose_relay(settings, tell))
        say(_verdict(reports[-1]))
    for name in [account] if account is not None else settings.accounts:
        say(f"{name}:")
        reports.append(await doctor.diagnose(settings, name, tell))
        say(_verdict(reports[-1]))
    return reports


def _nothing(_text: str) -> None:
    """For `--json`: what is printed comes at the end."""


def _show(step: "Step") -> None:
    mark, colour = _MARKS[step.state.value]
    click.echo(f"  {click.style(f'{mark:4}', fg=colour)}  {step.name}: {step.text}")
    if step.state.value == "skipped":
        return
    for line in step.details:
        click.echo(f"          {line}")
    if step.advice:
        click.echo(f"        > {step.advice}")
    for command in step.commands:
        click.echo(f"            {command}")


def _verdict(report: "Report") -> str:
    wrong = [step.name for step in report.steps if step.state.value == "fail"]
    if not wrong:
        return f"  {report.account or 'relay'}: nothing has to be done\n"
    return f"  {report.account or 'relay'}: something has to be done, begin with: {wrong[0]}\n"


def _print(reports: "list[Report]") -> None:
    found = {
        "good": all(report.good for report in reports),
        "relay": next((report.as_json() for report in reports if not report.account), None),
        "accounts": [report.as_json() for report in reports if report.account],
    }
    click.echo(json.dumps(found, indent=2))
