"""What answers of the mail APIs come to: what they have in common, whoever's they are.

Each carries the SMTP code that says the same, because everything behind it - log, page, reports - speaks SMTP.
"""

from dataclasses import dataclass, replace
from typing import Any

from relay.http import HttpError
from relay.log import clean
from relay.model import Outcome, Result, Scope
from relay.upstream.trouble import DUPLICATE

UNCERTAIN = (500, 502, 504)
"""The server may have finished before it, or what stands in front of it, failed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the mail. `retry_after` counts when the answer itself gives no time."""

    outcome: Outcome
    scope: Scope
    code: int
    status: str
    retry_after: float | None = None


BUSY = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 451, "4.3.2")
LATER = Verdict(Outcome.DEFERRED, Scope.MESSAGE, 451, "4.3.0")
HOLD = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 454, "4.7.0")
NO_PERMISSION = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 454, "4.7.1")
NO_MAILBOX = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 450, "4.2.1")
TOO_LARGE = Verdict(Outcome.FAILED, Scope.MESSAGE, 552, "5.3.4")
BAD_CONTENT = Verdict(Outcome.FAILED, Scope.MESSAGE, 554, "5.6.0")
UNKNOWN = Verdict(Outcome.FAILED, Scope.MESSAGE, 554, "5.0.0")


def text(value: Any) -> str:
    """What an answer holds where a text should be, fit to be shown."""
    return clean(value)[:500] if isinstance(value, str) else ""


def not_answered(error: HttpError, *, final: bool, about: str = "") -> Result:
    """No usable answer: harmless before the request was sent, uncertain after that if it was to send the message.

    `about` is what helps to find the request.
    """
    if not error.sent:
        return Result(Outcome.DEFERRED, 451, "4.4.1", error.text, Scope.IDENTITY, hint=error.hint)
    told = f"{error.text} ({about})" if about else error.text
    told = f"{told}; {DUPLICATE}" if final else told
    return Result(Outcome.DEFERRED, 451, "4.4.2", told, Scope.MESSAGE, hint=error.hint, uncertain=final)


def doubtful(result: Result) -> Result:
    """The result of a request that may have sent the message all the same."""
    return replace(result, text=f"{result.text}; {DUPLICATE}", scope=Scope.MESSAGE, uncertain=True)
