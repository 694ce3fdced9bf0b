"""`relay queue ...` with hundreds of messages: every filter as it is typed, questions and progress at a terminal."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from relay.cli import main
from relay.model import Origin
from tests.support import spool as support
from tests.support.process import PATIENCE, clean_environ
from tests.support.spool import put, submission

pty = pytest.importorskip("pty", reason="a terminal to type at is there on Unix only")

MANY = 150
_CONFIG = """
state_folder = "{folder}/state"
[clients.crm]
networks = ["127.0.0.0/8"]
account = "office"
senders = ["*"]
[accounts.office]
provider = "smtp"
host = "localhost"
[accounts.hub]
provider = "smtp"
host = "hub.example.com"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A queue with MANY newsletters an hour old, and one invoice of now through another account."""
    return filled(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all who only look."""
    return filled(tmp_path_factory.mktemp("queue"))


def filled(folder: Path) -> Path:
    (folder / "relay.toml").write_text(_CONFIG.format(folder=folder))
    (folder / "state").mkdir(mode=0o700)
    asyncio.run(_fill(folder / "state"))
    return folder


async def _fill(state: Path) -> None:
    now = time.time()
    async with support.opened(state) as spool:
        letters = [submission(f"n{number}@news.example", now=now - 3600 + number / 1000) for number in range(MANY)]
        await asyncio.gather(*(put(spool, letter) for letter in letters))
        invoice = submission("customer@x.org", account="hub", now=now, sender="erp@example.com")
        await put(spool, replace(invoice, origin=Origin("erp", "default", "127.0.0.1"), message_id="<invoice@erp>"))


def queue(folder: Path, *arguments: str) -> Any:
    """What `relay queue ... --json` says, without a process for each question."""
    command, *rest = arguments
    environ = {name: None for name in os.environ if name.startswith(("RELAY_", "STATE_DIRECTORY"))}
    arguments = ("queue", command, "--config", str(folder / "relay.toml"), *rest, "--json")
    result = CliRunner(env=environ).invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ((), MANY + 1),
        (("--account", "hub"), 1),
        (("--account", "office"), MANY),
        (("--client", "erp"), 1),
        (("--sender", "erp@example.com"), 1),
        (("--sender", "@example.com"), MANY + 1),
        (("--recipient", "@news.example"), MANY),
        (("--recipient", "n7@news.example"), 1),
        (("--state", "queued"), MANY + 1),
        (("--state", "held", "--state", "failed"), 0),
        (("--older", "30m"), MANY),
        (("--newer", "30m"), 1),
        (("--older", "30m", "--client", "erp"), 0),
        (("--limit", "3"), 3),
        (("<invoice@erp>",), 1),
        (("invoice@erp", "--account", "hub"), 1),
        (("invoice@erp", "--account", "office"), 0),
    ],
    ids=str,
)
def test_a_filter_as_it_is_typed(shared: Path, filters: tuple[str, ...], count: int) -> None:
    assert len(queue(shared, "list", *filters)) == count


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "\udcff"), "no UTF-8"),
        (("drop", "\udcff", "--yes"), "no UTF-8"),
        (("list", "--sender", "\udcff"), "no UTF-8"),
        (("hold", "--client", "a\udcff"), "no UTF-8"),
        (("list", "--limit", "9" * 20), "not in the range"),
        (("export", "--all", "--to", "{folder}/relay.toml"), "name a folder"),
        (("export", "--all", "--format", "maildir", "--to", "{folder}/relay.toml"), "name a folder"),
        (("export", "--all", "--format", "mbox", "--to", "{folder}/state"), "name a file"),
    ],
    ids=ascii,
)
def test_what_cannot_be_is_a_sentence_and_no_traceback(shared: Path, arguments: tuple[str, ...], told: str) -> None:
    command, *rest = (each.replace("{folder}", str(shared)) for each in arguments)
    result = CliRunner().invoke(main, ("queue", command, "--config", str(shared / "relay.toml"), *rest))
    assert (result.exit_code, told in " ".join(result.output.split())) == (2, True), result.output


@pytest.mark.parametrize("command", ["list", "hold"])
def test_a_filter_with_a_name_that_nobody_has_is_told(shared: Path, command: str) -> None:
    common = ("queue", command, "--config", str(shared / "relay.toml"))
    result = CliRunner().invoke(main, (*common, "--account", "ofice"))
    told = 'no message fits: the configuration has no account "ofice": did you mean office?\n'
    assert (result.exit_code, told in result.output) == (0, True), result.output
    result = CliRunner().invoke(main, (*common, "--account", "office", "--sender", "nobody@x.org"))
    assert (result.exit_code, "no message fits\n" in result.output) == (0, True), result.output


def test_a_place_that_cannot_be_written_is_named(shared: Path) -> None:
    target = shared / "relay.toml" / "saved"
    arguments = ("queue", "export", "--config", str(shared / "relay.toml"), "--all", "--to", str(target))
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, str(target) in result.output, "this user may write" in result.output) == (1, True, True)


def test_the_summary_tells_identity_and_age(shared: Path) -> None:
    by_account = {each["account"]: each for each in queue(shared, "list", "--summary")}
    assert by_account["office"]["messages"] == MANY
    assert by_account["hub"]["messages"] == 1
    assert by_account["hub"]["ages"]["up to 5m"] == 1
    assert by_account["office"]["ages"]["up to 5m"] == 0
    assert by_account["office"]["identity"] != by_account["hub"]["identity"]


@pytest.mark.parametrize(("answer", "left"), [("n\n", MANY + 1), ("y\n", 1)])
def test_a_terminal_is_asked_and_shown_how_far_it_is(folder: Path, answer: str, left: int) -> None:
    code, said = at_a_terminal(folder, answer, "drop", "--account", "office")
    assert f"Drop {MANY} messages? [y/N]" in said
    assert (code, "nothing was changed" in said) == ((1, True) if left > 1 else (0, False))
    assert (f"{MANY} messages" in said.partition("[y/N]")[2] and "100%" in said) is (left == 1)
    assert len(queue(folder, "list")) == left
    if left == 1:
        assert "and 130 more" in said


def at_a_terminal(folder: Path, answer: str, *arguments: str) -> tuple[int, str]:
    """Run `relay queue` at a terminal where somebody types `answer`: (exit code, what could be seen)."""
    command, *rest = arguments
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "relay", "queue", command, "--config", "relay.toml", *rest],
        cwd=folder,
        env=clean_environ(folder) | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = bytearray()
    with closing(os.fdopen(ours, "r+b", buffering=0)) as terminal:
        try:
            while data := terminal.read(4096):
                seen += data
                if b"[y/N]" in seen and answer:
                    terminal.write(answer.encode())
                    answer = ""
        except OSError:
            pass  # Linux says so when nobody has the other end any more
    return process.wait(PATIENCE), seen.decode()
