"""What the charts are made of: samples of counters, by minute."""

from relay.metrics.traffic import Totals, Traffic
from relay.metrics.visits import VisitorBook
from relay.web.charts import HEIGHT, stacked


class Counted:
    """Counters and a clock that are set by hand."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.now = 6000.0


def test_what_came_stands_in_its_minute() -> None:
    counted = Counted()
    traffic = Traffic(lambda: counted.now, lambda: counted.totals)
    counted.totals = Totals(accepted=2)
    traffic.sample()
    counted.now += 120
    counted.totals = Totals(accepted=5, sent=2)
    assert traffic.columns(240, 4) == [Totals(), Totals(2), Totals(), Totals(3, 2)]
    assert traffic.columns(240, 2) == [Totals(2), Totals(3, 2)]


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    counted = Counted()
    traffic = Traffic(lambda: counted.now, lambda: counted.totals)
    counted.totals = Totals(1)
    traffic.sample()
    counted.now -= 600
    counted.totals = Totals(4)
    traffic.sample()
    counted.now += 600
    assert sum(each.accepted for each in traffic.columns(3600, 60)) == 4


def test_what_is_older_than_a_day_is_forgotten() -> None:
    counted = Counted()
    traffic = Traffic(lambda: counted.now, lambda: counted.totals)
    counted.totals = Totals(1)
    traffic.sample()
    counted.now += 86400 + 60
    assert traffic.columns(86400, 96) == [Totals()] * 96


def test_a_chart_is_as_high_as_its_highest_column() -> None:
    chart = stacked([Totals(sent=1, failed=1), Totals(sent=4)], ("sent", "failed"))
    assert chart.highest == 4
    assert [(bar.kind, bar.height) for bar in chart.bars] == [("sent", 30.0), ("failed", 30.0), ("sent", float(HEIGHT))]
    assert chart.sums == Totals(sent=5, failed=1)


def test_the_same_refusal_again_is_one_line() -> None:
    book = VisitorBook()
    for at in (1.0, 2.0, 3.0):
        book.refused("login", at=at, client="", peer="192.0.2.1", subject="x", reply="no")
    book.refused("login", at=4.0, client="", peer="192.0.2.2", subject="x", reply="no")
    assert [(one.peer, one.count, one.at) for one in book.refusals] == [("192.0.2.2", 1, 4.0), ("192.0.2.1", 3, 3.0)]


def test_the_book_has_limits() -> None:
    book = VisitorBook()
    for number in range(3000):
        book.refused("login", at=0.0, client=f"c{number}", peer="p", subject="s" * 5000, reply="r")
    assert len(book.refusals) == 200
    assert len(book.refusals[0].subject) == 500
    assert book.of("c0").refused == 0
    assert book.of("c2999").refused == 1
