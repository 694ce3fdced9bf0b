"""The folder in which the relay keeps what it must not lose: made, and looked at."""

import os
from pathlib import Path

from relay import log
from relay.database.sqlite_errors import owner_of
from relay.service.errors import StartError


def make_state_folder(folder: Path, key: str = "state_folder") -> Path:
    """The folder, private to its user. Raises StartError naming it and the next step: another one for `key`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "this user may not write there")
    except FileExistsError as error:
        text = f"{folder} is a file, and a folder is needed: set {key} to another place, or move the file away"
        raise StartError(text) from error
    except OSError as error:
        raise StartError(
            f"the folder {folder} cannot be used: {error.strerror}. "
            f"Set {key} to a folder that this user may write, or change its owner{owner_of(folder)}"
        ) from error
    return folder


def log_loose_mode(folder: Path) -> None:
    """Tell of a state folder that others may look into; it may be theirs, so it is left as it is."""
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        log.service.warned(f"the state folder {folder} is open to other users: chmod 700 {folder}")
