"""When the queue takes no mail, somebody is told: once for each time, with the reason and what to do."""

from relay.alerts import Radar
from tests.alerts.conftest import Tower, events

FULL = "new mail is refused: 104,857,601 octets in the queue, queue.max_size is 100MiB"
BROKEN = "the queue cannot be written, new mail is refused: the disk reports an error: look at the system log"


async def looks(tower: Tower, radar: Radar, *troubles: str) -> list[str]:
    """What is told by three looks while this is wrong."""
    before = len(tower.listener.heard)
    tower.storage = list(troubles)
    for _ in range(3):
        await radar.look()
        tower.clock.now += 60
    return tower.listener.texts[before:]


async def test_a_queue_that_takes_no_mail_is_told_once_for_each_time(tower: Tower) -> None:
    radar = tower.radar()
    assert await looks(tower, radar) == []
    (told,) = await looks(tower, radar, FULL)
    assert told.startswith(f"{FULL}. Make room, or see what is wrong with the disk")
    assert (events(tower.listener), tower.listener.heard[0]["level"]) == (["storage"], "error")
    assert await looks(tower, radar) == []
    (told,) = await looks(tower, radar, BROKEN, FULL)
    assert told.startswith(BROKEN), "the worst of it"


async def test_a_restart_does_not_tell_it_again(tower: Tower) -> None:
    assert len(await looks(tower, tower.radar(), FULL)) == 1
    assert await looks(tower, tower.radar(), FULL) == []


async def test_a_disk_that_takes_no_memory_of_alerts_either_stops_no_alert(tower: Tower) -> None:
    (tower.folder / "alerts.json.new").mkdir()
    assert len(await looks(tower, tower.radar(), BROKEN)) == 1
