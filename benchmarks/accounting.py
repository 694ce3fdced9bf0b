"""What a process and its descendants have cost so far, from the kernel's own books (Linux only)."""

import os
import time
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_SCHEDULER_CLOCK = 2


def tree(pid: int) -> list[int]:
    """Return `pid` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            stat = _stat(int(folder.name))
            if stat:
                children.setdefault(int(stat[1]), []).append(int(folder.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the whole tree of `pid`, with the descendants that have ended and were waited for."""
    return sum(_own_cpu_seconds(process) + _reaped_cpu_seconds(process) for process in tree(pid))


def machine_cpu_seconds() -> float:
    """What all processes of the machine have used, and what a hypervisor took away (`steal`)."""
    # proc(5): user nice system idle iowait irq softirq steal; guests are in user already.
    user, nice, system, _, _, irq, softirq, steal, *_ = (_PROC / "stat").read_text().split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / _TICKS_PER_SECOND


def peak_memory(pid: int) -> int:
    """Octets: the sum of VmHWM, the largest resident set so far, over the tree of `pid`."""
    return sum(_status(process, "VmHWM") for process in tree(pid))


def memory(pid: int) -> int:
    """Octets: the sum of the resident sets over the tree of `pid`."""
    return sum(_status(process, "VmRSS") for process in tree(pid))


def open_files(pid: int) -> int:
    """How many file descriptors the process has: files, sockets and pipes."""
    return len(list((_PROC / str(pid) / "fd").iterdir()))


def threads(pid: int) -> int:
    """How many threads the process has."""
    stat = _stat(pid)
    return int(stat[17]) if stat else 0


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds `folder`: on tmpfs a spool would look quicker than it is."""
    best = ("", "unknown")
    for line in (_PROC / "self" / "mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _own_cpu_seconds(pid: int) -> float:
    # The id of another process's CPU clock, as clock_getcpuclockid(3) makes it: nanoseconds, where /proc has ticks.
    try:
        return time.clock_gettime((~pid << 3) | _SCHEDULER_CLOCK)
    except OSError:
        return 0.0


def _reaped_cpu_seconds(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[13]) + int(stat[14])) / _TICKS_PER_SECOND if stat else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (proc(5), from field 3); none when the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(pid: int, key: str) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
