"""Profiles of the relay while it is measured: by py-spy where it is installed, by cProfile otherwise.

py-spy looks from outside and slows the relay little. cProfile counts calls, sees the main thread only and slows the
relay much: read its profile for the shares, and take no figures from such a run.
"""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_STOP_TIMEOUT = 30.0


def profiled(command: Sequence[str], output: Path) -> list[str]:
    """Return `command`, a Python program, as it must be started to be profiled into `output` plus a suffix."""
    if shutil.which("py-spy"):
        return list(command)
    python, *arguments = command
    return [python, "-m", "cProfile", "-o", str(output.with_suffix(".prof")), *arguments]


@contextlib.contextmanager
def watched(pid: int, output: Path) -> Iterator[None]:
    """Let py-spy, if there is one, watch the process `pid` during the block."""
    spy = shutil.which("py-spy")
    if not spy:
        yield
        return
    command = [spy, "record", "--pid", str(pid), "--duration", "unlimited", "--output", str(output.with_suffix(".svg"))]
    with output.with_suffix(".log").open("wb") as log:
        watcher = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        # It writes its output when it is interrupted.
        watcher.send_signal(signal.SIGINT)
        try:
            watcher.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            watcher.kill()
            watcher.wait()
