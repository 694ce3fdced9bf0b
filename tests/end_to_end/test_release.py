"""A caught message is released: through the queue, with a token, to the stand-in Exchange."""

import json
import urllib.request
from pathlib import Path

from tests.support.process import RelayProcess, relay
from tests.support.way import message, send, way

CLIENTS = """
[accounts.catch]
provider = "sink"
[sink]
release_to = ["@example.org"]
[clients.app]
networks = ["127.0.0.0/8", "::1/128"]
account = "catch"
[clients.real]
password = "hunter2"
account = "office"
"""


def post(process: RelayProcess, path: str, body: object) -> str:
    request = urllib.request.Request(process.page + path, json.dumps(body).encode(), method="POST")  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return str(answer.headers["x-queue-id"])


def test_a_caught_message_reaches_exchange_when_it_is_released(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        config = one.config(clients=CLIENTS)
        with relay(tmp_path, "serve", "--config", str(config)) as process:
            process.wait_for("started")
            send(process, message("Invoice").as_bytes(), "customer@elsewhere.com")
            caught = process.wait_for("sink")
            assert one.received == []
            queue_id = post(process, f"api/v1/message/{caught['id']}/release", {"To": ["tester@example.org"]})
            (received,) = one.wait_received(1)
            process.wait_for("sent", id=queue_id)
            process.wait_for("released", id=caught["id"], queue_id=queue_id, account="office")
        mailbox = one.stand_in.sandbox.settings.mailbox
        assert (received.sender, list(received.recipients)) == (mailbox, ["tester@example.org"])
        assert f"From: <{mailbox}>".encode() in received.raw
        assert b"Reply-To: app@example.com" in received.raw
        assert b"elsewhere.com" not in received.raw
