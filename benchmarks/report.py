"""What the runs say: medians by side, ratios by pair, as a table for people and as JSON."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.cases import Case, Figures, Run, size_text

_QUIET = 0.15


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of the table; `more_is_better` tells which way its ratio is read."""

    key: str
    title: str
    digits: int
    more_is_better: bool
    value: Callable[[Figures], float | None]


COLUMNS = (
    Column("delivered_rate", "delivered/s", 1, True, lambda figures: figures.delivered_rate),
    Column("accepted_rate", "accepted/s", 1, True, lambda figures: figures.accepted_rate),
    Column("cpu_ms", "CPU ms/msg", 3, False, lambda figures: figures.cpu_ms),
    Column("reply_p50_ms", "reply p50 ms", 2, False, lambda figures: figures.reply_p50_ms),
    Column("reply_p99_ms", "p99 ms", 2, False, lambda figures: figures.reply_p99_ms),
    Column("peak_mib", "peak MiB", 0, False, lambda figures: figures.peak_mib),
)


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of one side in one case, by column key."""

    case: Case
    side: str
    runs: int
    messages: float
    medians: dict[str, float | None]


def rows(runs: Sequence[Run]) -> list[Row]:
    """Return the medians, in the order in which cases and sides were first run."""
    return [
        Row(
            case=case,
            side=side,
            runs=len(group),
            messages=statistics.median(run.figures.messages for run in group),
            medians={column.key: _median(column.value(run.figures) for run in group) for column in COLUMNS},
        )
        for (case, side), group in _grouped(runs).items()
    ]


def ratios(runs: Sequence[Run], case: Case, side: str, other: str) -> dict[str, float | None]:
    """Say how many times better `side` is than `other`: the median over the rounds of each round's ratio.

    The two runs of a round follow each other, so a machine that slows down slows both. Above 1 `side` is better, for
    rates and costs alike; 2.0 in CPU ms/msg is twice as many messages per CPU second.
    """
    by_round = {(run.side, run.round): run.figures for run in runs if run.case == case}
    pairs = [
        (figures, by_round[other, number])
        for (name, number), figures in by_round.items()
        if name == side and (other, number) in by_round
    ]
    return {column.key: _median(_ratio(column, *pair) for pair in pairs) for column in COLUMNS}


def table(runs: Sequence[Run], compared: tuple[str, str] | None) -> str:
    """Return the table: one block for each size and login, with a ratio line where both `compared` sides have run."""
    found = rows(runs)
    blocks = []
    for block in dict.fromkeys(_block(row.case) for row in found):
        lines = [block, _line("at once", "side", [column.title for column in COLUMNS])]
        for case in dict.fromkeys(row.case for row in found if _block(row.case) == block):
            sides = [row for row in found if row.case == case]
            lines += [_line(str(case.connections), row.side, _cells(row.medians)) for row in sides]
            if compared and set(compared) <= {row.side for row in sides}:
                better = ratios(runs, case, *compared)
                lines.append(_line("", f"{compared[0]} better", [_times(better[column.key]) for column in COLUMNS]))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def notes(runs: Sequence[Run]) -> list[str]:
    """Return what the reader must know before trusting the table, and the figures that belong to a side as a whole."""
    found = []
    for side in dict.fromkeys(run.side for run in runs):
        own = [run for run in runs if run.side == side]
        start = statistics.median(run.start_ms for run in own)
        idle = statistics.median(run.idle_mib for run in own)
        tokens = max(run.token_requests for run in own)
        sessions = max(run.upstream_sessions for run in own)
        if start:
            found.append(
                f"{side}: first greeting {start:.0f} ms after the start, {idle:.0f} MiB then; at most {tokens} token "
                f"request(s) and {sessions} upstream connections a run"
            )
    found += [f"{run.side}, {run.case}: {run.refused} messages were refused" for run in runs if run.refused]
    found += [f"{run.side}, {run.case}: {run.repeated} messages came out twice" for run in runs if run.repeated]
    busiest = max(runs, key=lambda run: max(run.load_busy, run.upstream_busy))
    found.append(
        f"the benchmark's own processes at their busiest: load generator {busiest.load_busy:.0%}, upstream "
        f"{busiest.upstream_busy:.0%} of one core ({busiest.side}, {busiest.case})"
    )
    disturbed = statistics.median(run.others_busy for run in runs)
    found.append(f"the rest of the machine took {disturbed:.0%} of one core in the median of the runs")
    if disturbed > _QUIET:
        found.append("The machine was NOT QUIET: take none of these figures for the relay's, and measure again")
    return found


def as_json(runs: Sequence[Run], compared: tuple[str, str] | None, about: dict[str, object]) -> dict[str, object]:
    """Return everything: each run, the medians and the ratios."""
    cases = list(dict.fromkeys(run.case for run in runs))
    return {
        "about": about,
        "medians": [asdict(row) for row in rows(runs)],
        "ratios": [{"case": asdict(case), "better": ratios(runs, case, *compared)} for case in cases]
        if compared
        else [],
        "runs": [asdict(run) for run in runs],
    }


def _grouped(runs: Sequence[Run]) -> dict[tuple[Case, str], list[Run]]:
    groups: dict[tuple[Case, str], list[Run]] = {}
    for case in dict.fromkeys(run.case for run in runs):
        for run in runs:
            if run.case == case:
                groups.setdefault((case, run.side), []).append(run)
    return groups


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ratio(column: Column, figures: Figures, other: Figures) -> float | None:
    own, others = column.value(figures), column.value(other)
    if not own or not others:
        return None
    return own / others if column.more_is_better else others / own


def _block(case: Case) -> str:
    login = "AUTH PLAIN" if case.auth else "without AUTH"
    pattern = "message after message on one connection" if case.kept else "one message per connection"
    return f"{size_text(case.size)} messages, {login}, {pattern}"


def _cells(medians: dict[str, float | None]) -> list[str]:
    return ["-" if (value := medians[column.key]) is None else f"{value:,.{column.digits}f}" for column in COLUMNS]


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"x {ratio:.2f}"


def _line(connections: str, side: str, cells: Sequence[str]) -> str:
    return f"{connections:>8}  {side:<13}" + "".join(f"{cell:>14}" for cell in cells)
