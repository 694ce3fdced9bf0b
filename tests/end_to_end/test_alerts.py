"""Alerts of a relay that serves: a real server and a real program hear of it, and the mail goes on."""

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.conftest import program
from tests.support.process import PATIENCE, relay
from tests.support.way import Way, message, send, way

NOTE = "import os, sys\nopen(sys.argv[1], 'a').write(os.environ['ALERT_EVENT'] + ' ' + sys.stdin.read() + '\\n')\n"


class Hook:
    """A web server in a thread; each alert that was posted is in `heard`."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/alerts"

    def wait_for(self, event: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := [one for one in self.heard if one["event"] == event]:
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"no {event} in {self.heard}")


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def config(one: Way, alerts: str, secret: str = "") -> Path:
    path = one.config()
    text = path.read_text().replace("[accounts.office.oauth]\n", f"[accounts.office.oauth]\n{secret}\n")
    path.write_text(f"{text}[alerts]\n{alerts}\n")
    return path


def test_a_secret_that_ends_soon_is_told_once_by_all_ways(tmp_path: Path, hook: Hook) -> None:
    with way(tmp_path) as one:
        out = tmp_path / "heard"
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6.5 * 86400))
        alerts = f'webhook = "{hook.address}"\ncommand = ["{program(tmp_path, NOTE)}", "{out}"]'
        path = config(one, alerts, f'client_secret_expires = "{soon}"')
        for _ in range(2):
            with relay(one.folder, "serve", "--config", str(path)) as process:
                process.wait_for("started")
                send(process, bytes(message()))
                process.wait_for("sent")
                if not hook.heard:
                    logged = process.wait_for("expires", kind="client_secret", name="office")
                    assert "runs out in 6 days" in logged["message"]
                    assert hook.wait_for("expires")["days_left"] == 6
                    process.wait_for("alert sent", channel="command")
                    process.wait_for("alert sent", channel="webhook")
                with urllib.request.urlopen(f"{process.page}metrics", timeout=PATIENCE) as answer:  # noqa: S310
                    assert answer.headers["content-type"].startswith("text/plain; version=")
                    shown = answer.read().decode()
                assert 'relay_expires_timestamp_seconds{kind="client_secret",name="office"}' in shown
                assert process.stop() == 0
                assert hook.address not in process.output
        assert len(hook.heard) == 1
        (line,) = out.read_text().splitlines()
        event, _, facts = line.partition(" ")
        assert (event, json.loads(facts)) == ("expires", hook.heard[0])


def test_a_program_that_hangs_and_a_webhook_that_is_away_hold_up_no_mail(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        slow = program(tmp_path, "import time\ntime.sleep(600)\n")
        path = config(one, f'webhook = "http://127.0.0.1:1/"\ncommand = "{slow}"', "client_secret_expires = 2020-01-01")
        with relay(one.folder, "serve", "--config", str(path)) as process:
            process.wait_for("expired")
            send(process, bytes(message()))
            process.wait_for("sent")
            assert "refused the connection" in process.wait_for("alert failed", channel="webhook")["reason"]
            assert process.stop() == 0, "nor the stop"
