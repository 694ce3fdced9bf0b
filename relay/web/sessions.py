"""Who is logged in at the administration, and the links that let somebody in once.

In memory: a restart ends all sessions. What is kept of a cookie or a link is its digest.
"""

import hashlib
import secrets

from cachetools import TTLCache

from relay.model import Clock

LASTS = 12 * 3600.0
"""Seconds that a session is good for after its last use."""
LINK_LASTS = 24 * 3600.0
_MOST = 1000
LINK_EVERY = 30.0
"""Seconds between two links that anybody may have printed."""


class Sessions:
    """Cookies that are good, and at most one link that is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: TTLCache[bytes, bool] = TTLCache(_MOST, LASTS, clock.monotonic)
        self._link: tuple[bytes, float] | None = None
        self._linked_at = float("-inf")

    def begin(self) -> str:
        """A new session: the value of its cookie."""
        value = secrets.token_urlsafe(32)
        self._open[_digest(value)] = True
        return value

    def is_open(self, cookie: str) -> bool:
        """Whether a cookie is good; using it makes it last."""
        key = _digest(cookie)
        if key not in self._open:
            return False
        self._open[key] = True
        return True

    def end(self, cookie: str) -> None:
        """Log out."""
        self._open.pop(_digest(cookie), None)

    def end_all(self) -> None:
        """Log everybody out: the password is another one."""
        self._open.clear()

    def new_link(self) -> str:
        """A token that lets somebody in once; an older one is no longer good."""
        token = secrets.token_urlsafe(24)
        self._linked_at = self._clock.monotonic()
        self._link = _digest(token), self._linked_at + LINK_LASTS
        return token

    def may_have_link(self) -> bool:
        """Whether it is long enough since the last one."""
        return self._clock.monotonic() - self._linked_at >= LINK_EVERY

    def redeem(self, token: str) -> bool:
        """Whether `token` is that of the link; afterwards it is used up."""
        if self._link is None or self._clock.monotonic() > self._link[1]:
            return False
        if not secrets.compare_digest(self._link[0], _digest(token)):
            return False
        self._link = None
        return True


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
