"""How a client proves who it is while its secret is being exchanged: with the one secret, or with the next.

Providers take the old secret and the new one side by side for as long as a person needs. The relay uses whichever of
the two is taken, tries the other only when the provider says that the client is not who it claims to be, and says when
the old one can go.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from relay import log
from relay.oauth import errors
from relay.oauth.errors import TokenError
from relay.oauth.request import ClientAuthentication

Answer = TypeVar("Answer")

_NOT_TAKEN = frozenset({"invalid_client", "secret_unreadable"})
# Refusals of something else: a server gives them to a client that it has recognised.
_RECOGNISED = frozenset(
    {
        *("invalid_grant", "invalid_scope", "unauthorized_client", "interaction_required", "consent_required"),
        *("authorization_pending", "slow_down", "access_denied", "authorization_declined", "expired_token"),
    }
)
_KEYS = ("client_secret", "client_secret_next")


class Proofs:
    """One proof of the client of `account`, or two: `following` is that with `client_secret_next`."""

    def __init__(
        self, account: str, proof: ClientAuthentication, following: ClientAuthentication | None = None
    ) -> None:
        self._account = account
        self._proofs = (proof,) if following is None else (proof, following)
        self._preferred = 0

    async def tried(self, attempt: Callable[[ClientAuthentication], Awaitable[Answer]]) -> Answer:
        """What `attempt` gives with the proof that worked last, or with the other one when that is not taken.

        `attempt` makes one request and raises TokenError; so does this, for the same reasons.
        """
        try:
            return await attempt(self._proofs[self._preferred])
        except TokenError as error:
            if error.error not in _NOT_TAKEN or len(self._proofs) == 1:
                raise
            refused = error
        other = 1 - self._preferred
        try:
            answer = await attempt(self._proofs[other])
        except TokenError as error:
            if error.error in _NOT_TAKEN:
                raise errors.neither(refused if refused.error == "invalid_client" else error, *_KEYS) from None
            if error.error in _RECOGNISED:
                self._prefer(other)
            raise
        self._prefer(other)
        return answer

    def _prefer(self, number: int) -> None:
        self._preferred = number
        log.oauth.secret_changed(self._account, refused=_KEYS[1 - number], used=_KEYS[number])
