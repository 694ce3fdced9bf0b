"""A client whose rates change: what it has sent stays counted."""

from collections.abc import Callable
from pathlib import Path

from relay import config
from relay.config.rates import rate
from relay.limits import Tally
from relay.listener.rates import Rates
from relay.policy import ClientPolicy, Policy, Refusal
from tests.support.clock import FakeClock

CLIENT = '[accounts.bin]\nprovider = "discard"\n[clients.app]\npassword = "x"\nsenders = ["*"]\n'


def policy(folder: Path, more: str) -> Policy:
    path = folder / "relay.toml"
    path.write_text(CLIENT + more)
    return Policy(config.load(path, {}))


def app(made: Policy) -> ClientPolicy:
    found = made.client_by_name("app")
    assert found is not None
    return found


def test_both_rates_count_what_was_sent_before(tmp_path: Path) -> None:
    rates = Rates(FakeClock())
    before = app(policy(tmp_path, 'rate = ["5 messages/1m"]\nrecipient_rate = ["3 messages/1h"]\n'))
    assert rates.take(before, ["a@x.org"]) == {"a@x.org": 0.0}
    assert rates.take(before, ["b@x.org"]) == {"b@x.org": 0.0}
    changed = policy(tmp_path, 'rate = ["3 messages/5m"]\nrecipient_rate = ["1 messages/1h"]\n')
    rates.use(changed)
    refused = rates.take(app(changed), ["a@x.org"])
    assert isinstance(refused, Refusal)
    assert "1 message/1h" in refused.text
    assert rates.take(app(changed), ["c@x.org"]) == {"c@x.org": 0.0}
    assert isinstance(rates.at_mail(app(changed)), Refusal)
    gone = policy(tmp_path, "").client_by_name("nobody")
    assert gone is None


def test_what_a_new_window_begins_with_is_written_down() -> None:
    noted: list[Tally] = []
    changed: Callable[[Tally], None] = noted.append
    tally = Tally([rate("5 messages/1m")], [], changed, "client app")
    tally.take(100.0, ["a@x.org"])
    tally.give_unsaved()
    tally.use([rate("5 messages/1m"), rate("9 messages/1h")], [])
    assert [(name, one.seconds) for name, one, _ in tally.give_unsaved()] == [("client app", 3600.0)]
    assert noted == [tally, tally]
