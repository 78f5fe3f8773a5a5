"""Every metric and label that an alert or a panel names is one that the code has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

from indexer import metrics as indexer_metrics
from ledger.store.tally import Tally
from oracle_api.jobs import metrics as jobs_metrics
from oracle_api.metrics import Metrics
from oracle_api.relay import metrics as relay_metrics
from oracle_api.slow_readers import SlowReaders
from oracle_api.standing_orders import metrics as keeper_metrics
from oracle_api.stream.hub import Hub
from oracle_api.webhooks import metrics as webhook_metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "ops/prometheus/rules.yml"
DASHBOARD = ROOT / "ops/grafana/billcoin.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
# What Prometheus adds itself, and what its client tells of a process on Linux.
FOREIGN = {
    "up": set(),
    "ALERTS": {"alertstate", "alertname"},
    "process_resident_memory_bytes": set(),
}
TARGET_LABELS = {"job", "instance", "le"}
KEYWORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "bool", "offset"}


def known_metrics() -> dict[str, set[str]]:
    """Each metric's name as Prometheus sees it, with its labels."""
    hub: Any = type("IdleHub", (Hub,), {"__init__": lambda _: None, "stream_count": 0})()
    hub.cut_off_count = 0
    oracle = Metrics(hub, SlowReaders())
    oracle.orders.start(Tally(0, {}, 0))
    known = {name: set(labels) for name, labels in FOREIGN.items()}
    assert indexer_metrics.TIP
    assert webhook_metrics.BACKLOG
    assert relay_metrics.METRICS
    assert keeper_metrics.COLLECTIONS
    for registry in (REGISTRY, oracle.registry, jobs_metrics.REGISTRY):
        known |= _described(registry)
    return known


def _described(registry: CollectorRegistry) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for collector in list(registry._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            told = {name for sample in family.samples for name in sample.labels} | labels
            for suffix in SUFFIXES.get(family.type, ()):
                found[family.name + suffix] = told
    return found


def alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load(RULES.read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [
        *(alert["expr"] for alert in alerts()),
        *(target["expr"] for panel in panels() for target in panel["targets"]),
        *(item["expr"] for item in dashboard["annotations"]["list"]),
    ]


def named(expression: str) -> dict[str, set[str]]:
    """The metrics of a PromQL expression, with the labels by which each is selected."""
    selected = {
        name: set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', selector))
        for name, selector in re.findall(r"([A-Za-z_]\w*)\{([^}]*)\}", expression)
    }
    bare = re.sub(r'\{[^}]*\}|\[[^\]]*\]|"[^"]*"', " ", expression)
    bare = re.sub(r"\b(?:by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
    names = set(re.findall(r"\b([A-Za-z_]\w*)\b(?!\s*\()", bare)) - KEYWORDS
    return {name: selected.get(name, set()) for name in names}


def test_the_expressions_are_taken_apart_rightly() -> None:
    told = named('sum by (le) (rate(a_bucket{x="y",z=~"w"}[5m])) / max(b) and on (i) c == 1')
    assert told == {"a_bucket": {"x", "z"}, "b": set(), "c": set()}


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_exists(expression: str) -> None:
    known = known_metrics()
    found = named(expression)
    assert found, "an expression names a metric"
    assert found.keys() <= known.keys()
    for name, labels in found.items():
        assert labels <= known[name] | TARGET_LABELS, name
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert() -> None:
    shown = {name for expression in expressions() for name in named(expression)}
    families = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in shown}
    ours = {
        re.sub(r"_(total|bucket|count|sum)$", "", name)
        for name in known_metrics()
        if name.startswith(("billcoin_", "payment_", "validation_"))
    }
    assert ours <= families


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_how_bad_it_is_and_leads_to_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_alerts_have_names_of_their_own() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)


def test_an_error_rate_above_two_percent_pages() -> None:
    (alert,) = [alert for alert in alerts() if alert["alert"] == "BillcoinErrorRate"]
    assert alert["expr"].endswith("> 0.02")
    assert alert["labels"]["severity"] == "page"


def test_every_panel_has_a_place_and_a_number_of_its_own() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (place["x"] + dx, place["y"] + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
