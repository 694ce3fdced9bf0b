"""What answers of the mail APIs come to: what they have in common, whoever's they are.

Each carries the SMTP code that says the same, because everything behind it - log, page, reports - speaks SMTP.
"""

from dataclasses import dataclass
from typing import Any

from relay.log import clean
from relay.model import Outcome, Scope


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
