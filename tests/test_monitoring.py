"""The dashboard and the alert rules ask for metrics that exist, with labels that they have."""

import json
import re

from relay import metrics
from tests.support.source import ROOT

FOLDER = ROOT / "packaging" / "monitoring"
_NAME = re.compile(r"\b(relay_[a-z_]+)\b(?:{([^}]*)})?")
_BY = re.compile(r"\bby \(([^)]*)\)")
_SCRAPED = {"job", "instance", "le"}
_SUFFIX = re.compile(r"_(total|created|bucket|count|sum)$")


def known() -> dict[str, set[str]]:
    """Each metric with its labels, by every name that a query can use."""
    collectors = metrics.REGISTRY._collector_to_names
    return {name: set(getattr(each, "_labelnames", ())) for each, names in collectors.items() for name in names}


def dashboard() -> list[str]:
    shown = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return [target["expr"] for panel in shown["panels"] for target in panel["targets"]]


def alerts() -> list[str]:
    text = (FOLDER / "prometheus-alerts.yml").read_text()
    return re.findall(r"^ +expr: (.+)$", text, re.MULTILINE)


def wrong(query: str) -> list[str]:
    """What a query asks for that is not there."""
    names = known()
    found = []
    for name, selector in _NAME.findall(query):
        asked = set(re.findall(r"(\w+)\s*=", selector))
        if name not in names:
            found.append(f"{name} does not exist")
        else:
            found += [f"{name} has no label {label}" for label in asked - names[name] - _SCRAPED]
    labels = {label for name, _ in _NAME.findall(query) for label in names.get(name, set())}
    grouped = {label.strip() for group in _BY.findall(query) for label in group.split(",")}
    return [*found, *(f"{query} groups by {label}" for label in grouped - labels - _SCRAPED)]


def test_dashboard_and_alerts_ask_for_what_there_is() -> None:
    assert len(dashboard()) > 15
    assert len(alerts()) > 8
    assert [row for query in (*dashboard(), *alerts()) for row in wrong(query)] == []


def test_every_metric_is_on_the_dashboard_or_behind_an_alert() -> None:
    asked = {_SUFFIX.sub("", name) for query in (*dashboard(), *alerts()) for name, _ in _NAME.findall(query)}
    ours = {_SUFFIX.sub("", name) for name in known()}
    assert ours - asked == {
        "relay_accepted_bytes",
        "relay_alerts",
        "relay_configuration_read_timestamp_seconds",
        "relay_start_timestamp_seconds",
        "relay_tasks",
    }


def test_a_query_for_nothing_is_caught() -> None:
    assert wrong("rate(relay_nonsense_total[5m])") == ["relay_nonsense_total does not exist"]
    assert wrong('relay_ready{account="x"}') == ["relay_ready has no label account"]
    assert wrong("sum by (client) (relay_ready)") == ["sum by (client) (relay_ready) groups by client"]
