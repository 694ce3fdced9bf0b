"""A batch waits for the company that it is about to get, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from relay.database import Activity, Connection
from relay.database.sqlite import SqliteDatabase


@asynccontextmanager
async def opened(path: Path, activity: Activity) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path, activity)
    yield database
    await database.close()


@asynccontextmanager
async def talk(activity: Activity) -> AsyncIterator[None]:
    """A client that says something in each turn of the loop."""

    async def go_on() -> None:
        while True:
            activity.heard += 1
            await asyncio.sleep(0)

    talking = asyncio.create_task(go_on())
    yield
    talking.cancel()
    with suppress(asyncio.CancelledError):
        await talking


def noted(diary: list[str], name: str) -> Callable[[Connection], None]:
    return lambda _connection: diary.append(name)


async def test_what_is_asked_for_while_clients_talk_is_one_transaction(tmp_path: Path) -> None:
    activity, diary = Activity(patience=60), list[str]()
    async with opened(tmp_path / "relay.db", activity) as database:
        async with talk(activity):
            asked = []
            for name in ("one", "two", "three"):
                asked.append(database.write(noted(diary, name)))
                for _ in range(3):
                    await asyncio.sleep(0)
                diary.append(f"after {name}")
        await asyncio.gather(*asked)
    assert diary == ["after one", "after two", "after three", "one", "two", "three"]


async def test_nobody_waits_where_nobody_talks(tmp_path: Path) -> None:
    diary: list[str] = []
    async with opened(tmp_path / "relay.db", Activity(patience=60)) as database:
        asked = database.write(noted(diary, "one"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert diary == ["one"]
        await asked


async def test_clients_who_never_stop_talking_hold_up_nobody(tmp_path: Path) -> None:
    activity, diary = Activity(), list[str]()
    async with opened(tmp_path / "relay.db", activity) as database, talk(activity), asyncio.timeout(30):
        await database.write(noted(diary, "one"))
        await database.write(noted(diary, "two"))
    assert diary == ["one", "two"]


async def test_where_the_disk_is_quick_a_commit_needs_no_thread(tmp_path: Path) -> None:
    diary: list[str] = []
    database = SqliteDatabase(tmp_path / "relay.db", quick=60)
    await database.write(noted(diary, "one"))  # after it the disk is known
    asked = database.write(noted(diary, "two"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert asked.done()
    await database.close()
