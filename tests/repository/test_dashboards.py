"""The Grafana dashboards ask for metrics that cloud and edge really have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloud_server.api.metrics import CloudMetrics
from edge_agent.metrics import AgentMetrics
from shared.outcome import Execution, Outcome, Timings, now_rfc3339

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "dashboards"
SERIES = re.compile(r"shadowdog_[a-z_]+")
BY = re.compile(r"by \(([^)]*)\)")


@pytest.fixture(scope="module", params=["cloud", "edge"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def panels(name: str) -> list[dict[str, Any]]:
    text = (DASHBOARDS / f"{name}.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["panels"]
    return found


@pytest.fixture(scope="module")
def known(name: str) -> dict[str, set[str]]:
    """The labels of every series that Prometheus would keep, by its name."""
    text = (cloud_figures if name == "cloud" else edge_figures)().decode()
    families = text_string_to_metric_families(text)
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def edge_figures() -> bytes:
    metrics = AgentMetrics()
    execution = Execution(state="refused", reason="battery_low", skill="Sit")
    metrics.concluded(
        Outcome(
            request_id="1",
            time=now_rfc3339(),
            source="text",
            text="sit",
            lang="en",
            route="edge",
            tag="[Sit()]",
            execution=execution,
            timings_ms=Timings(intent=1.0, total=2.0),
        )
    )
    robot = {"connected": True, "age_s": None, "battery_percent": 80.0, "moving": False}
    return metrics.render({"robot": robot, "utterances": 0}, None)


def cloud_figures() -> bytes:
    metrics = CloudMetrics()
    metrics.requested("/r", 200, 0.1, "busy")
    metrics.named(["Sit"])
    metrics.dropped(None, "failed")  # type: ignore[arg-type]
    metrics.reused(1, 1)
    metrics._finished.labels("stop").inc()
    return generate_latest(metrics.registry)


def test_every_query_names_a_series_and_labels_that_exist(
    panels: list[dict[str, Any]], known: dict[str, set[str]]
) -> None:
    for panel in panels:
        for target in panel["targets"]:
            names = SERIES.findall(target["expr"])
            assert names, target["expr"]
            for series in names:
                assert series in known, series
            for group in BY.findall(target["expr"]):
                for label in group.split(","):
                    assert label.strip() in known[names[0]], target["expr"]


def test_every_figure_is_shown(panels: list[dict[str, Any]], known: dict[str, set[str]]) -> None:
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in SERIES.findall(target["expr"])
    }
    ends = ("_created", "_sum", "_count", "_bucket")
    families = {re.sub(r"_(created|sum|count|bucket)$", "", name) for name in asked}
    for name in known:
        if not name.endswith(ends):
            assert name in asked, name
        elif name.endswith("_bucket"):
            assert name.removesuffix("_bucket") in families, name


def test_panels_have_ids_of_their_own_and_do_not_overlap(panels: list[dict[str, Any]]) -> None:
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
