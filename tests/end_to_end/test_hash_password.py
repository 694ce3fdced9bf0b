"""`relay hash-password` in a script: the password on its input, the hash on its output, nothing else."""

import os
import subprocess
import sys

import argon2
import pytest

from tests.support.source import ROOT


def hashed(typed: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "relay", "hash-password"]
    return subprocess.run(command, input=typed, env=environ, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nanother line\n"])
def test_the_first_line_is_the_password(end: str) -> None:
    password = 'a "b" <c>&%$é '
    done = hashed(password + end)
    assert (done.returncode, done.stderr) == (0, "")
    assert argon2.PasswordHasher().verify(done.stdout.strip(), password)


def test_nothing_is_no_password() -> None:
    done = hashed("\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "relay: the password is empty: write it on the first line of the input\n"
