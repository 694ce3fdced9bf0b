"""Standard output, which can be a full disk, or closed: what could not be written there is told in one line."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relay.cli.common import fail


class _Watched(io.FileIO):
    """A file that remembers why it took something not. Kept here, as the error itself may be caught on its way."""

    trouble: OSError | None = None
    let_go = False
    """From then on everything is taken, and kept nowhere: Python's own last flush has nothing to complain of."""

    def write(self, data: Any, /) -> int:
        if self.let_go:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.trouble = error
            raise


class _Closed(_Watched):
    """In place of a standard output that was closed before the start: its number may be another file's by now."""

    def __init__(self) -> None:
        super().__init__(os.open(os.devnull, os.O_WRONLY), "wb", closefd=False)

    def write(self, data: Any, /) -> int:
        if self.let_go:
            return len(data)
        self.trouble = OSError(errno.EBADF, "it is closed")
        raise self.trouble


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """End with exit code 1 when something that was printed within did not arrive.

    Which place it was and why is one line on standard error. Who reads from a pipe and has seen enough, as `head` has,
    is told nothing.
    """
    if sys.stdin is None:  # nothing can be read from one that was closed, either
        sys.stdin = open(os.open(os.devnull, os.O_RDONLY), closefd=False)  # noqa: SIM115 (a number, to the end)
    output = _open()
    if output is None:
        yield
        return
    before, encoding = sys.stdout, sys.stdout.encoding if sys.stdout else None
    sys.stdout = stream = io.TextIOWrapper(io.BufferedWriter(output), encoding, line_buffering=output.isatty())
    try:
        yield
    except OSError:
        if output.trouble is None:
            raise
    finally:
        # Whatever else there is to say has been said; only an error of our own goes on.
        with contextlib.suppress(OSError):
            stream.flush()
        output.let_go, sys.stdout = True, before
        if isinstance(sys.exception(), OSError | SystemExit | None) and output.trouble is not None:
            _tell(output.trouble)


@contextlib.contextmanager
def naming(place: Path) -> Iterator[None]:
    """An error of the system that names no file, as when a disk is full, is told of `place`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(place)
        raise


def _open() -> _Watched | None:
    """Standard output, to be watched; None where it is nothing of the kind: the console of Windows."""
    if sys.stdout is None:
        return _Closed()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", getattr(sys.stdout, "buffer", None))
    return _Watched(sys.stdout.fileno(), "wb", closefd=False) if isinstance(raw, io.FileIO) else None


def _tell(trouble: OSError) -> None:
    if isinstance(trouble, BrokenPipeError):
        sys.exit(1)
    fail(f"the output cannot be written: {trouble.strerror}. Print it to a place that is open and has room")
