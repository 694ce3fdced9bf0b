"""What /metrics tells that nobody counts as it happens: the queue, the tokens, whether the relay is ready."""

import asyncio

from relay import metrics
from relay.spool.ages import LIMITS
from relay.web.view import View

_STATES = ("queued", "active", "held", "failed", "corrupt", "sent")
_AGES = (*(str(limit) for limit in LIMITS), "+Inf")


async def refresh(view: View) -> None:
    """Set the gauges to what is true now."""
    metrics.STARTED.set(view.started_at)
    metrics.TASKS.set(len(asyncio.all_tasks()))
    metrics.READY.set(0 if await view.troubles() else 1)
    await _queue(view)
    _tokens(view)


async def _queue(view: View) -> None:
    overview = await view.spool.overview()
    accounts = {*view.settings().accounts, *(account for account, _ in overview.counts)}
    metrics.QUEUE.clear()
    metrics.QUEUE_AGE.clear()
    metrics.QUEUE_OLDEST.clear()
    for account in accounts:
        for state in _STATES:
            metrics.QUEUE.labels(account, state).set(overview.counts.get((account, state), 0))
    oldest: dict[str, float] = {}
    for one in await view.queue.ages():  # by mailbox; there may be too many for a label each
        oldest[one.account] = min(one.oldest, oldest.get(one.account, one.oldest))
        for age, count in zip(_AGES, one.counts, strict=True):
            metrics.QUEUE_AGE.labels(one.account, age).inc(count)
    for account, at in oldest.items():
        metrics.QUEUE_OLDEST.labels(account).set(at)


def _tokens(view: View) -> None:
    metrics.TOKEN_EXPIRES.clear()
    metrics.TOKEN_GOOD.clear()
    for name, source in view.sources().items():
        if source.expires_at is not None:
            metrics.TOKEN_EXPIRES.labels(name).set(source.expires_at)
        if source.works or source.failure is not None:
            metrics.TOKEN_GOOD.labels(name).set(1 if source.works else 0)
