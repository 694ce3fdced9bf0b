"""The life of one connection, where no client can be made to be that quick."""

import asyncio

from relay.listener.wire import Wire


class Diary(Wire):
    """Waits after each command, and writes down what it gets to."""

    def __init__(self) -> None:
        super().__init__(timeout=300)
        self.entries: list[str] = []

    @property
    def peer(self) -> str:
        return "192.0.2.1"

    def vanished(self) -> None:
        self.entries.append("vanished")

    def obey(self, _line: bytes) -> None:
        self.wait_for(self._wait())

    async def _wait(self) -> None:
        self.entries.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            self.entries.append("cleaned up")


async def test_a_step_that_the_end_overtakes_still_cleans_up() -> None:
    wire = Diary()
    wire.connection_made(asyncio.Transport())
    wire.data_received(b"NOOP\r\n")
    wire.connection_lost(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert wire.entries == ["vanished", "begun", "cleaned up"]
