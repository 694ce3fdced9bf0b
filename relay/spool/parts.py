"""A message that is split: several in the queue with one body, committed together."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from relay import disk
from relay.model import MemoryBody
from relay.spool.rows import Submission
from relay.spool.upload import FileBody, Upload


def whole(upload: Upload, submission: Submission) -> list[tuple[str, Submission]]:
    """The messages that it stands for, each with its name."""
    return [(upload.id, submission), *((part.id, part) for part in submission.parts)]


def bodies(upload: Upload, names: Sequence[str]) -> list[MemoryBody | FileBody]:
    """A body for each, durable when this returns: a file has a name for each message. Blocks; raises OSError."""
    if not upload.in_file:
        return [MemoryBody(upload.data, upload.dots)] * len(names)
    paths = [upload.path.with_name(name) for name in names]
    for path in paths:
        if path != upload.path:
            _link(upload.path, path)
    disk.sync_folder(upload.path.parent)
    return [FileBody(path, upload.size, upload.dots) for path in paths]


def forget(upload: Upload, names: Sequence[str]) -> None:
    """Remove the files that `bodies` has made. Blocks."""
    for name in names:
        with contextlib.suppress(OSError):
            upload.path.with_name(name).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        with source.open("rb") as original, target.open("xb") as copy:
            shutil.copyfileobj(original, copy)
            disk.sync(copy)
        target.chmod(0o600)
