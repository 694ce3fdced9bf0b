"""The costs of a process tree, against work whose cost is known."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import accounting

WORK = "import time\nwhile time.process_time() < 0.2: pass\n"
WAIT = "print('ready', flush=True)\ninput()\n"
CHILD = f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {WORK + WAIT!r}])\np.wait()\n"
REAPED = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WORK!r}])\n" + WAIT
MEMORY = "big = bytearray(100_000_000)\nbig[::4096] = b'x' * len(big[::4096])\ndel big\n" + WAIT


@contextmanager
def running(program: str) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize("program", [WORK + WAIT, CHILD, REAPED], ids=["own", "child", "ended child"])
def test_the_time_of_the_whole_tree_counts(program: str) -> None:
    with running(program) as pid:
        # The starts of the interpreters come on top of the work.
        assert 0.19 <= accounting.cpu_seconds(pid) < 1.5


def test_own_time_is_fine_grained() -> None:
    before = accounting.cpu_seconds(os.getpid())
    start = time.process_time()
    while time.process_time() < start + 0.003:
        pass
    assert accounting.cpu_seconds(os.getpid()) - before >= 0.003


def test_the_machine_has_used_at_least_what_this_process_has() -> None:
    before = accounting.machine_cpu_seconds()
    start = time.process_time()
    while time.process_time() < start + 0.1:
        pass
    # The kernel counts in ticks, on each of the cores.
    assert accounting.machine_cpu_seconds() - before >= 0.07


def test_the_peak_outlives_what_caused_it() -> None:
    with running(MEMORY) as pid:
        assert accounting.peak_memory(pid) > 100_000_000 > accounting.memory(pid)


def test_a_process_that_is_gone_costs_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert (accounting.cpu_seconds(process.pid), accounting.peak_memory(process.pid)) == (0.0, 0)


def test_the_file_system_is_named(tmp_path: Path) -> None:
    assert accounting.file_system(Path("/proc/self")) == "proc"
    assert accounting.file_system(tmp_path) not in {"proc", "unknown"}
