"""The commands, a module for each. Each is thin: it reads the configuration, calls one part, prints, ends with a code.

Exit codes: 0 all is well, 1 something has to be done (the text says what), 2 the command was mistyped.
"""

import io
import sys
from pathlib import Path

import click

from relay import __version__
from relay.cli.authorize import authorize
from relay.cli.check import check, hash_password
from relay.cli.common import fail
from relay.cli.config import config
from relay.cli.doctor import doctor_command
from relay.cli.queue import queue
from relay.cli.sandbox import sandbox_command
from relay.cli.send_test import send_test
from relay.cli.serve import serve
from relay.cli.sink import sink
from relay.cli.token import token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="relay")
def main() -> None:
    """Takes mail from applications that cannot speak OAuth and sends it on with OAuth.

    Without a configuration file it is a test-mail sink: it takes everything and delivers nothing.
    """
    # What providers and mail say can hold characters that a pipe or an old console has none for.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        Path.cwd()
    except OSError as error:
        fail(f"the current folder cannot be used: {error.strerror}. Change to one that is there, with `cd`")


_SERVING = (serve, check, config, hash_password, sandbox_command)
_LOOKING = (doctor_command, token, send_test, queue, sink, authorize)

for command in _SERVING + _LOOKING:
    main.add_command(command)
