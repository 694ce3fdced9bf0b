"""What becomes of the commands' output where it has no place: one line, an exit code, and never a trace."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import spool as support
from tests.support.process import PATIENCE, clean_environ
from tests.support.spool import put, submission

FULL = Path("/dev/full")
ROOM = 64 * 1024
"""Octets that a file may have where a disk is to be full."""


def started(
    folder: Path, *arguments: str, stdout: int | None, prepare: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Run a command with this standard output: (exit code, what it said on standard error)."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "relay", *arguments],
        cwd=folder,
        env=clean_environ(folder),
        input="a password\n",
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
        preexec_fn=prepare,
    )
    return done.returncode, done.stderr


@pytest.fixture
async def mail(tmp_path: Path) -> Path:
    """A folder in which commands find a queue of three messages."""
    (tmp_path / "state").mkdir(mode=0o700)
    async with support.opened(tmp_path / "state") as spool:
        for _ in range(3):
            await put(spool, submission(now=1.0), b"x" * ROOM * 2 + b"\r\n")
    return tmp_path


COMMANDS = [("check",), ("config", "show", "--json"), ("queue", "list"), ("--help",)]


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_place_is_told_in_one_line(mail: Path, arguments: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        code, said = started(mail, *arguments, stdout=full.fileno())
    assert (code, said.count("\n")) == (1, 1), said
    assert "relay: the output cannot be written: No space left on device. Print it to a place" in said


@pytest.mark.parametrize("arguments", [("check",), ("queue", "list", "--json")], ids=" ".join)
def test_who_has_seen_enough_ends_it_in_silence(mail: Path, arguments: tuple[str, ...]) -> None:
    theirs, ours = os.pipe()
    os.close(theirs)  # as `head` does
    try:
        assert started(mail, *arguments, stdout=ours) == (1, "")
    finally:
        os.close(ours)


@pytest.mark.parametrize("arguments", [("hash-password",), ("queue", "list")], ids=" ".join)
def test_an_output_that_is_closed_is_told(mail: Path, arguments: tuple[str, ...]) -> None:
    code, said = started(mail, *arguments, stdout=None, prepare=lambda: os.close(1))
    assert (code, said) == (
        1,
        "relay: the output cannot be written: it is closed. Print it to a place that is open and has room\n",
    )


def test_an_input_that_is_closed_is_empty(tmp_path: Path) -> None:
    code, said = started(tmp_path, "hash-password", stdout=subprocess.DEVNULL, prepare=lambda: os.close(0))
    assert (code, said) == (1, "relay: the password is empty: write it on the first line of the input\n")


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def enter() -> None:
        os.chdir(gone)
        gone.rmdir()

    code, said = started(tmp_path, "check", stdout=subprocess.DEVNULL, prepare=enter)
    assert (code, "relay: the current folder cannot be used: " in said, "Traceback" in said) == (1, True, False), said


@pytest.mark.parametrize("form", ["eml", "mbox", "maildir"])
def test_a_full_disk_is_named_by_the_export(mail: Path, form: str) -> None:
    target = mail / "saved"

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))

    arguments = ("queue", "export", "--all", "--format", form, "--to", str(target))
    code, said = started(mail, *arguments, stdout=subprocess.DEVNULL, prepare=fill)
    assert code == 1, said
    assert f"relay: {target}: File too large: see that this user may write there, and has room\n" in said
    assert "Traceback" not in said
