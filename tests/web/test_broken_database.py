"""A database that cannot be read: every page says so and what to do, and strangers do not hear where it is."""

from pathlib import Path

import httpx2

from tests.support.admin import admin
from tests.support.process import QUIET, relay
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
        stranger = httpx2.get(f"{process.page}api/v1/messages")
        assert stranger.status_code == 503
        assert str(tmp_path) not in stranger.text
