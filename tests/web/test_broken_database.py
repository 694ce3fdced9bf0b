"""A database that cannot be read: every page says so and what to do, and strangers do not hear where it is."""

import re
import time
from pathlib import Path

import httpx2

from tests.support.admin import admin
from tests.support.process import PATIENCE, QUIET, relay
from tests.web.parts import mail, send


def test_pages_and_apis_say_what_is_wrong(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process, admin(process) as browser:
        process.wait_for("started")
        send(process, mail("One"))
        database = tmp_path / "state" / "relay.db"
        for file in (database, database.with_name("relay.db-wal")):
            with file.open("r+b") as content:
                content.write(b"\xff" * file.stat().st_size)
        for path in ("queue", "overview", "mail", "accounts", "metrics"):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10"), path
            assert "The database cannot be read now" in answer.text
            assert str(database) in answer.text
        process.wait_for("storage")
        deadline = time.monotonic() + PATIENCE  # it is looked at once a second
        while (ready := httpx2.get(f"{process.page}readyz")).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (ready.status_code, str(database) in ready.text) == (503, True)
        # Which damage is met first is chance.
        assert re.search("move it away|restore a backup|restart the relay", ready.text), ready.text
        stranger = httpx2.get(f"{process.page}api/v1/messages")
        assert stranger.status_code == 503
        assert str(tmp_path) not in stranger.text
