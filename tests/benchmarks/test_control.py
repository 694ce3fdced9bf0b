"""A process of the benchmark that fails is an error with its own words, never a benchmark that hangs."""

from pathlib import Path

import pytest

from benchmarks.control import Process, ProcessError

PATIENCE = 30.0
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def test_questions_are_answered(tmp_path: Path) -> None:
    with Process("echo", ["-c", ECHO], tmp_path / "log") as process:
        assert process.ask("greet", PATIENCE, name="bench") == {"do": "greet", "name": "bench"}


def test_a_process_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        Process("brief", ["-c", "raise SystemExit('out of paper')"], tmp_path / "log") as process,
        pytest.raises(ProcessError, match=r"'brief' has ended\.\n    out of paper"),
    ):
        process.answer(PATIENCE)


def test_a_process_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    with (
        Process("silent", ["-c", "import sys; sys.stdin.read()"], tmp_path / "log") as process,
        pytest.raises(ProcessError, match="'silent' has not answered for 0 s"),
    ):
        process.ask("anything", 0.01)


def test_a_process_ends_with_the_benchmark(tmp_path: Path) -> None:
    with Process("echo", ["-c", ECHO], tmp_path / "log") as process:
        process.ask("greet", PATIENCE)
        pid = process.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()
