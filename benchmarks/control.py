"""How the benchmark talks to the processes that it starts: one JSON object a line, over their own stdin and stdout.

A process ends when its stdin does, so none outlives the benchmark, whatever becomes of it.
"""

import asyncio
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Facts = dict[str, Any]
_STOP_TIMEOUT = 10.0


class ProcessError(Exception):
    """A process of the benchmark ended or went silent; the text holds the end of what it logged."""


class Process:
    """A process that answers questions; used as a context manager it is ended on the way out."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self._log = log
        self._read = b""
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def ask(self, do: str, timeout: float, **request: object) -> Facts:
        """Ask for `do` and return the answer; raise `ProcessError` when none comes within `timeout` seconds."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
        except BrokenPipeError:
            raise self._error("has ended") from None
        return self.answer(timeout)

    def answer(self, timeout: float) -> Facts:
        """Return the next line that the process writes."""
        assert self._process.stdout is not None
        end = time.monotonic() + timeout
        while b"\n" not in self._read:
            readable, _, _ = select.select([self._process.stdout], [], [], max(end - time.monotonic(), 0))
            if not readable:
                raise self._error(f"has not answered for {timeout:.0f} s")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise self._error("has ended")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        answer: Facts = json.loads(line)
        return answer

    def _error(self, what: str) -> ProcessError:
        return ProcessError(f"the process '{self.name}' {what}.{end_of_log(self._log)}")


def end_of_log(log: Path) -> str:
    """Return the last lines of `log`, ready to be put after a message."""
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "".join(f"\n    {line}" for line in lines)


async def answer_questions(ready: Facts, answers: Mapping[str, Callable[[Facts], Awaitable[Facts]]]) -> None:
    """The other side: say `ready`, then answer each question with the function of its name, until stdin ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps(ready), flush=True)
    while line := await reader.readline():
        question = json.loads(line)
        print(json.dumps(await answers[question["do"]](question)), flush=True)
    pipe.close()
