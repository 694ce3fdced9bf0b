"""Checks passwords: dear for a guesser, cheap for the app that logs in for every message.

One argon2 verification costs 160 ms of CPU and 64 MiB: two run at once, off the event loop, and a success is remembered
for some minutes under a keyed hash. A login that nobody has costs the same as a wrong password: what is compared then
is a hash of nothing, of the kind and cost of one that is in use.
Failures are counted for the address and for the login, and each makes the next answer slower.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import NamedTuple

import argon2
from cachetools import TTLCache

from relay.listener import hashes
from relay.model import Clock
from relay.oauth.logins import Answer

MailboxLogin = Callable[[str, str, bytes], Awaitable[Answer]]
"""Checks a mailbox's login and password at its provider: the mailbox, the login as it was written, the password."""
REMEMBERED = 300.0
FORGOTTEN = 900.0
"""Seconds after which a success must be proven again, and a failure no longer counts."""
LONGEST_DELAY = 10.0
MOST_FAILURES = 50
"""From then on an address is told to come later, unheard, until its failures are forgotten."""
_MOST_WAITING = 50


class Verdict(Enum):
    """The answer to a login."""

    RIGHT = "right"
    WRONG = "wrong"
    BUSY = "busy"
    """Too many checks are waiting: the client may try again."""


class Attempt(NamedTuple):
    """A login and what it is compared with: `hashed` and `plain` are both None when nobody has that login.

    `others` gives the hashes of all who can log in here: without one of its own, a login costs what one of them costs.
    """

    login: str
    password: bytes
    address: str
    hashed: str | None
    plain: str | None
    others: Callable[[], Sequence[str]] = tuple


class PasswordChecker:
    """Compares passwords with argon2 hashes or plain secrets; one for the whole process."""

    def __init__(
        self,
        clock: Clock | None = None,
        hasher: argon2.PasswordHasher | None = None,
        verify: Callable[[argon2.PasswordHasher, str, bytes], bool] = hashes.verify,
    ) -> None:
        self._clock = clock or Clock()
        self._hasher = hasher or argon2.PasswordHasher()
        self._verify = verify
        self._nobodys: TTLCache[str, str] = TTLCache(1000, REMEMBERED, self._clock.monotonic)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        timer = self._clock.monotonic
        self._right: TTLCache[bytes, bool] = TTLCache(10_000, REMEMBERED, timer)
        self._failures: TTLCache[str, int] = TTLCache(100_000, FORGOTTEN, timer)

    def at_once(self, attempt: Attempt) -> Verdict | None:
        """The verdict where it costs nothing: proven lately, a plain password that is right, too much going on."""
        known = self._keyed(attempt)
        if known in self._right:
            return Verdict.RIGHT
        if self._waiting >= _MOST_WAITING or self.is_barred(attempt.address):
            return Verdict.BUSY
        if attempt.plain is not None and hmac.compare_digest(attempt.plain.encode(), attempt.password):
            self._right[known] = True
            return Verdict.RIGHT
        return None

    async def check(self, attempt: Attempt) -> Verdict:
        """Is the password right for the login?"""
        verdict = self.at_once(attempt)
        if verdict is not None:
            return verdict
        before = self.failures(attempt.login, attempt.address)
        # A wrong plain password and an unknown login cost a verification too, or the time would tell them apart.
        if await self._compare(attempt):
            self._right[self._keyed(attempt)] = True
            return Verdict.RIGHT
        self.note_failure(attempt.login, attempt.address)
        await self._slow_down(before)
        return Verdict.WRONG

    async def failed(self, login: str, address: str) -> None:
        """Count a login that somebody else has found wrong, and make its answer slow."""
        before = self.failures(login, address)
        self.note_failure(login, address)
        await self._slow_down(before)

    def is_barred(self, address: str) -> bool:
        """Only an address is refused unheard: for a login alone, strangers could lock its owner out."""
        return self._failures.get(f"address {address}", 0) >= MOST_FAILURES

    def failures(self, login: str, address: str) -> int:
        """How many logins failed lately, for this address or for this login."""
        return max(self._failures.get(f"address {address}", 0), self._failures.get(f"login {login}", 0))

    def note_failure(self, login: str, address: str) -> None:
        """Count a failed login."""
        for key in (f"address {address}", f"login {login}"):
            self._failures[key] = self._failures.get(key, 0) + 1

    def close(self) -> None:
        self._pool.shutdown()

    async def _slow_down(self, before: int) -> None:
        await self._clock.sleep(min(LONGEST_DELAY, 0.25 * 2.0 ** min(before, 10)))

    async def _compare(self, attempt: Attempt) -> bool:
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            hashed = attempt.hashed or self._nobody(attempt)
            right = await loop.run_in_executor(self._pool, self._verify, self._hasher, hashed, attempt.password)
        finally:
            self._waiting -= 1
        return right and attempt.hashed is not None

    def _nobody(self, attempt: Attempt) -> str:
        """The hash of nothing for a login without one: always as dear as the same of the hashes in use.

        Where these differ, which one is its model depends on the login and on a secret, as for a client.
        """
        models = sorted(attempt.others())
        number = int.from_bytes(hmac.digest(self._key, attempt.login.encode(errors="surrogateescape"), "sha256")[:8])
        model = models[number % len(models)] if models else ""
        found = self._nobodys.get(model)
        if found is None:
            found = hashes.nobodys(model) if model else hashes.nobodys_default(self._hasher)
            self._nobodys[model] = found
        return found

    def _keyed(self, attempt: Attempt) -> bytes:
        # The expected value is part of it, so that a changed password is not right for five minutes more.
        expected = (attempt.hashed or attempt.plain or "").encode()
        text = b"\0".join((attempt.login.encode(errors="surrogateescape"), attempt.password, expected))
        return hashlib.blake2b(text, key=self._key).digest()
