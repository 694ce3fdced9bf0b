"""Medians and ratios, from runs that are made up."""

import json

import pytest

from benchmarks import report
from benchmarks.cases import Case, Figures, Run, percentile, size_from, size_text

CASE = Case(size=2048, connections=10, auth=False, kept=False)


def run(
    side: str,
    number: int,
    *,
    rate: float = 100.0,
    cpu: float = 1.0,
    case: Case = CASE,
    refused: int = 0,
    others: float = 0.0,
) -> Run:
    figures = Figures(50, rate, rate, cpu, 2.0, 3.0, 40.0)
    return Run(side, case, number, figures, refused, 0, 1, 8, 0.5, 0.25, others, 90.0, 29.0)


def test_the_median_of_the_rounds_is_told() -> None:
    runs = [run("relay", 0, rate=100), run("relay", 1, rate=900), run("relay", 2, rate=300)]
    (row,) = report.rows(runs)
    assert (row.side, row.runs, row.medians["accepted_rate"]) == ("relay", 3, 300)


def test_ratios_are_taken_pair_by_pair_and_above_one_is_better() -> None:
    runs = [
        *(run("relay", 0, rate=200, cpu=0.5), run("peer", 0, rate=100, cpu=1.0)),
        *(run("peer", 1, rate=10, cpu=10.0), run("relay", 1, rate=30, cpu=2.5)),
        *(run("relay", 2, rate=800, cpu=1.0), run("peer", 2, rate=100, cpu=3.0)),
    ]
    better = report.ratios(runs, CASE, "relay", "peer")
    assert (better["accepted_rate"], better["cpu_ms"], better["peak_mib"]) == (3.0, 3.0, 1.0)


def test_a_round_without_its_pair_is_left_out() -> None:
    runs = [run("relay", 0, rate=200), run("peer", 0, rate=100), run("relay", 1, rate=9000)]
    assert report.ratios(runs, CASE, "relay", "peer")["accepted_rate"] == 2.0


def test_what_cannot_be_seen_is_not_made_up() -> None:
    unseen = Run("relay", CASE, 0, Figures(50, None, 10.0, 1.0, 2.0, 3.0, 40.0), 0, 0, 0, 0, 0.5, 0.25, 0.0, 90.0, 29.0)
    assert report.rows([unseen])[0].medians["delivered_rate"] is None
    assert report.ratios([unseen, run("peer", 0)], CASE, "relay", "peer")["delivered_rate"] is None
    assert " - " in report.table([unseen], None)


def test_the_table_holds_cases_sides_and_ratios() -> None:
    other = Case(size=5 * 1024 * 1024, connections=100, auth=True, kept=True)
    runs = [run("relay", 0, cpu=0.25), run("peer", 0, cpu=0.5), run("relay", 0, case=other)]
    text = report.table(runs, ("relay", "peer"))
    first, second = text.split("\n\n")
    assert first.startswith("2 KiB messages, without AUTH, one message per connection")
    assert second.startswith("5 MiB messages, AUTH PLAIN, message after message on one connection")
    assert "relay better" in first
    assert "x 2.00" in first
    assert "better" not in second


def test_the_notes_tell_what_casts_doubt() -> None:
    text = "\n".join(report.notes([run("relay", 0, refused=3), run("peer", 0)]))
    assert "relay, 2 KiB, 10 at once, no AUTH: 3 messages were refused" in text
    assert "load generator 50%, upstream 25% of one core" in text
    assert "peer: first greeting 90 ms after the start, 29 MiB then" in text


@pytest.mark.parametrize(("others", "loud"), [(0.1, False), (0.4, True)])
def test_a_machine_with_other_work_is_told(others: float, loud: bool) -> None:
    text = "\n".join(report.notes([run("relay", number, others=others) for number in range(3)]))
    assert f"the rest of the machine took {others:.0%} of one core" in text
    assert ("NOT QUIET" in text) == loud


def test_the_json_holds_everything() -> None:
    runs = [run("relay", 0, rate=200), run("peer", 0, rate=100)]
    found = json.loads(json.dumps(report.as_json(runs, ("relay", "peer"), {"Python": "3.11"})))
    assert found["about"] == {"Python": "3.11"}
    assert [row["side"] for row in found["medians"]] == ["relay", "peer"]
    assert found["ratios"][0]["better"]["accepted_rate"] == 2.0
    assert found["runs"][0]["figures"]["accepted_rate"] == 200


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 6.0), (0.99, 10.0), (1.0, 10.0)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 11)], share) == value


def test_no_value_has_no_percentile() -> None:
    assert percentile([], 0.5) == 0.0


@pytest.mark.parametrize(("text", "size"), [("2KiB", 2048), ("5MiB", 5 * 1024 * 1024), ("30 KiB", 30720)])
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert size_from(text) == size
    assert size_text(size) == text.replace("KiB", " KiB").replace("MiB", " MiB").replace("  ", " ")


@pytest.mark.parametrize("text", ["2048", "KiB", "2KB", ""])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size like 2KiB or 5MiB"):
        size_from(text)
