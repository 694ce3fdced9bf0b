"""Where things are when nobody says: the configuration file, the state folder, the database."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAM = "smtp-oauth-relay"
FILE_NAME = "relay.toml"


def home(environ: Mapping[str, str]) -> Path:
    """The user's own folder. A service may have none: then the current one stands in."""
    if found := environ.get("HOME") or environ.get("USERPROFILE"):
        return Path(found)
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def expanded(text: str) -> Path:
    """`text` as a path, a leading ~ replaced. Raises ValueError."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, but this user has no home folder: write the whole path") from None


def candidates(environ: Mapping[str, str]) -> list[Path]:
    """The files that are looked for without `--config` and RELAY_CONFIG, best first."""
    folders = [Path()]
    # systemd, ConfigurationDirectory=: several folders are separated by colons.
    folders += [Path(one) for one in environ.get("CONFIGURATION_DIRECTORY", "").split(":") if one]
    if sys.platform == "win32":
        folders += [Path(environ[key]) / PROGRAM for key in ("APPDATA", "PROGRAMDATA") if environ.get(key)]
    else:
        folders += [_xdg(environ, "XDG_CONFIG_HOME", ".config"), Path("/etc") / PROGRAM]
    return [folder / FILE_NAME for folder in folders]


def state_folder(environ: Mapping[str, str], *, root: bool | None = None) -> Path:
    """The folder for the queue and everything else that outlives a restart.

    systemd's STATE_DIRECTORY wins; `root` (by default: whether this process is) uses the system's folder.
    """
    if found := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(found)
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home(environ)) / PROGRAM
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib") / PROGRAM
    return _xdg(environ, "XDG_STATE_HOME", ".local/state")


def database(text: str) -> str:
    """`sqlite:///` and a path from the root. Raises ValueError, which quotes nothing: such URLs hold passwords."""
    path = text.removeprefix("sqlite:///")
    if path == text:
        raise ValueError('is no database of this version: write "sqlite:////var/lib/smtp-oauth-relay/relay.db"')
    if not Path(path).is_absolute():
        raise ValueError('needs the whole path, from the root: write "sqlite:////var/lib/smtp-oauth-relay/relay.db"')
    return text


def _xdg(environ: Mapping[str, str], variable: str, otherwise: str) -> Path:
    """A folder of the XDG base directory specification, which says to ignore relative ones."""
    base = Path(environ.get(variable, ""))
    return (base if base.is_absolute() else home(environ) / otherwise) / PROGRAM
