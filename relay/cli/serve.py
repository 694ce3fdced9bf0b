"""`relay serve`."""

import os
import sys
from functools import partial
from pathlib import Path

import click

from relay import log
from relay.cli.common import CONFIG, fail, load, read
from relay.config import Settings


@click.command()
@CONFIG
@click.option("--only", metavar="ROLES", help="Only these parts, by commas: listener, delivery, web.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in Microsoft that is started beside the relay.")
def serve(path: Path | None, only: str | None, sandbox: bool) -> None:
    """Take mail and deliver it until SIGTERM or Ctrl-C."""
    from relay import service  # noqa: PLC0415 (the other commands need none of it)

    settings = load(path)
    roles = frozenset(only.replace(" ", "").split(",")) if only is not None else service.ROLES
    if not roles <= service.ROLES:
        raise click.BadParameter(
            f'"{only}": name one or more of {", ".join(sorted(service.ROLES))}', param_hint="--only"
        )
    _configure_log(settings)
    for warning in settings.warnings:
        log.service.warned(warning)
    try:
        again = partial(read, path)
        service.run(service.serve_sandbox(settings, again) if sandbox else service.serve(settings, roles, load=again))
    except service.StartError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _configure_log(settings: Settings) -> None:
    os.umask(0o077)  # a log holds addresses
    try:
        log.configure(settings.log.level, settings.log.format, settings.log.file)
    except OSError as error:
        fail(f"log.file {settings.log.file} cannot be written: {error.strerror}. Set it to a place where this user may")
