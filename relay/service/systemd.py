"""What systemd hears of the relay (sd_notify(3), the protocol of a unit with `Type=notify`).

What stands behind the relay is then started when mail is taken, not when the process exists. Started by anything else
there is no $NOTIFY_SOCKET, and nothing is told.
"""

import os
import socket
import sys

from relay import log


def ready(status: str) -> None:
    """Mail is taken; `status` is what `systemctl status` shows."""
    _tell(f"READY=1\nSTATUS={status}")


def stopping() -> None:
    """No new mail is taken."""
    _tell("STOPPING=1\nSTATUS=deliveries under way are finished")


def _tell(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform == "win32" or not address:
        return
    if address.startswith("@"):  # a name without a file (unix(7), abstract)
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
            messenger.sendto(state.encode(), address)
    except OSError as error:
        log.service.systemd_not_told(str(error))
