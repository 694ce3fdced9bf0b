"""A relay that has a bit of everything in its queue, for the tests of its page: one process for a module."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from relay.sandbox import Fault
from tests.support.admin import admin
from tests.support.process import RelayProcess
from tests.support.way import ANYONE, Way, message, send, way

GONE, BUSY = "gone@example.org", "busy@example.org"
HOSTILE = '"><script>window.bad = 1</script><img src=x onerror="window.bad = 1">'


@dataclass(frozen=True)
class Running:
    """The relay, its stand-in Microsoft, and somebody who is logged in."""

    process: RelayProcess
    at: Way
    browser: httpx2.Client

    def id_of(self, event: str, **facts: Any) -> str:
        """The id of the message that a log line is about."""
        found: str = self.process.wait_for(event, **facts)["id"]
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Sent, failed and deferred mail, and a refused sender."""
    folder: Path = tmp_path_factory.mktemp("page")
    narrow = (
        '[clients.narrow]\npassword = "a long secret"\nnetworks = ["127.0.0.0/8"]\nsenders = ["only@example.com"]\n'
        '[clients.slow]\npassword = "a long secret"\nsenders = ["*"]\nrate = ["1 message/1h"]\n'
        '[clients.staging]\npassword = "a long secret"\nsenders = ["*"]\nredirect_to = "team@example.com"\n'
    )
    with way(folder) as at:
        faults = at.stand_in.sandbox.faults
        faults.add(Fault(kind="reply", at="rcpt", recipient=GONE, reply="550 5.1.1 <b>No</b> such mailbox"))
        faults.add(Fault(kind="reply", at="rcpt", recipient=BUSY, reply="451 4.7.0 Temporary server error"))
        queue = 'retry = ["1h"]'
        with at.relay(clients=ANYONE + narrow, queue=queue) as process, admin(process) as browser:
            send(process, message("An ordinary one").as_bytes())
            process.wait_for("sent")
            send(process, message("For nobody").as_bytes(), GONE)
            process.wait_for("failed")
            send(process, message(f"Later {HOSTILE}").as_bytes(), BUSY)
            process.wait_for("deferred")
            yield Running(process, at, browser)
