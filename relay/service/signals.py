"""The signals that a relay obeys: stop, stop at once, read the configuration again."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable


def obey(stop: Callable[[], None], hang_up: Callable[[], None]) -> None:
    """Call `stop` for each SIGTERM and SIGINT, and `hang_up` for SIGHUP, in the running loop.

    SIGHUP has two meanings: an administrator's wish, and the end of the terminal that the relay was started in. Where
    that has gone it is a wish to stop, unless the relay was started with nohup.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, stop)
    if sys.platform == "win32":
        return
    may_lose_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def hung_up() -> None:
        if may_lose_terminal and not _has_terminal():
            stop()
        else:
            hang_up()

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one that has come meanwhile is heard now


def all_is_done() -> None:
    """The process is about to end by itself: no signal is to cut that short, or to leave a traceback behind."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
