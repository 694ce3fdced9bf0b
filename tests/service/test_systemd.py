"""A relay under systemd tells when mail is taken and when it stops."""

import socket
from pathlib import Path

from tests.support.process import PATIENCE, QUIET, relay


def test_systemd_hears_when_mail_is_taken_and_when_no_more(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)
        with relay(tmp_path, "serve", environ={**QUIET, "NOTIFY_SOCKET": str(tmp_path / "notify")}) as process:
            told = systemd.recv(4096).decode().splitlines()
            assert told[0] == "READY=1"
            assert told[1].startswith("STATUS=mail for sink is taken at 127.0.0.1:")
            socket.create_connection(("127.0.0.1", process.port), PATIENCE).close()
            process.stop()
            assert systemd.recv(4096).decode().splitlines()[0] == "STOPPING=1"


def test_mail_is_taken_though_nobody_listens_for_the_news(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ={**QUIET, "NOTIFY_SOCKET": str(tmp_path / "nobody")}) as process:
        assert "NOTIFY_SOCKET" in process.wait_for("systemd")["message"]
        socket.create_connection(("127.0.0.1", process.port), PATIENCE).close()
