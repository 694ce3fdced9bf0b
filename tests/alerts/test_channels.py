"""The ways to people: a real server, real programs, and what goes wrong with each."""

import asyncio
import itertools
import json
import os
import time
from pathlib import Path

import pytest

from relay.alerts import Alert, Level
from relay.alerts.channels import ChannelError, Command, Webhook
from relay.alerts.outbox import WAITS
from relay.config import Secret
from tests.alerts.conftest import DAY, NOW, SECRET, Tower, program

ALERT = Alert(
    key="client_secret:office",
    event="expires",
    level=Level.WARNING,
    kind="client_secret",
    name="office",
    text='the client secret of the account office runs out in 7 days; $HOME `id` "quoted" ü',
    action="Make a new one.",
    at=NOW,
    until=NOW + 7 * DAY,
)
WRITE = """
import json, os, sys
told = {name: value for name, value in os.environ.items()}
with open(sys.argv[1], "a") as file:
    file.write(json.dumps({"argv": sys.argv[2:], "stdin": json.load(sys.stdin), "environ": told}) + "\\n")
"""


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_a_program_hears_it_in_both_ways(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [str(program(tmp_path, WRITE)), str(out), "$HOME", "; rm -rf x", "a b"]
    environ = {"PATH": os.environ["PATH"], "RELAY_ACCOUNTS__OFFICE__OAUTH__CLIENT_SECRET": "s3cret", "OTHER": "kept"}
    await Command(arguments, "relay.test", environ=environ).tell(ALERT)
    (told,) = lines(out)
    assert told["argv"] == ["$HOME", "; rm -rf x", "a b"], "no shell has seen them"
    assert told["stdin"] == ALERT.as_json("relay.test")
    environ = told["environ"]  # type: ignore[assignment]
    assert environ["ALERT_EVENT"] == "expires"
    assert environ["ALERT_DAYS_LEFT"] == "7"
    assert environ["ALERT_TEXT"] == f"{ALERT.text}. Make a new one."
    assert environ["OTHER"] == "kept"
    assert not [name for name in environ if name.startswith("RELAY_")], (
        "a secret of the relay's is none of its business"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise SystemExit(3)", "ended with 3"),
        ("import sys; sys.exit('no \\x1b[2J paper')", "ended with 1: no \\x1b[2J paper"),
        ("import sys; sys.stderr.write('x' * 1000 + 'the end'); sys.exit(1)", "xxxthe end"),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
    ],
)
async def test_a_program_that_fails(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ChannelError) as caught:
        await Command([str(program(tmp_path, text))], "relay.test").tell(ALERT)
    assert says in str(caught.value)
    assert "page-me" in str(caught.value)
    assert len(str(caught.value)) < 700
    assert str(caught.value).isprintable()


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="nothing-here cannot be started: No such file or directory"):
        await Command([str(tmp_path / "nothing-here")], "relay.test").tell(ALERT)


async def test_a_program_that_does_not_end_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    text = (
        f"import os, time\nif os.fork() == 0:\n    open({str(alive)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    with pytest.raises(ChannelError, match="did not end within 1 seconds and was stopped"):
        await Command([str(program(tmp_path, text))], "relay.test", seconds=1).tell(ALERT)
    child = int(alive.read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and running(child):
        await asyncio.sleep(0.01)
    assert not running(child)


def running(process: int) -> bool:
    """Whether a process is there and no zombie that waits for its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_that_leaves_something_running_has_ended(tmp_path: Path) -> None:
    text = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(3)\n"
    started = time.monotonic()
    await Command([str(program(tmp_path, text))], "relay.test").tell(ALERT)
    assert time.monotonic() - started < 3


async def test_a_webhook_that_refuses(tower: Tower) -> None:
    webhook = Webhook(Secret(value=tower.listener.address), tower.http, "relay.test")
    for status in (301, 404, 500):
        tower.listener.statuses = [status]
        with pytest.raises(ChannelError, match=f"it answered {status}: busy"):
            await webhook.tell(ALERT)
    await webhook.tell(ALERT)
    assert tower.listener.heard == [ALERT.as_json("relay.test")]


async def test_a_webhook_that_is_not_there_or_whose_file_is_gone(tower: Tower) -> None:
    for secret in (Secret(value="http://127.0.0.1:1/s3cret"), Secret(file=tower.folder / "gone")):
        with pytest.raises(ChannelError) as caught:
            await Webhook(secret, tower.http, "relay.test").tell(ALERT)
        assert "s3cret" not in str(caught.value)


async def test_what_fails_is_tried_again_and_given_up_in_the_end(
    tower: Tower, caplog: pytest.LogCaptureFixture
) -> None:
    tower.listener.statuses = [500] * 100
    text = f'{SECRET}client_secret_expires = "2027-01-20"\n'
    out = tower.folder / "out"
    alerts = f'webhook = "{tower.listener.address}"\ncommand = ["{program(tower.folder, WRITE)}", "{out}"]'
    tried = []
    radar = tower.radar(text, alerts)
    for minute in range(12 * 60):
        left = len(tower.listener.statuses)
        await radar.look()
        if len(tower.listener.statuses) < left:
            tried.append(minute * 60)
        tower.clock.now += 60
        if minute == 20:
            radar = tower.radar(text, alerts)  # a restart forgets nothing of it
    waits = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert waits == list(WAITS)
    assert len(lines(out)) == 1, "the other way has told it long ago"
    assert "given up" in caplog.text
    assert "s3cret" not in caplog.text
    assert radar._memory.waiting == []


async def test_what_waits_for_a_way_that_was_removed_is_dropped(tower: Tower) -> None:
    tower.listener.statuses = [500]
    text = f'{SECRET}client_secret_expires = "2027-01-20"\n'
    await tower.radar(text).look()
    await tower.radar(text, 'paused_after = "1h"').look()
    await tower.radar(text).look()
    assert tower.listener.heard == []


async def test_an_alert_survives_being_kept() -> None:
    assert Alert.loaded(json.loads(json.dumps(ALERT.saved()))) == ALERT


async def test_a_way_that_fails_is_asked_once_for_all_that_wait(tower: Tower) -> None:
    tower.listener.statuses = [500] * 2
    accounts = [SECRET.replace("office", name) for name in ("one", "two", "three")]
    clients = '[clients.app]\nnetworks = ["127.0.0.1"]\naccount = "one"\n'
    text = "".join(f'{account}client_secret_expires = "2027-01-20"\n' for account in accounts)
    radar = tower.radar(text + clients)
    await radar.look()
    assert len(tower.listener.statuses) == 1
    await radar.look()
    assert tower.listener.statuses == []
    await radar.look()
    assert [one["name"] for one in tower.listener.heard] == ["three"]
    tower.clock.now += WAITS[0]
    await radar.look()
    assert sorted(one["name"] for one in tower.listener.heard) == ["one", "three", "two"]
