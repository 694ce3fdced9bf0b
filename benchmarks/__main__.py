"""The command: `python -m benchmarks`."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import accounting, report
from benchmarks.cases import Case, Run, size_from
from benchmarks.control import Process, ProcessError
from benchmarks.measure import NONE, Bench, Bounds, Plan

SIDES = ("relay", "peer")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _options(arguments)
    if not sys.platform.startswith("linux"):
        print("The benchmark reads costs from /proc: it runs on Linux only.", file=sys.stderr)
        return 2
    runs: list[Run] = []
    stopped = False
    try:
        with tempfile.TemporaryDirectory(prefix="relay-bench-", dir=options.folder) as folder:
            about = _about(options, Path(folder))
            print(", ".join(f"{key} {value}" for key, value in about.items()), end="\n\n")
            for run in _runs(options, Path(folder)):
                runs.append(run)
                _progress(run)
    except ProcessError as error:
        print(f"\nThe benchmark was given up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        stopped = True
    if runs:
        _print_report(runs, about, options.json)
    return 130 if stopped else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the relay beside a simple one.")
    parser.add_argument("--quick", action="store_true", help="fewer cases, one round: at most a minute")
    parser.add_argument("--only", choices=(*SIDES, NONE), help="one side; 'none': the load straight to the upstream")
    parser.add_argument("--sizes", type=_sizes, help="comma-separated (2KiB,5MiB)")
    parser.add_argument("--connections", type=_numbers, help="how many at once, comma-separated (1,10,100)")
    parser.add_argument("--auth", choices=("without", "with", "both"), help="log in with AUTH PLAIN (both)")
    parser.add_argument(
        "--mode",
        choices=("legacy", "kept", "both"),
        default="legacy",
        help="one message per connection, or message after message on a kept one (legacy)",
    )
    parser.add_argument(
        "--account",
        choices=("upstream", "discard"),
        default="upstream",
        help="'discard' throws the mail away: what the way in costs alone",
    )
    parser.add_argument("--rounds", type=int, help="how often each side takes its turn in each case (3)")
    parser.add_argument("--seconds", type=float, help="no new message is begun after so many seconds (3)")
    parser.add_argument("--messages", type=int, help="nor after so many messages (20000 small or 100 large ones)")
    parser.add_argument("--budget", type=float, default=600, help="no new run is begun after so many seconds (600)")
    parser.add_argument("--concurrency", type=int, default=8, help="upstream connections of either side (8)")
    parser.add_argument(
        "--pace", type=float, default=0, help="seconds that a sender takes for one content (0: at once)"
    )
    parser.add_argument("--latency", type=float, default=0, help="milliseconds that each upstream reply is late (0)")
    parser.add_argument(
        "--folder", type=Path, help="where the spool lies during the run (the system's temporary folder)"
    )
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="leave a profile of each run in FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run, median and ratio to FILE")
    options = parser.parse_args(arguments)
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
    return options


def _sizes(text: str) -> list[int]:
    try:
        return [size_from(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _cases(options: argparse.Namespace) -> list[Case]:
    """Every combination, or what --quick has time for; options that were given win over both."""
    small, large = size_from("2KiB"), size_from("5MiB")
    auths = {"without": (False,), "with": (True,), "both": (False, True)}
    keeps = {"legacy": (False,), "kept": (True,), "both": (False, True)}[options.mode]
    cases = [
        Case(size, connections, auth, kept)
        for size in options.sizes or (small, large)
        for auth in auths[options.auth or "both"]
        for connections in options.connections or (1, 10, 100)
        for kept in keeps
    ]
    if not options.quick or options.sizes or options.connections or options.auth:
        return cases
    return [case for case in cases if case.connections == 10 or not (case.auth or case.large)]


def _runs(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    """Make the runs one by one: A B in a round, B A in the next, so that no side always comes first."""
    sides = [options.only] if options.only else list(SIDES)
    rounds = options.rounds or (1 if options.quick else 3)
    plan = Plan(
        _bounds(options),
        options.concurrency,
        pace=options.pace,
        discard=options.account == "discard",
        profile=options.profile,
    )
    until = time.monotonic() + options.budget
    upstream_arguments = ["-m", "benchmarks.upstream", "--folder", str(folder), "--delay", str(options.latency / 1000)]
    with (
        Process("upstream", upstream_arguments, folder / "upstream.log") as upstream,
        Process("load generator", ["-m", "benchmarks.load"], folder / "load.log") as load,
    ):
        bench = Bench(folder, upstream, load, plan)
        for number in range(rounds):
            for case in _cases(options):
                if time.monotonic() > until:
                    print(f"--budget is used up in round {number + 1} of {rounds}")
                    return
                for side in sides if number % 2 == 0 else reversed(sides):
                    yield bench.run(side, case, number)


def _bounds(options: argparse.Namespace) -> Bounds:
    seconds = options.seconds or (1.0 if options.quick else 3.0)
    small, large = (2000, 20) if options.quick else (20000, 100)
    return Bounds(seconds, options.messages or small, options.messages or large)


def _about(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "Python": platform.python_version(),
        "cores": os.cpu_count(),
        "spool on": accounting.file_system(folder),
        "account": options.account,
        "upstream connections": options.concurrency,
        "upstream latency ms": options.latency,
        "pace s": options.pace,
        "profiled": bool(options.profile),
    }


def _progress(run: Run) -> None:
    figures = run.figures
    print(
        f"round {run.round + 1}  {run.side:<6} {run.case!s:<42} {figures.messages:6} messages, "
        f"{figures.accepted_rate:8.1f}/s accepted, {figures.cpu_ms:8.3f} CPU ms/message",
        flush=True,
    )


def _print_report(runs: list[Run], about: dict[str, object], file: Path | None) -> None:
    compared = SIDES if {run.side for run in runs} == set(SIDES) else None
    print("\nMedians. The last line of each group: how many times better the relay is, in the median of the rounds.\n")
    print(report.table(runs, compared), end="\n\n")
    print("\n".join(report.notes(runs)))
    if file:
        file.write_text(json.dumps(report.as_json(runs, compared, about), indent=1) + "\n")


if __name__ == "__main__":
    # Ended like by Ctrl-C: the processes that were started are ended, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
