"""Small charts as SVG, drawn on the server: shapes only, the stylesheet has the colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.metrics.traffic import Totals

WIDTH, HEIGHT = 720, 120
_GAP = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of a column; `kind` is what it counts."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that a template draws: rectangles, the highest value, and the sums for who cannot see it."""

    bars: tuple[Bar, ...]
    highest: int
    sums: Totals


def stacked(columns: Sequence[Totals], kinds: Sequence[str]) -> Chart:
    """A column for each time, with its `kinds` on top of each other."""
    heights = [sum(getattr(column, kind) for kind in kinds) for column in columns]
    highest = max([*heights, 1])
    width = WIDTH / max(1, len(columns))
    bars: list[Bar] = []
    for number, column in enumerate(columns):
        top = float(HEIGHT)
        for kind in kinds:
            count = getattr(column, kind)
            if count:
                height = max(1.5, count / highest * HEIGHT)
                top -= height
                bars.append(Bar(kind, round(number * width, 1), round(max(top, 0), 1), width - _GAP, round(height, 1)))
    return Chart(tuple(bars), max(heights, default=0), sum(columns, Totals()))
