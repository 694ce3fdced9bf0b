"""A message is never held more than twice, on its whole way: measured as what the relay's process grows by."""

import re
from pathlib import Path

import pytest

from tests.support.large import scan_to_mail
from tests.support.process import RelayProcess
from tests.support.way import message, send, way

SIZE = 12 * 1024 * 1024
"""Octets of the message; its attachment has three quarters of that, before base64."""


def peak(process: RelayProcess) -> int:
    """The most octets in memory since `forget_peak()`."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def forget_peak(process: RelayProcess) -> None:
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


@pytest.mark.parametrize("via", ["smtp", "graph"])
def test_what_a_large_message_takes(tmp_path: Path, via: str) -> None:
    with way(tmp_path) as one, one.relay(via=via) as process:
        send(process, message().as_bytes())  # what is loaded at the first message is no part of it
        process.wait_for("sent")
        forget_peak(process)
        before = peak(process)
        send(process, scan_to_mail(SIZE * 3 // 4).as_bytes())
        process.wait_for("sent", 2)
        grown = peak(process) - before
        assert grown < 2 * SIZE, f"{grown / SIZE:.1f} times the message"
