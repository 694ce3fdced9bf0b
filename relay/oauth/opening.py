"""The store of sign-ins for a command: beside a relay that serves, or before the first one."""

import contextlib
import os
from collections.abc import AsyncIterator

from relay.config import Settings
from relay.database import StorageError
from relay.database.lock import LockFile
from relay.database.sqlite import SqliteDatabase
from relay.oauth.store import ConsentStore
from relay.seal import Sealer


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[ConsentStore]:
    """The sign-ins of `settings`. The schema is brought up to date only while no relay serves.

    Raises StorageError when the state folder or the database cannot be used.
    """
    os.umask(0o077)
    try:
        settings.state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = _database(settings)
    except FileExistsError as error:
        text = (
            f"the state folder {settings.state_folder} is a file: set state_folder to a folder, or move the file away"
        )
        raise StorageError(text) from error
    except OSError as error:
        raise StorageError(
            f"the state folder {settings.state_folder} cannot be used: {error.strerror}. Run the command as the user "
            "that the relay runs as, or set state_folder to a folder that this user may write"
        ) from error
    try:
        yield ConsentStore(database, Sealer(settings.store, settings.store_key_file))
    finally:
        await database.close()
        _hand_over(settings)


def _hand_over(settings: Settings) -> None:
    """What root has made beside a service belongs to the service's user, who has to read it: the folder's owner."""
    if os.name != "posix" or os.geteuid() != 0:
        return
    owner = settings.state_folder.stat()
    for file in settings.state_folder.iterdir():
        if file.is_file() and not file.is_symlink() and file.stat().st_uid != owner.st_uid:
            os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _database(settings: Settings) -> SqliteDatabase:
    lock = LockFile(settings.lock_file)
    try:
        lock.acquire()
    except StorageError:
        return SqliteDatabase(settings.database_file, migrate=False)
    try:
        return SqliteDatabase(settings.database_file)
    finally:
        lock.release()
