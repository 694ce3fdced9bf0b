"""`relay queue`: look at the queue and change what waits in it, while the relay runs or while it is stopped.

`selecting` has what the commands share, `changing` how a change is confirmed and told.
"""

import click

from relay.cli.queue.drop import drop
from relay.cli.queue.export import export
from relay.cli.queue.hold import hold
from relay.cli.queue.list import list_messages
from relay.cli.queue.release import release
from relay.cli.queue.retry import retry
from relay.cli.queue.show import show


@click.group(short_help="Look at the queue, and change what waits.")
def queue() -> None:
    """Look at the queue and change what waits in it, also while the relay runs."""


for command in (list_messages, show, retry, hold, release, drop, export):
    queue.add_command(command)
