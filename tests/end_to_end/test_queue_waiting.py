"""Mail that waits though it was never tried: the commands say what it waits for, and what to do."""

import json
from pathlib import Path
from typing import Any

from relay.sandbox import Fault
from tests.support.process import run
from tests.support.way import ANYONE, Way, message, send, way


def queue(at: Way, *arguments: str) -> str:
    command, *rest = arguments
    code, output = run(at.folder, "queue", command, "--config", str(at.folder / "relay.toml"), *rest)
    assert code == 0, output
    return output


def test_the_commands_tell_which_mailbox_is_in_trouble_and_what_to_do(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        at.stand_in.sandbox.faults.add(Fault(kind="auth_refused"))
        with at.relay(clients=ANYONE, queue='retry = ["1h"]') as process:
            send(process, message("The first").as_bytes())
            first = process.wait_for("deferred")["id"]
            send(process, message("The second").as_bytes())
            second = process.wait_for("queued", 2)["id"]

            listed = queue(at, "list")
            assert "    waits for its mailbox: 535 5.7.3 Authentication unsuccessful" in listed
            assert f"is in trouble: {first} was tried " in listed
            assert "`relay doctor office`" in listed.partition("is in trouble")[2]
            assert "is in trouble" in queue(at, "list", "--summary")
            assert "no relay is at work" not in listed
            shown = queue(at, "show", second)
            assert f"  waits      its mailbox is in trouble, {first} was tried " in shown
            assert "  next try   as soon as its mailbox may send\n" in shown
            assert "`relay doctor office`" in shown
            facts: dict[str, Any] = {each["id"]: each for each in json.loads(queue(at, "list", "--json"))}
            assert facts[second]["mailbox_trouble"].startswith("535 5.7.3")
            assert "`relay doctor office`" in facts[second]["mailbox_trouble"]
            assert facts[first]["mailbox_trouble"] is None
            assert facts[first]["reason"].startswith("535 5.7.3")
            (told,) = json.loads(queue(at, "show", second, "--json"))
            assert told["mailbox_trouble"] == facts[second]["mailbox_trouble"]
        # It was stopped: nobody sends any more.
        told_so = "no relay is at work here: mail goes out once `relay serve` runs with this configuration"
        assert told_so in queue(at, "list")
        assert told_so in queue(at, "show", second)

        at.stand_in.sandbox.faults.clear()
        with at.relay(clients=ANYONE, queue='retry = ["1h"]') as process:
            at.wait_received(2)
            process.wait_for("sent", id=second)
            assert "in trouble" not in queue(at, "list")
