"""The person at the terminal: what is said, asked and typed while something else may come first."""

import asyncio
import contextlib
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator

import click

from relay import log

_CHUNK = 64 * 1024


class TypedLines:
    """The lines of standard input, to be waited for beside something else.

    A thread of its own reads them: whoever reads a line cannot be stopped, and neither Ctrl-C nor an answer that came
    on another way is to wait for him.
    """

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._reader: threading.Thread | None = None

    async def next(self) -> str:
        """The next line, without its end. Raises EOFError when there are no more."""
        if self._reader is None:
            loop = asyncio.get_running_loop()
            self._reader = threading.Thread(target=self._read, args=(loop,), name="standard input", daemon=True)
            self._reader.start()
        line = await self._lines.get()
        if line is None:
            self._lines.put_nowait(None)  # who asks again hears the same
            raise EOFError
        return line

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            for line in _typed():
                loop.call_soon_threadsafe(self._lines.put_nowait, line)
            loop.call_soon_threadsafe(self._lines.put_nowait, None)


def _typed() -> Iterator[str]:
    """What is typed, line by line; nothing where there is no standard input.

    Past `sys.stdin`, whose lock a thread that still reads would keep when the process ends.
    """
    rest = b""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        while chunk := os.read(sys.stdin.fileno(), _CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from map(_text, whole)
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(sys.stdin.encoding or "utf-8", "replace")


class Terminal:
    """The person of a sign-in (`relay.oauth.consent.Person`). Without a browser a link is printed in its place."""

    def __init__(self, *, no_browser: bool, yes: bool) -> None:
        self._no_browser = no_browser
        self._yes = yes
        self._typed = TypedLines()
        self._unended = False

    def say(self, text: str) -> None:
        self._end_line()
        click.echo(text)

    def countdown(self, seconds: float) -> None:
        if sys.stdout.isatty():
            click.echo(f"\r{log.duration(seconds)} left   ", nl=False)
            self._unended = True

    async def open(self, link: str) -> bool:
        return not self._no_browser and await asyncio.to_thread(webbrowser.open, link)

    async def paste(self) -> str:
        return await self.ask("The address that the browser shows")

    async def ask(self, question: str) -> str:
        """What is typed. Raises ConsentError where nobody can type."""
        from relay.oauth.consent import ConsentError  # noqa: PLC0415 (loads what the other commands do not need)

        self._end_line()
        click.echo(f"{question}: ", nl=False)
        self._unended = True
        try:
            answer = await self._typed.next()
        except EOFError:
            self._end_line()
            raise ConsentError(
                "nothing was kept: there is a question, and standard input has ended. Run the command in a terminal"
            ) from None
        self._unended = False
        return answer

    async def confirm(self, question: str) -> bool:
        return self._yes or (await self.ask(f"{question} [y/N]")).strip().lower() in ("y", "yes")

    def _end_line(self) -> None:
        """Begin a new line where a question or a countdown stands on this one."""
        if self._unended:
            click.echo()
            self._unended = False
