"""Tokens on the way to an upstream: what becomes of the mail when there is none."""

from relay.model import Outcome, Result, Scope
from relay.oauth import TokenError


def without_token(error: TokenError) -> Result:
    """No token, no message: whoever's fault it is, it is not this message's (docs/architecture.md, promise 3)."""
    scope = Scope.IDENTITY if error.is_of_user else Scope.ACCOUNT
    return Result(Outcome.DEFERRED, 454, "4.7.0", error.text, scope, error.retry_after, error.hint)
