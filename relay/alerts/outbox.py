"""Sees to it that each alert is told once by every channel: tried again while one fails, given up in the end."""

import asyncio
from collections.abc import Sequence

from relay import log, metrics
from relay.alerts.alert import Alert
from relay.alerts.channels import Channel, ChannelError
from relay.alerts.memory import Memory, Waiting
from relay.model import Clock

WAITS = (60.0, 300.0, 1800.0, 7200.0, 21600.0)
"""Seconds until the second, third, ... try; after the last one an alert is given up."""


class Outbox:
    """Tells alerts by `channels`; what is not told yet is in `memory`."""

    _channels: dict[str, Channel]

    def __init__(self, memory: Memory, channels: Sequence[Channel], clock: Clock) -> None:
        self._memory = memory
        self.use(channels)
        self._clock = clock

    def use(self, channels: Sequence[Channel]) -> None:
        """Tell by these from now on."""
        self._channels = {channel.name: channel for channel in channels}

    def add(self, alert: Alert) -> None:
        """Tell `alert` in the log at once, and by every channel at the next `flush()`."""
        log.alerts.raised(alert.event, alert.level.value, alert.text, alert.action, kind=alert.kind, subject=alert.name)
        metrics.ALERTS.labels("log", "told").inc()
        for name in self._channels:
            self._memory.wait(alert, name)

    async def flush(self) -> None:
        """Try what is due, the channels side by side, each in order."""
        # What waits for a channel that is no longer configured waits for nobody.
        gone = [one for one in self._memory.waiting if one.channel not in self._channels]
        for one in gone:
            self._drop(one)
        await asyncio.gather(*(self._flush(channel) for channel in self._channels.values()))

    async def _flush(self, channel: Channel) -> None:
        """A channel that fails is left alone until the next time: the others in the row would only wait for it."""
        due = [one for one in self._memory.waiting if one.channel == channel.name and one.next_at <= self._clock.time()]
        for one in due:
            if not await self._try(channel, one):
                return

    async def _try(self, channel: Channel, one: Waiting) -> bool:
        try:
            await channel.tell(one.alert)
        except ChannelError as error:
            self._failed(one, str(error))
            return False
        self._drop(one)
        metrics.ALERTS.labels(channel.name, "told").inc()
        log.alerts.told(channel.name, one.alert.key)
        return True

    def _failed(self, one: Waiting, reason: str) -> None:
        wait = WAITS[one.tries] if one.tries < len(WAITS) else None
        metrics.ALERTS.labels(one.channel, "given_up" if wait is None else "failed").inc()
        log.alerts.not_told(one.channel, one.alert.key, reason, wait)
        if wait is None:
            self._drop(one)
            return
        one.tries += 1
        one.next_at = self._clock.time() + wait
        self._memory.changed = True

    def _drop(self, one: Waiting) -> None:
        # By identity: two alerts may look the same.
        self._memory.waiting = [other for other in self._memory.waiting if other is not one]
        self._memory.changed = True
