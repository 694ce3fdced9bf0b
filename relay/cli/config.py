"""`relay config show`."""

import json
from pathlib import Path

import click

from relay.cli.common import CONFIG, load
from relay.config import Value, values
from relay.log import clean


@click.group()
def config() -> None:
    """What the configuration comes to."""


@config.command(short_help="Each value in force, and where it came from.")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="A list of objects with key, value and origin.")
def show(path: Path | None, *, as_json: bool) -> None:
    """Show each value that is in force, and the file, variable or default that it came from. Secrets stay hidden."""
    found = values(load(path))
    if as_json:
        click.echo(json.dumps([{"key": one.key, "value": one.value, "origin": one.origin} for one in found], indent=2))
        return
    for one in found:
        click.echo(clean(_line(one)))


def _line(one: Value) -> str:
    """`key = value` as a file would hold it; what is not set is a comment."""
    text = f"{one.key} = {json.dumps(one.value, ensure_ascii=False)}" if one.value is not None else f"# {one.key}"
    return f"{text}  # {one.origin}" if one.value is not None else f"{text} is not set"
