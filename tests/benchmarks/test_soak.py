"""The soak sees what grows; and at its smallest everything of it runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks.cases import MIB
from benchmarks.soak import Sample, judge, main
from tests.support.source import ROOT


def laps(count: int = 20, /, **per_lap: float) -> list[Sample]:
    """A relay that is flat but for what grows by so much in each lap of 1,000 messages."""
    flat = Sample(0, 0.0, 90 * MIB, 30, 10, 14, 5 * MIB, 0)
    return [
        replace(flat, messages=1000 * number, **{k: int(getattr(flat, k) + v * number) for k, v in per_lap.items()})
        for number in range(1, count + 1)
    ]


def test_flat() -> None:
    assert judge(laps()) == []
    assert judge(laps(memory=0.09 * MIB, files=0.1, database=2_000_000)) == []


@pytest.mark.parametrize(
    ("growth", "told"),
    [
        ({"memory": 0.11 * MIB}, "memory rises by 11.0 MiB over 100,000 messages"),
        ({"files": 1}, "open files: 43 at most in the first half, 50 in the second"),
        ({"threads": 1}, "threads: 23 at most"),
        ({"tasks": 1}, "tasks: 27 at most"),
        ({"database": 6_000_000}, "the database grows by 6000 octets for each message"),
        ({"bodies": 1}, "20 bodies of messages that have been sent are still on the disk"),
    ],
)
def test_what_grows_is_told(growth: dict[str, float], told: str) -> None:
    assert [row for row in judge(laps(**growth)) if row.startswith(told)], judge(laps(**growth))


def test_the_warm_up_does_not_count() -> None:
    cold = [replace(each, memory=60 * MIB) for each in laps(4)]
    assert judge([*cold, *laps()[4:]]) == []


def test_too_few_laps_say_nothing() -> None:
    assert judge(laps(5)) == ["5 laps are too few to tell: take more messages or shorter laps"]


def test_the_slope_is_that_of_the_best_line() -> None:
    assert soak.slope([0, 1, 2, 3], [1, 4, 5, 8]) == pytest.approx(2.2)


def test_everything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "result.json"
    assert main(["--messages", "40", "--lap", "20", "--folder", str(tmp_path), "--json", str(file)]) == 1
    samples = json.loads(file.read_text())
    assert [one["messages"] for one in samples] == [20, 40]
    assert all(one[key] > 0 for one in samples for key in ("memory", "files", "threads", "tasks", "database"))
    assert [one["bodies"] for one in samples] == [0, 0]
    assert "2 laps are too few to tell" in capsys.readouterr().out
