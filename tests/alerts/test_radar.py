"""What the radar tells, and that it tells each thing once: mailboxes in trouble, and the radar's own."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from relay import metrics
from relay.oauth import TokenSource
from tests.alerts.conftest import EXPIRED, SECRET, Provider, Tower, after, ask, ending, events, lane


async def test_a_mailbox_in_trouble_for_long(tower: Tower) -> None:
    radar = tower.radar(SECRET)
    for minute in range(70):
        # Each attempt ends in a longer pause; between two of them it is not paused for a moment.
        paused = tower.clock.now + (30 if minute % 2 else -30)
        tower.lanes = [lane(trouble="535 5.7.3 no", paused_until=paused), lane("other")]
        await radar.look()
        if minute < 60:
            assert tower.listener.heard == []
        tower.clock.now += 60
    assert events(tower.listener) == ["identity_paused"]
    text = tower.listener.texts[0]
    assert "microsoft/noreply@contoso.com has been paused for 1h and its mail waits: 535 5.7.3 no" in text
    assert text.endswith("relay doctor office")
    assert metrics.PAUSED.labels("microsoft/noreply@contoso.com")._value.get() == 69 * 60
    assert metrics.PAUSED.labels("other")._value.get() == 0


async def test_trouble_that_is_over_starts_the_count_again(tower: Tower) -> None:
    alerts = f'webhook = "{tower.listener.address}"\npaused_after = "10m"'
    radar = tower.radar(SECRET, alerts)
    for _ in range(3):
        for _ in range(9):
            tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
            await radar.look()
            tower.clock.now += 60
        tower.lanes = [lane(last_sent_at=tower.clock.now)]
        await radar.look()
    assert tower.listener.heard == []


async def test_a_clock_that_is_set_makes_no_pause_long(tower: Tower) -> None:
    radar = tower.radar("", f'webhook = "{tower.listener.address}"\npaused_after = "1h"')
    tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
    await radar.look()
    tower.clock.jump(10 * 365 * 86400.0)
    tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
    await radar.look()
    assert events(tower.listener) == []


async def test_old_trouble_without_mail_is_no_pause(tower: Tower) -> None:
    radar = tower.radar(SECRET, f'webhook = "{tower.listener.address}"\npaused_after = "10m"')
    tower.lanes = [lane(trouble="no", paused_until=tower.clock.now)]
    for _ in range(60):
        await radar.look()
        tower.clock.now += 60
    assert tower.listener.heard == []
    assert radar._in_trouble == {}


async def test_a_pause_is_told_once_even_after_a_restart_and_again_after_a_success(tower: Tower) -> None:
    alerts = f'webhook = "{tower.listener.address}"\npaused_after = "1m"'

    async def trouble() -> None:
        radar = tower.radar(SECRET, alerts)
        tower.lanes = [lane()]
        await radar.look()
        for _ in range(4):
            tower.lanes = [lane(trouble="no", paused_until=tower.clock.now + 60)]
            await radar.look()
            tower.clock.now += 60

    await trouble()
    await trouble()
    assert events(tower.listener) == ["identity_paused"]
    tower.lanes = [lane(last_sent_at=tower.clock.now)]
    await tower.radar(SECRET, alerts).look()
    await trouble()
    assert events(tower.listener) == ["identity_paused"] * 2


async def test_the_log_tells_it_without_any_other_way(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await tower.radar(ending(after(5)), 'paused_after = "1h"').look()
    (line,) = [record for record in caplog.records if "client secret" in record.message]
    assert line.levelname == "WARNING"
    assert "runs out in 5 days" in line.message
    assert tower.listener.heard == []
    shown = metrics.page().decode()
    assert 'relay_expires_timestamp_seconds{kind="client_secret",name="office"} 1.800432e+09' in shown


DAMAGED = '{"said": {"client_secret:office": {"until": 5, "days": "seven"}}, "waiting": []}'


async def test_a_file_that_is_damaged_is_begun_anew(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    file = tower.folder / "alerts.json"
    for text in (
        "",
        "{}",
        "[1]",
        '{"said": {"x": 5}, "waiting": []}',
        '{"said": {}, "waiting": [{}]}',
        "\x00",
        DAMAGED,
    ):
        file.write_text(text)
        await tower.radar(ending(after(5))).look()
    assert len(tower.listener.heard) == 7
    assert "alerts may be repeated" in caplog.text
    assert json.loads(file.read_text())["waiting"] == []


async def test_a_folder_that_cannot_be_written_stops_no_alert(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    (tower.folder / "alerts.json.new").mkdir()
    radar = tower.radar(ending(after(5)))
    await radar.look()
    await radar.look()
    assert events(tower.listener) == ["expires"]
    assert "alerts.json" in caplog.text


async def test_nothing_that_goes_wrong_ends_it(tower: Tower, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    radar = tower.radar(ending(after(5)))
    looks = 0

    def lanes() -> list[object]:
        nonlocal looks
        looks += 1
        raise RuntimeError("a mistake of ours")

    radar._lanes = lanes  # type: ignore[assignment]
    task = asyncio.create_task(radar.run())
    while looks < 3:
        await asyncio.sleep(0.01)
        await tower.clock.advance(60)
    task.cancel()
    await asyncio.wait({task})
    assert "a mistake of ours" in caplog.text


async def test_a_changed_configuration_is_looked_at_at_once(tower: Tower) -> None:
    tower.listener.statuses = [500]
    radar = tower.radar(ending(after(5)))
    await radar.look()
    assert tower.listener.heard == []
    tower.clock.now += 60
    source = TokenSource("office", Provider(EXPIRED).fetch, tower.clock)
    await ask(source)
    radar.use(tower.settings(ending(after(400))), {"office": source})
    await radar.look()
    assert events(tower.listener) == ["expires", "expired"], "what nobody has heard yet is not forgotten"
    radar.use(tower.settings(ending(after(0.5)), 'paused_after = "1h"'), {})
    await radar.look()
    assert len(tower.listener.heard) == 2, "there is no webhook any more"
