"""What is measured: the cases, and what one run of one side in one case gave."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Case:
    """How the messages come: `size` in octets, `kept` for message after message on one connection."""

    size: int
    connections: int
    auth: bool
    kept: bool

    @property
    def large(self) -> bool:
        return self.size >= MIB

    def __str__(self) -> str:
        login = "AUTH PLAIN" if self.auth else "no AUTH"
        return f"{size_text(self.size)}, {self.connections} at once, {login}{', kept' if self.kept else ''}"


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Rates are messages per second, times milliseconds, memory MiB; None where a figure makes no sense."""

    messages: int
    delivered_rate: float | None
    accepted_rate: float
    cpu_ms: float
    reply_p50_ms: float
    reply_p99_ms: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Run:
    """One side's turn in one round: the figures, and what shows whether they can be trusted.

    `refused` messages were not taken, `repeated` ones came out more than once. `token_requests` and
    `upstream_sessions` are what the side asked of the provider, its warm-up included. `load_busy` and `upstream_busy`
    are the share of a core that the benchmark's own processes took: near 1.0 they would be what was measured.
    `others_busy` is the share of a core that the rest of the machine took, which had better be idle.
    `start_ms` is the time from start to greeting, `idle_mib` the memory then.
    """

    side: str
    case: Case
    round: int
    figures: Figures
    refused: int
    repeated: int
    token_requests: int
    upstream_sessions: int
    load_busy: float
    upstream_busy: float
    others_busy: float
    start_ms: float
    idle_mib: float


def size_text(size: int) -> str:
    """Write a size as people do."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def size_from(text: str) -> int:
    """Read `2KiB` or `5MiB`; raise ValueError otherwise."""
    number, unit = text[:-3], text[-3:]
    if unit not in {"KiB", "MiB"} or not number.strip().isdigit():
        raise ValueError(f"{text!r} is not a size like 2KiB or 5MiB")
    return int(number) * (MIB if unit == "MiB" else KIB)


def percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that `share` of the sorted `ordered` do not exceed; 0 when there is none."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
