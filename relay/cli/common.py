"""What several commands share: reading the configuration, and ending with a clear error."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from relay import config
from relay.config import ConfigError, Settings
from relay.database.sqlite_errors import owner_of
from relay.policy import Policy

CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="Configuration file. Otherwise the one that RELAY_CONFIG names, ./relay.toml, that of the user or the "
    "system (`relay check` names it), or none.",
)


class _Place(click.Path):
    """Where something is to be written. An empty one is most often a variable that is not set, not this folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value) or value == b"":
            self.fail("it is empty: name a place", param, ctx)
        return super().convert(value, param, ctx)


PLACE = _Place(path_type=Path)


def read(path: Path | None) -> Settings:
    """The configuration at `path`. Raises ConfigError, or ValueError where two keys do not fit together."""
    settings = config.load(path, os.environ)
    Policy(settings)
    return settings


def load(path: Path | None) -> Settings:
    """The configuration at `path`, or else every error in it on standard error and exit code 1."""
    try:
        return read(path)
    except ValueError as error:
        fail(str(error))
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        count = len(error.problems)
        fail(f"{count} {'error' if count == 1 else 'errors'} in the configuration; nothing was started")


def load_account(path: Path | None, account: str) -> Settings:
    """The configuration, which has to have `account`."""
    settings = load(path)
    need_account(settings, account)
    return settings


def need_account(settings: Settings, account: str) -> None:
    """End with exit code 1 where the configuration has no `account`."""
    if account not in settings.accounts:
        fail(f"there is no account {account!r}: the configuration has {', '.join(settings.accounts)}")


def unusable(error: OSError) -> str:
    """What is in the way of a file or folder, which the error names, and what to do."""
    owner = owner_of(Path(error.filename)) if isinstance(error, PermissionError) else ""
    return f"{error.filename}: {error.strerror}: see that this user may write there, and has room{owner}"


def fail(text: str) -> NoReturn:
    """End with exit code 1 and `text`."""
    click.echo(f"relay: {text}", err=True)
    sys.exit(1)
