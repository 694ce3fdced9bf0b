"""The targets by name."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import readers
from tests.fuzz.headers import headers
from tests.fuzz.session import session

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {
    each.__name__: each
    for each in (
        session,
        headers,
        *(readers.content, readers.lines, readers.proxy, readers.path, readers.auth, readers.reply, readers.token),
    )
}
CORPUS = Path(__file__).with_name("corpus")


def inputs(name: str) -> list[Path]:
    """What is kept for a target."""
    return sorted((CORPUS / name).iterdir())
