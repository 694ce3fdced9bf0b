"""The folder in which the relay keeps what it must not lose: made, and looked at."""

import os
from pathlib import Path

from relay import log
from relay.service.errors import StartError


def make_state_folder(folder: Path) -> Path:
    """The state folder, private to its user. Raises StartError naming it and the next step."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "this user may not write there")
    except OSError as error:
        raise StartError(
            f"the state folder {folder} cannot be used: {error.strerror}. "
            "Set state_folder to a folder that this user may write, or change its owner"
        ) from error
    return folder


def log_loose_mode(folder: Path) -> None:
    """Tell of a state folder that others may look into; it may be theirs, so it is left as it is."""
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        log.service.warned(f"the state folder {folder} is open to other users: chmod 700 {folder}")
