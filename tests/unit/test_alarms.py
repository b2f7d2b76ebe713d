"""Alarms for Prometheus: of figures that there are, and each explained."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from services.dashboard import metrics
from services.queue.brake import Braked
from tests.dashboard import healthy

ROOT = Path(__file__).resolve().parents[2]
OPS = (ROOT / "docs" / "ops.md").read_text("utf-8")
FOLDER = ROOT / "deploy" / "prometheus"


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def rules() -> list[dict[str, Any]]:
    """Return all alarms."""
    return [rule for group in read("rules.yml")["groups"] for rule in group["rules"]]


def figures() -> dict[str, dict[str, set[str]]]:
    """Return each figure there is, its labels, and their values where nothing is away."""
    braked = Braked(since=1, dead_letters=1, of_pages=1, said=(), trials=0, next_trial_at=1)
    full = replace(healthy(dead_letters={"error": 1}), brake=braked)
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics.render(full).decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def test_alarms_are_of_figures_that_there_are() -> None:
    """No alarm asks for a figure, or a label's value, that the dashboard never tells."""
    there = figures()
    for rule in rules():
        for name, selector in re.findall(r"\b(rasid_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            assert name in there, rule["alert"]
            for label, value in re.findall(r'(\w+)="([^"]*)"', selector or ""):
                assert value in there[name][label], rule["alert"]


def test_alarms_are_explained() -> None:
    """Each has a summary, a severity, a row in the table for it, and a test of promtool's."""
    now, day = (
        set(re.findall(r"^\| `(Rasid\w+)`", part, re.MULTILINE))
        for part in OPS.split("### Alarms")[1].split("\n## ")[0].split("and those for the day")
    )
    tested = [
        test["alertname"]
        for one in read("rules-test.yml")["tests"]
        for test in one["alert_rule_test"]
        if "exp_alerts" in test
    ]

    assert {rule["alert"] for rule in rules() if rule["labels"]["severity"] == "page"} == now
    assert {rule["alert"] for rule in rules() if rule["labels"]["severity"] == "ticket"} == day
    assert all(rule["annotations"]["summary"] for rule in rules())
    assert sorted(tested) == sorted(now | day)


def test_every_figure_is_explained() -> None:
    """docs/ops.md names each figure with its labels, and no other."""
    rows = re.findall(r"^\| (`rasid_[^|]*)\|([^|]*)\|", OPS, re.MULTILINE)
    told: dict[str, set[str]] = {}
    for names, labels in rows:
        for name in re.findall(r"`(\w+)`", names):
            told[name] = set(re.findall(r"`(\w+)`", labels))
    there = {name: set(labels) for name, labels in figures().items()}

    assert told.keys() == there.keys()
    assert {name for name, labels in there.items() if not labels <= told[name]} == set()
