"""A stop while another program holds the database: it ends, soon, also in the middle of a reload."""

import signal
import sqlite3
from pathlib import Path

from tests.support.process import PATIENCE, relay

CONFIG = """\
state_folder = "{}/state"
log.format = "json"
listeners.default.bind = ["127.0.0.1:0"]
web.bind = ["127.0.0.1:0"]
"""


def test_it_ends_while_a_reload_waits_for_the_database(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(CONFIG.format(tmp_path))
    with relay(tmp_path, "serve", "--config", str(file)) as process:
        process.wait_for("started")
        other = sqlite3.connect(tmp_path / "state" / "relay.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            file.write_text(CONFIG.format(tmp_path) + 'hostname = "other.example.com"\n')
            process.signal(signal.SIGHUP)
            assert process.stop() == 0, f"it has not ended within {PATIENCE} seconds, as it did not before"
        finally:
            other.close()
        assert "stopping" in [each.get("event") for each in process.events]
