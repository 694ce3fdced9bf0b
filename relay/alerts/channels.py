"""The ways to people: a JSON object posted to an address, and a program that is started.

Each has a deadline of its own and says in one line why it failed. Neither is handed a secret, and the program does not
get those that the relay's environment may hold.
"""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from typing import Protocol

from relay.alerts.alert import Alert
from relay.config import Secret, SecretError
from relay.http import HttpClient, HttpError
from relay.log import clean

WEBHOOK_SECONDS = 15.0
COMMAND_SECONDS = 30.0
_TAIL = 300
_LARGEST_ANSWER = 64 * 1024


class ChannelError(Exception):
    """Nobody was told; the text says why, in one line."""


class Channel(Protocol):
    """One way to tell people."""

    name: str

    async def tell(self, alert: Alert) -> None:
        """Raises ChannelError."""
        ...


class Webhook:
    """Posts the alert; any answer from 200 to 299 means that it was taken."""

    name = "webhook"

    def __init__(self, address: Secret, http: HttpClient, hostname: str) -> None:
        self._address = address
        self._http = http
        self._hostname = hostname

    async def tell(self, alert: Alert) -> None:
        """Post `alert` once. Raises ChannelError."""
        body = json.dumps(alert.as_json(self._hostname)).encode()
        headers = {"content-type": "application/json"}
        try:
            response = await self._http.request(
                "POST",
                self._address.read(),
                headers=headers,
                content=body,
                timeout=WEBHOOK_SECONDS,
                max_response=_LARGEST_ANSWER,
            )
        except SecretError as error:
            raise ChannelError(f"alerts.webhook: {error}") from None
        except HttpError as error:
            raise ChannelError(str(error)) from None
        if response.status // 100 != 2:
            text = clean(response.body[:_TAIL].decode("utf-8", "replace")).strip()
            raise ChannelError(f"it answered {response.status}{f': {text}' if text else ''}")


class Command:
    """Starts a program without a shell: the alert is JSON on its standard input, and in variables named ALERT_*."""

    name = "command"

    def __init__(
        self,
        arguments: Sequence[str],
        hostname: str,
        *,
        environ: Mapping[str, str] | None = None,
        seconds: float = COMMAND_SECONDS,
    ) -> None:
        self._arguments = tuple(arguments)
        self._hostname = hostname
        self._environ = environ
        self._seconds = seconds

    async def tell(self, alert: Alert) -> None:
        """Start the program once and wait for its end. Raises ChannelError."""
        facts = alert.as_json(self._hostname)
        # Files and no pipes: a program that does not read, or leaves something running, holds up nobody.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
            given.write(json.dumps(facts).encode())
            given.seek(0)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._arguments,
                    stdin=given,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors,
                    env=self._variables(facts),
                    start_new_session=os.name == "posix",
                )
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise ChannelError(f"{self._arguments[0]} cannot be started: {reason}") from None
            code = await self._ended(process)
            if code != 0:
                said = _tail(errors.seek(0, os.SEEK_END), errors.fileno())
                raise ChannelError(f"{self._arguments[0]} ended with {code}{f': {said}' if said else ''}")

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """The exit code. Whatever happens, nothing is left running when its time is over."""
        try:
            async with asyncio.timeout(self._seconds):
                return await process.wait()
        except TimeoutError:
            text = f"{self._arguments[0]} did not end within {self._seconds:g} seconds and was stopped"
            raise ChannelError(text) from None
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()

    def _variables(self, facts: Mapping[str, object]) -> dict[str, str]:
        inherited = os.environ if self._environ is None else self._environ
        # A RELAY_ variable may hold a secret, and would be a mistyped key to a `relay` that the program starts.
        kept = {name: value for name, value in inherited.items() if not name.startswith("RELAY_")}
        told = {f"ALERT_{name.upper()}": "" if value is None else str(value) for name, value in facts.items()}
        return kept | {name: value.replace("\0", "") for name, value in told.items()}


def _kill(process: asyncio.subprocess.Process) -> None:
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # it has ended meanwhile


def _tail(size: int, file: int) -> str:
    os.lseek(file, max(0, size - _TAIL), os.SEEK_SET)
    return clean(os.read(file, _TAIL).decode("utf-8", "replace").strip())
