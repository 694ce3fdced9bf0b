"""Reading the configuration again: all parts take it or none does, and files are looked at by their content."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from relay import config
from relay.service.changes import Snapshot
from relay.service.errors import StartError
from relay.service.parts import Prepared
from relay.service.reload import Reloader
from relay.service.watching import CHANGED_FILES, Watch
from tests.support.clock import FakeClock

GOOD = 'hostname = "{}"\ninclude = ["more/*.toml"]\n[clients.app]\npassword_file = "secret"\n'


@dataclass
class Recording:
    """A part that notes what it is told; `fault` is why it cannot be."""

    did: list[str] = field(default_factory=list)
    fault: str = ""

    async def prepare(self, _old: Snapshot, new: Snapshot) -> Prepared:
        if self.fault:
            raise StartError(self.fault)

        async def commit() -> None:
            self.did.append(f"commit {new.settings.hostname}")

        async def discard() -> None:
            self.did.append("discard")

        return Prepared(commit, discard)


class Here:
    """A configuration in a folder, and what reads it again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "more").mkdir()
        (folder / "secret").write_text("one")
        self.write("one.example")
        self.clock = FakeClock()
        self.loads = 0
        self.parts = [Recording(), Recording()]
        self.reloader = Reloader(Snapshot.of(config.load(folder / "relay.toml", {})), self.load, self.clock)
        self.reloader.parts += self.parts
        self.watch = Watch(self.reloader, self.clock)

    def write(self, hostname: str, more: str = "") -> None:
        (self.folder / "relay.toml").write_text(GOOD.format(hostname) + more)

    def load(self) -> config.Settings:
        self.loads += 1
        return config.load(self.folder / "relay.toml", {})

    def with_authority(self) -> config.Settings:
        """The settings with the authority of a server in `ca.pem`."""
        self.write("one.example", '[http]\nca_file = "ca.pem"\n')
        return self.load()

    async def look(self) -> None:
        """One look of the watch, and the time that it takes."""
        looking = asyncio.create_task(self.watch.look())
        while not looking.done():
            await self.clock.advance(1)
        await looking


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events in the log."""
    return [getattr(record, "event", "") for record in caplog.records]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


async def test_every_part_takes_it_in_order(here: Here) -> None:
    here.write("two.example")
    reading = await here.reloader.reload("a test")
    assert (reading.changes, reading.problems, reading.restart) == (("hostname has changed",), (), ())
    assert [part.did for part in here.parts] == [["commit two.example"]] * 2
    assert here.reloader.settings.hostname == "two.example"
    assert (await here.reloader.reload("a test")).lines == ["Nothing has changed"]


async def test_what_needs_a_restart_is_told_until_there_was_one(here: Here) -> None:
    authority = here.folder / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    here.reloader.snapshot = Snapshot.of(with_authority := here.with_authority())
    assert with_authority.http.ca_file == authority
    trustme.CA().cert_pem.write_to_path(authority)
    for _ in range(2):
        reading = await here.reloader.reload("a test")
        assert (reading.problems, reading.restart) == ((), ("http.ca_file (its content)",))


async def test_one_part_that_cannot_leaves_all_as_they_were(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    here.write("two.example")
    here.parts[1].fault = "the port is taken"
    reading = await here.reloader.reload("a test")
    assert reading.problems == ("the port is taken",)
    assert [part.did for part in here.parts] == [["discard"], []]
    assert here.reloader.settings.hostname == "one.example"
    assert here.reloader.is_broken
    assert events(caplog) == ["reload failed", "configuration error"]
    here.parts[1].fault = ""
    await here.look()
    assert not here.reloader.is_broken
    assert here.reloader.settings.hostname == "two.example"


async def test_a_broken_file_is_told_once_and_tried_until_it_is_mended(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    here.write("two.example", "colour = 1\n")
    await here.look()
    reading = here.reloader.reading
    assert reading is not None
    assert reading.why == CHANGED_FILES
    assert "colour" in reading.problems[0]
    await here.look()
    await here.look()
    assert (events(caplog), here.reloader.reading) == (["reload failed", "configuration error"], reading)
    here.write("two.example")
    await here.look()
    assert here.parts[0].did == ["commit two.example"]


async def test_only_other_content_counts(here: Here) -> None:
    await here.look()
    here.write("one.example")
    await here.look()
    assert here.loads == 0
    (here.folder / "secret").write_text("two")
    await here.look()
    assert here.reloader.reading is not None
    assert here.reloader.reading.changes == ("clients.app has changed",)
    (here.folder / "more" / "a.toml").write_text('[accounts.bin]\nprovider = "discard"\n')
    await here.look()
    (here.folder / "more" / "a.toml").write_text('[accounts.bin]\nprovider = "fail"\n')
    await here.look()
    assert (here.loads, here.reloader.settings.accounts["bin"].provider) == (3, "fail")


async def test_files_that_are_being_written_are_left_until_they_are_done(here: Here) -> None:
    here.write("two.example", "[accounts")
    looking = asyncio.create_task(here.watch.look())
    for _ in range(50):
        await here.clock.settle()
    here.write("three.example")
    while not looking.done():
        await here.clock.advance(1)
    await looking
    assert [part.did for part in here.parts] == [["commit three.example"]] * 2


async def test_nothing_is_read_once_the_relay_stops(here: Here) -> None:
    await here.reloader.close()
    assert "stopping" in (await here.reloader.reload("a test")).problems[0]
    assert here.loads == 0
