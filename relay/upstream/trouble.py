"""How an attempt ends early: for every recipient at once, with one result."""

from collections.abc import Callable

from relay.model import Outcome, Result, Scope

Trace = Callable[[str], None]
"""Takes the lines of the conversation as they happen, without secrets."""

DUPLICATE = "the message was sent and no answer came: it may have been taken, so that the next try may be a duplicate"


class AttemptError(Exception):
    """No recipient can be reached in this attempt; `result` says why, and what to do."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.text)
        self.result = result


def deferred(
    text: str, hint: str, *, scope: Scope = Scope.IDENTITY, code: int = 451, status: str = "4.4.1"
) -> AttemptError:
    """The error for trouble that no reply tells of. 4.4.1 (RFC 3463): no answer from host."""
    return AttemptError(Result(Outcome.DEFERRED, code, status, text, scope, hint=hint))
