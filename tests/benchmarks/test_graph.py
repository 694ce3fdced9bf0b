"""The benchmark of Graph, at the smallest size that there is: everything runs, nothing is timed."""

import json
from pathlib import Path

import pytest

from benchmarks.graph import content, main
from tests.support.source import ROOT


def test_every_case_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "result.json"
    arguments = ["--messages", "3", "--large", "5000000", "--rounds", "1", "--json", str(file)]
    assert main(arguments) == 0
    runs = json.loads(file.read_text())
    assert [(run["at_once"], run["messages"]) for run in runs] == [(1, 3), (4, 3), (1, 1)]
    assert all(run["rate"] > 0 and run["cpu_ms"] > 0 for run in runs)
    assert "memory grew by" in capsys.readouterr().out


@pytest.mark.parametrize("size", [2048, 5_000_000])
def test_the_messages_have_their_size(size: int) -> None:
    assert abs(len(content(size)) - size) < size * 0.1
