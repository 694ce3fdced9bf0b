"""Memory that only circles hold is given back in time, however few its objects are."""

import asyncio
import contextlib
import gc
import platform
import subprocess
import sys
import weakref

import pytest

from relay.service import garbage
from tests.support.clock import FakeClock


class Connection:
    """Refers to itself, as a TLS connection and its transport do."""

    def __init__(self) -> None:
        self.me = self
        self.buffer = bytearray(256 * 1024)


async def test_an_ended_connection_is_let_go() -> None:
    clock = FakeClock()
    task = asyncio.create_task(garbage.collect(clock))
    await clock.settle()
    gc.disable()  # or chance could do it before
    try:
        for _ in range(2):
            ended = weakref.ref(Connection())
            assert ended() is not None
            await clock.advance(garbage.EVERY)
            assert ended() is None
    finally:
        gc.enable()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


LARGE_BLOCKS = """
import ctypes
from relay.service.garbage import keep_large_blocks_apart

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks".split()]
    _fields_ += [("fordblks", ctypes.c_int), ("keepcost", ctypes.c_int)]

library = ctypes.CDLL(None)
library.mallinfo.restype = Mallinfo
if {apart}:
    keep_large_blocks_apart()
bytearray(1_000_000)  # once one has been freed, those of its size go among the small ones
before = library.mallinfo().hblks
held = [bytearray(300_000) for _ in range({many})]
print(library.mallinfo().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own habit")
@pytest.mark.parametrize("apart", [True, False])
def test_large_blocks_have_pages_of_their_own(apart: bool) -> None:
    many = 50  # the interpreter may take or give back a block of its own meanwhile
    program = LARGE_BLOCKS.format(apart=apart, many=many)
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert (int(done.stdout) > many / 2) is apart


STARTED = """
import atexit, gc, sys
atexit.register(lambda: print(gc.isenabled()))
sys.argv = ["relay", "--version"]
from relay.__main__ import main
main()
"""


def test_the_program_looks_for_garbage_once_it_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
