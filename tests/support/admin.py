"""The page's administration, as somebody who has read the log."""

import contextlib
from collections.abc import Iterator

import httpx2

from tests.support.process import PATIENCE, RelayProcess


def link(process: RelayProcess) -> str:
    """The last one-time link in the log."""
    process.wait_for("one-time link")
    last = [each for each in process.events if each.get("event") == "one-time link"][-1]
    address: str = last["addresses"][0]
    return address


@contextlib.contextmanager
def admin(process: RelayProcess) -> Iterator[httpx2.Client]:
    """A client that is logged in; it follows redirects, as a browser does."""
    with httpx2.Client(base_url=process.page, timeout=PATIENCE, follow_redirects=True) as client:
        answer = client.get(link(process))
        assert answer.status_code == 200, answer.text
        yield client
