"""The command, at the smallest size that there is: everything runs, nothing is timed."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks.__main__ import main
from tests.support.source import ROOT

TINY = ["--connections", "2", "--messages", "4", "--seconds", "30", "--rounds", "1", "--concurrency", "2"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def measured(tmp_path: Path, *arguments: str) -> list[dict[str, object]]:
    file = tmp_path / "result.json"
    assert main([*TINY, "--folder", str(tmp_path), "--json", str(file), *arguments]) == 0
    found = json.loads(file.read_text())
    file.unlink()
    assert list(tmp_path.iterdir()) == []
    return [{**run["figures"], **run} for run in found["runs"]]


@pytest.mark.parametrize("side", ["relay", "peer"])
@pytest.mark.parametrize("size", ["2KiB", "1MiB"])
def test_a_side_takes_and_delivers_every_message(tmp_path: Path, side: str, size: str) -> None:
    runs = measured(tmp_path, "--only", side, "--sizes", size)
    assert [(run["side"], run["messages"], run["refused"], run["repeated"]) for run in runs] == [(side, 4, 0, 0)] * 2
    assert [(run["token_requests"], run["upstream_sessions"]) for run in runs] == [(1, 2)] * 2
    for run in runs:
        assert all(run[key] for key in ("delivered_rate", "accepted_rate", "cpu_ms", "reply_p99_ms", "peak_mib"))


def test_both_sides_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = measured(tmp_path, "--sizes", "2KiB", "--auth", "with", "--rounds", "2")
    assert [run["side"] for run in runs] == ["relay", "peer", "peer", "relay"]
    text = capsys.readouterr().out
    assert "relay better" in text
    assert "2 KiB messages, AUTH PLAIN, one message per connection" in text


@pytest.mark.parametrize("side", ["relay", "peer"])
def test_mail_can_be_thrown_away(tmp_path: Path, side: str) -> None:
    (run,) = measured(tmp_path, "--only", side, "--sizes", "2KiB", "--auth", "without", "--account", "discard")
    assert (run["messages"], run["delivered_rate"], run["upstream_sessions"]) == (4, None, 0)


def test_the_benchmark_itself_can_be_measured(tmp_path: Path) -> None:
    runs = measured(tmp_path, "--only", "none", "--sizes", "2KiB", "--mode", "both", "--latency", "1")
    assert [run["messages"] for run in runs] == [4] * 4


def test_a_profile_is_left(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    work = tmp_path / "work"
    work.mkdir()
    measured(work, "--only", "peer", "--sizes", "2KiB", "--auth", "without", "--profile", str(profiles))
    assert [path.suffix for path in profiles.iterdir() if path.suffix != ".log"] in ([".prof"], [".svg"])


def test_the_budget_ends_the_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--folder", str(tmp_path), "--budget", "0"]) == 0
    assert "--budget is used up in round 1 of 1" in capsys.readouterr().out


def test_an_unusable_size_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--sizes", "2kb"])
    assert "'2kb' is not a size like 2KiB or 5MiB" in capsys.readouterr().err


def test_the_options_of_the_readme_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (main, soak.main):
        with pytest.raises(SystemExit, match="0"):
            command(["--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    told = set(re.findall(r"--[a-z]+", (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")))
    assert "--pace" in told
    assert told <= known
