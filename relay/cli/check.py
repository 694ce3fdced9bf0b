"""`relay check` and `relay hash-password`: what is done offline."""

import sys
import time
from pathlib import Path

import argon2
import click

from relay.cli.common import CONFIG, fail, load
from relay.config import describe


@click.command(short_help="Is the configuration right, and what will run?")
@CONFIG
def check(path: Path | None) -> None:
    """Check the configuration without connecting anywhere; print all errors, or what will run."""
    settings = load(path)
    for line in describe(settings, now=time.time()):
        click.echo(line)


@click.command("hash-password", short_help="Ask for a password and print its hash.")
def hash_password() -> None:
    """Ask for a password and print its Argon2 hash, for a client's or the page's `password_hash`."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        fail("the password is empty: write it on the first line of the input")
    click.echo(argon2.PasswordHasher().hash(password))
