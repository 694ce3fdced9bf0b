"""What is left alone for a while after a refusal: asking again at once would be refused again, and may count."""

from collections import OrderedDict
from dataclasses import replace

from relay.model import Clock, Result

_USUAL = 60.0
"""Seconds, when the refusal names none."""
_MOST = 1000


class Rests:
    """By name, with the result that began the rest; the oldest are forgotten."""

    def __init__(self, clock: Clock, usual: float = _USUAL) -> None:
        self._clock = clock
        self._usual = usual
        self._resting: OrderedDict[str, tuple[float, Result]] = OrderedDict()

    def begin(self, name: str, result: Result) -> Result:
        """Let `name` rest for as long as `result` says; returns it with that time."""
        seconds = result.retry_after or self._usual
        self._resting.pop(name, None)
        self._resting[name] = (self._clock.monotonic() + seconds, result)
        while len(self._resting) > _MOST:
            self._resting.popitem(last=False)
        return replace(result, retry_after=seconds)

    def of(self, name: str) -> Result | None:
        """The result while `name` rests, with the seconds that are left; None when it does not."""
        if name not in self._resting:
            return None
        until, result = self._resting[name]
        left = until - self._clock.monotonic()
        if left <= 0:
            del self._resting[name]
            return None
        return replace(result, retry_after=left)

    def end(self, name: str) -> None:
        """Forget the rest of `name`: it works again."""
        self._resting.pop(name, None)
