"""`relay sandbox`."""

import sys
from pathlib import Path

import click

from relay import log
from relay.cli.common import fail


@click.command("sandbox", short_help="Run the stand-in for Microsoft and Google alone.")
@click.option(
    "--smtp", "smtp_bind", default="127.0.0.1:1587", show_default=True, help="Where the stand-in Exchange listens."
)
@click.option(
    "--http",
    "http_bind",
    default="127.0.0.1:1443",
    show_default=True,
    help="Where tokens, Graph and the Gmail API are.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("sandbox"),
    show_default=True,
    help="Where its certificate authority and its service account's key are written.",
)
def sandbox_command(smtp_bind: str, http_bind: str, folder: Path) -> None:
    """Run the stand-in for Microsoft and Google alone, to test other programs against it."""
    from relay import service  # noqa: PLC0415 (the other commands need none of it)

    log.configure()
    try:
        service.run(service.sandbox_alone(smtp_bind, http_bind, folder, click.echo))
    except service.StartError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
