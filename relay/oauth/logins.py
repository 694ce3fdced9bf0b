"""`authenticate = "upstream"`: a user's login and password are redeemed at the token endpoint, once (RFC 6749 4.3).

What stays is the refresh token, sealed under the mailbox. The password is in memory while the endpoint is asked and
nowhere afterwards: what was right or wrong a moment ago is known again by a keyed hash.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from cachetools import TTLCache

from relay import log
from relay.config.secret import Secret, SecretError
from relay.database import StorageError
from relay.model import Clock
from relay.oauth.access_token import Granted
from relay.oauth.errors import TokenError
from relay.oauth.password import Password
from relay.oauth.request import Address, Grant, located
from relay.oauth.store import OK, ConsentStore, SignIn
from relay.seal import SealError

REFUSED = 300.0
"""Seconds for which a refusal is remembered: nobody is locked out by an app that tries again and again."""
REMEMBERED = 3600.0
"""Seconds for which a password that was right is right, while its sign-in is good: about an access token's life."""
MOST_WAITING = 200
_MOST_KNOWN = 10_000


class Verdict(Enum):
    """The answer to a login."""

    RIGHT = "right"
    WRONG = "wrong"
    LATER = "later"
    """It could not be checked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict. `reason` is for the log; `advice` is for the user, "" where it would tell a guesser something.

    `user` is who has logged in, where only the answer tells.
    """

    verdict: Verdict
    reason: str = ""
    advice: str = ""
    user: str = ""


_RIGHT = Answer(Verdict.RIGHT)
_BUSY = Answer(Verdict.LATER, "too many logins are waiting for the token endpoint")

# Entra says these only to who knows the password: a guesser learns nothing from what they mean.
_AFTER_THE_PASSWORD = frozenset(
    {50055, 50072, 50074, 50076, 50079, 50097, 50105, 50131, 50144, 50158}
    | {53000, 53001, 53003, 53011, 65001, 530032, 530035}
)
_NO_RENEWAL = (
    "the provider gave no refresh token with the user's token. Ask for one in accounts.{}.oauth.scopes (most providers "
    "call it offline_access)"
)


class _Login(Password):
    """The password grant for a user who hears the answer: the next login may be right, so nothing is paused."""

    name = "login"
    pause_after_refusal = 0.0


class MailboxLogins:
    """Checks the logins of one account's users. `ask` makes one request; `redeemed` hears what a login brought."""

    def __init__(
        self,
        account: str,
        store: ConsentStore,
        ask: Callable[[Grant], Awaitable[Granted]],
        *,
        client_id: Secret,
        token_endpoint: Address,
        scopes: Sequence[str],
        scope_delimiter: str,
        clock: Clock,
        redeemed: Callable[[str, Granted], None],
    ) -> None:
        self._account = account
        self._store = store
        self._ask = ask
        self._client_id = client_id
        self._token_endpoint = token_endpoint
        self._scopes = tuple(scopes)
        self._delimiter = scope_delimiter
        self._redeemed = redeemed
        self._key = secrets.token_bytes(32)
        self._right: TTLCache[bytes, bool] = TTLCache(_MOST_KNOWN, REMEMBERED, clock.monotonic)
        self._refused: TTLCache[bytes, Answer] = TTLCache(_MOST_KNOWN, REFUSED, clock.monotonic)
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._waiting = 0

    async def check(self, mailbox: str, login: str, password: bytes) -> Answer:
        """Is `password` that of `login`? Of several who ask for one `mailbox` at once, one asks the endpoint at a time.

        `login` is what the user wrote, `mailbox` its one form. When the answer is RIGHT, the sign-in is on the disk.
        """
        if not password:
            return Answer(Verdict.WRONG, "no password was given")
        known = self._keyed(mailbox, password)
        while True:
            answer = await self._known(known, mailbox)
            if answer is not None:
                return answer
            if (running := self._running.get(mailbox)) is None:
                break
            if not await self._waited(running):
                return _BUSY
        # A task of its own: a client that hangs up must not cost the refresh token that is under way.
        task = asyncio.create_task(self._redeem(known, mailbox, login, password), name=f"login of {mailbox}")
        self._running[mailbox] = task
        task.add_done_callback(lambda _: self._running.pop(mailbox, None))
        await asyncio.wait({task})
        return Answer(Verdict.LATER, "the relay is stopping") if task.cancelled() else task.result()

    async def close(self) -> None:
        """Give up what is under way; who waits for it hears LATER."""
        running = set(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _waited(self, running: "asyncio.Task[Answer]") -> bool:
        if self._waiting >= MOST_WAITING:
            return False
        self._waiting += 1
        try:
            await asyncio.wait({running})
        finally:
            self._waiting -= 1
        return True

    async def _known(self, known: bytes, mailbox: str) -> Answer | None:
        if (refused := self._refused.get(known)) is not None:
            return refused
        if known not in self._right:
            return None
        try:
            consent = await self._store.find(self._account, mailbox)
        except StorageError as error:
            return Answer(Verdict.LATER, str(error))
        if consent is not None and consent.state == OK:
            return _RIGHT
        self._right.pop(known, None)  # a sign-in that has ended begins anew, with the password that counts now
        return None

    async def _redeem(self, known: bytes, mailbox: str, login: str, password: bytes) -> Answer:
        try:
            endpoint = await located(self._token_endpoint)
            granted = await self._ask(_Login(login, Secret(_text(password)), self._scopes, self._delimiter))
            if not granted.refresh_token:
                return Answer(Verdict.LATER, _NO_RENEWAL.format(self._account))
            scope = " ".join(self._scopes)
            client_id = self._client_id.read()
            given = SignIn(self._account, granted.refresh_token, client_id, endpoint, scope, login, mailbox)
            await self._store.keep(given)
        except TokenError as error:
            answer = _refusal(error)
            if error.is_of_user:
                self._refused[known] = answer
            return answer
        except (SecretError, StorageError, SealError) as error:
            return Answer(Verdict.LATER, str(error))
        except Exception as error:  # noqa: BLE001 (whoever logs in hears an answer in any case)
            log.internal_error(f"{self._account}: a login", error)
            return Answer(Verdict.LATER, "an internal error")
        self._right[known] = True
        self._redeemed(mailbox, granted)
        return _RIGHT

    def _keyed(self, mailbox: str, password: bytes) -> bytes:
        return hmac.new(self._key, mailbox.encode() + b"\0" + password, hashlib.sha256).digest()


def _refusal(error: TokenError) -> Answer:
    if not error.is_of_user or error.temporary:
        return Answer(Verdict.LATER, str(error))
    code = next((code for code in error.codes if code in _AFTER_THE_PASSWORD), None)
    return Answer(Verdict.WRONG, str(error), f"AADSTS{code}: {error.hint}" if code is not None else "")


def _text(password: bytes) -> str:
    """RFC 4616 wants UTF-8; what is none comes from a device that knows only its own code page."""
    try:
        return password.decode()
    except UnicodeDecodeError:
        return password.decode("latin-1")
