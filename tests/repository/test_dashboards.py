"""The Grafana dashboard asks for metrics that the cloud really has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloud_server.api.metrics import CloudMetrics

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "dashboards" / "cloud.json"
SERIES = re.compile(r"shadowdog_[a-z_]+")
BY = re.compile(r"by \(([^)]*)\)")


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def labels_of_series() -> dict[str, set[str]]:
    """Return the labels of every series that Prometheus would keep, by its name."""
    metrics = CloudMetrics()
    metrics.requested("/r", 200, 0.1, "busy")
    metrics.named(["Sit"])
    metrics.dropped(None, "failed")  # type: ignore[arg-type]
    metrics.reused(1, 1)
    metrics._finished.labels("stop").inc()
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def test_every_query_names_a_series_and_labels_that_exist(panels: list[dict[str, Any]]) -> None:
    known = labels_of_series()
    for panel in panels:
        for target in panel["targets"]:
            names = SERIES.findall(target["expr"])
            assert names, target["expr"]
            for name in names:
                assert name in known, name
            for group in BY.findall(target["expr"]):
                for label in group.split(","):
                    assert label.strip() in known[names[0]], target["expr"]


def test_every_figure_is_shown(panels: list[dict[str, Any]]) -> None:
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in SERIES.findall(target["expr"])
    }
    ends = ("_created", "_sum", "_count", "_bucket")
    families = {re.sub(r"_(created|sum|count|bucket)$", "", name) for name in asked}
    for name in labels_of_series():
        if not name.endswith(ends):
            assert name in asked, name
        elif name.endswith("_bucket"):
            assert name.removesuffix("_bucket") in families, name


def test_panels_have_ids_of_their_own_and_do_not_overlap(panels: list[dict[str, Any]]) -> None:
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
