"""One run: a fresh relay is started, warmed, put under load, and its cost is read when everything has arrived."""

import contextlib
import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks import accounting
from benchmarks.cases import KIB, MIB, Case, Figures, Run, percentile
from benchmarks.control import Facts, Process, ProcessError
from benchmarks.profiling import profiled, watched
from benchmarks.sides import COMMANDS, LOGIN, Server, Setup, free_port

NONE = "none"
"""The side that is no relay: the load goes straight to the upstream, which shows what the benchmark itself can do."""

_CHECK_EVERY = 64
_ANSWER_TIMEOUT = 30.0
_SENDING_TIMEOUT = 120.0
_DELIVERY_TIMEOUT = 600.0
_LONGEST_SILENCE = 20.0
_REST_WINDOW = 0.1
_REST_CPU = 0.002
_REST_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a case is sent: nothing new is begun after `seconds` or the `messages` of its size."""

    seconds: float
    small_messages: int
    large_messages: int

    def messages(self, case: Case) -> int:
        """Return the largest number of messages for `case`; every connection sends at least one."""
        return max(case.connections, self.large_messages if case.large else self.small_messages)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all runs have in common.

    `concurrency` is the number of upstream connections, `pace` the seconds that a sender takes for one message. With
    `discard` the relays throw mail away; `profile` is a folder for profiles.
    """

    bounds: Bounds
    concurrency: int
    pace: float = 0.0
    discard: bool = False
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the load goes and whose cost is counted."""

    pid: int
    port: int
    start_seconds: float = 0.0
    server: Server | None = None

    def trouble(self, what: str) -> ProcessError:
        return self.server.trouble(what) if self.server else ProcessError(f"{NONE}: {what}")


@dataclass(frozen=True, slots=True)
class _Cost:
    """A moment, and the CPU seconds used until then: by what is measured, by the benchmark and by all others."""

    moment: float
    target: float
    load: float
    upstream: float
    others: float

    def since(self, before: "_Cost") -> "_Cost":
        return _Cost(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


class Bench:
    """The benchmark's own two processes, which have just been started, and the runs that are made with them."""

    def __init__(self, folder: Path, upstream: Process, load: Process, plan: Plan) -> None:
        self._folder = folder
        self._upstream = upstream
        self._load = load
        self._plan = plan
        self._load.answer(_ANSWER_TIMEOUT)
        self._upstream_facts = upstream.answer(_ANSWER_TIMEOUT)
        self._numbers = itertools.count(1)

    def run(self, side: str, case: Case, round_number: int) -> Run:
        """Measure `side` in `case` once; raise `ProcessError` when messages are lost, changed or not delivered."""
        folder = self._folder / f"run-{next(self._numbers)}-{side}"
        folder.mkdir()
        try:
            with self._target(side, case, folder) as target:
                return self._measure(side, case, round_number, target)
        finally:
            shutil.rmtree(folder)

    @contextlib.contextmanager
    def _target(self, side: str, case: Case, folder: Path) -> Iterator[_Target]:
        if side == NONE:
            yield _Target(self._upstream.pid, self._upstream_facts["plain_port"])
            return
        plan = self._plan
        setup = Setup(folder, free_port(), self._upstream_facts, case.auth, plan.discard, plan.concurrency)
        command = COMMANDS[side](setup)
        if plan.profile is None:
            with Server(side, command, setup) as server:
                yield _Target(server.pid, setup.port, server.start_seconds, server)
            return
        output = plan.profile / folder.name
        with Server(side, profiled(command, output), setup) as server, watched(server.pid, output):
            yield _Target(server.pid, setup.port, server.start_seconds, server)

    def _measure(self, side: str, case: Case, round_number: int, target: _Target) -> Run:
        idle = accounting.memory(target.pid)
        at_first = self._upstream.ask("wait", _ANSWER_TIMEOUT, messages=0, silence=0)
        self._warm(case, target)
        before = self._cost(target)
        sent = self._send(case, target, case.size, self._plan.bounds.messages(case))
        arrived = self._arrived(sent, target)
        self._rest(target)
        cost = self._cost(target).since(before)
        accepted = len(sent["reply_seconds"])
        sending = sent["last_reply"] - sent["start"]
        receiving = arrived["last"] - sent["start"] if arrived["messages"] else None
        return Run(
            side=side,
            case=case,
            round=round_number,
            figures=Figures(
                messages=accepted,
                delivered_rate=accepted / receiving if receiving else None,
                accepted_rate=accepted / sending,
                cpu_ms=1000 * cost.target / accepted,
                reply_p50_ms=1000 * percentile(sent["reply_seconds"], 0.5),
                reply_p99_ms=1000 * percentile(sent["reply_seconds"], 0.99),
                peak_mib=accounting.peak_memory(target.pid) / MIB,
            ),
            refused=len(sent["refused"]),
            repeated=arrived["repeated"],
            token_requests=arrived["token_requests"] - at_first["token_requests"],
            upstream_sessions=arrived["sessions"] - at_first["sessions"],
            load_busy=cost.load / sending,
            upstream_busy=cost.upstream / (receiving or sending),
            others_busy=max(cost.others, 0.0) / cost.moment,
            start_ms=1000 * target.start_seconds,
            idle_mib=idle / MIB,
        )

    def _warm(self, case: Case, target: _Target) -> None:
        """Let connections, token and login be made; every body is checked, and some lines in it begin with a dot."""
        messages = 2 * max(case.connections, self._plan.concurrency)
        self._arrived(self._send(case, target, 2 * KIB, messages, warm=True), target)
        if case.large:
            self._arrived(self._send(case, target, case.size, 1, warm=True), target)
        self._rest(target)

    def _send(self, case: Case, target: _Target, size: int, messages: int, *, warm: bool = False) -> Facts:
        self._upstream.ask("reset", _ANSWER_TIMEOUT, check_every=1 if warm else _CHECK_EVERY)
        sent = self._load.ask(
            "send",
            self._plan.bounds.seconds + self._plan.pace + _SENDING_TIMEOUT,
            port=target.port,
            size=size,
            messages=messages,
            connections=min(case.connections, messages),
            seconds=self._plan.bounds.seconds,
            login=LOGIN if case.auth else None,
            kept=case.kept,
            dots=warm,
            pace=0.0 if warm else self._plan.pace,
        )
        if not sent["reply_seconds"]:
            raise target.trouble(f"took none of the messages; the first answer was: {sent['refused'][0]}")
        return sent

    def _arrived(self, sent: Facts, target: _Target) -> Facts:
        """Wait until everything that was taken has come out again; nothing can be seen of discarded mail."""
        seen = not (self._plan.discard and target.server)
        accepted = len(sent["reply_seconds"]) if seen else 0
        arrived = self._upstream.ask("wait", _DELIVERY_TIMEOUT, messages=accepted, silence=_LONGEST_SILENCE)
        if arrived["problems"]:
            raise target.trouble(f"what arrived is not what was sent: {arrived['problems'][0]}")
        if arrived["messages"] < accepted:
            missing = f"took {accepted} messages, of which {arrived['messages']} arrived"
            raise target.trouble(f"{missing}; then nothing came for {_LONGEST_SILENCE:.0f} s")
        return arrived

    def _rest(self, target: _Target) -> None:
        """Wait until the target does next to nothing, so that what it does after the last delivery is counted, too."""
        until = time.monotonic() + _REST_TIMEOUT
        used = accounting.cpu_seconds(target.pid)
        while time.monotonic() < until:
            time.sleep(_REST_WINDOW)
            before, used = used, accounting.cpu_seconds(target.pid)
            if used - before < _REST_CPU:
                return

    def _cost(self, target: _Target) -> _Cost:
        load, upstream = self._load.pid, self._upstream.pid
        used = {pid: accounting.cpu_seconds(pid) for pid in (target.pid, load, upstream)}
        others = accounting.machine_cpu_seconds() - sum(used.values())
        return _Cost(time.monotonic(), used[target.pid], used[load], used[upstream], others)
