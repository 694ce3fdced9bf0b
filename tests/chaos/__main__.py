"""The command: `python -m tests.chaos --minutes 10`."""

import logging
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.running import chaos, figures


@click.command()
@click.option("--minutes", type=float, default=1.0, show_default=True, help="How long mail is sent and things break.")
@click.option("--seed", default="", help="That of an earlier run, for the same troubles in the same order.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="An empty folder to leave everything in."
)
@click.option("--quiet", is_flag=True, help="Do not tell each step.")
def main(minutes: float, seed: str, keep: Path | None, *, quiet: bool) -> None:
    """Many clients, an upstream in trouble, a relay that is killed: nothing may be lost or go astray."""
    seed = seed or secrets.token_hex(4)
    click.echo(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="relay-chaos-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = chaos(folder, seed, minutes * 60, (lambda _: None) if quiet else click.echo)
    click.echo("\n".join(figures(outcome)))
    if not outcome.well:
        click.echo(outcome.told())
    click.echo(f"seed {seed}: {'all is well' if outcome.well else 'FAILED'}")
    sys.exit(0 if outcome.well else 1)


if __name__ == "__main__":
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # who is taken down cuts off what it was asked
    # Ended like by Ctrl-C: the relay that was started is ended, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
