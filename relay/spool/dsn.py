"""What clients asked to be told, as the database keeps it, and when it is due (RFC 3461)."""

import json
from collections.abc import Mapping

from relay.model import DsnWishes, Envelope, Outcome, Result


def written(wishes: DsnWishes | None) -> str:
    """The text of a row; "" where nothing was asked."""
    if wishes is None:
        return ""
    return json.dumps([wishes.ret, wishes.envid, dict(wishes.notify), dict(wishes.orcpt)])


def read(text: str) -> DsnWishes | None:
    """What `written` has written. Raises ValueError or TypeError."""
    return DsnWishes(*json.loads(text)) if text else None


def is_news(envelope: Envelope, results: Mapping[str, Result]) -> bool:
    """Whether some of the results may have to be told: failures, and successes that somebody asked for."""
    wishes = envelope.dsn
    return any(
        result.outcome is Outcome.FAILED
        or (
            wishes is not None
            and result.outcome is Outcome.SENT
            and not result.passed_on
            and wishes.wants(address, "SUCCESS")
        )
        for address, result in results.items()
    )
