"""What Prometheus reads at the agent's `/metrics`: numbers only, nothing of what was said."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.outcome import Outcome

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
_STAGES = ("asr", "intent", "acknowledged", "confirmed", "cloud_first_token", "cloud", "total")


class AgentMetrics:
    """Counts outcomes and shows the present state; every label's values are a closed set of ours."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._outcomes = self._counter(
            "outcomes", "Utterances by source, route and end.", ("source", "route", "state")
        )
        self._skills = self._counter("skills", "Skills by their end.", ("skill", "state"))
        self._reasons = self._counter("reasons", "Ends that have a reason.", ("state", "reason"))
        self._seconds = Histogram(
            "shadowdog_edge_stage_seconds",
            "From an utterance's arrival to a stage.",
            ("stage",),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._connected = self._gauge("robot_connected", "Whether the robot's state arrives.")
        self._age = self._gauge("robot_state_age_seconds", "Since the last state; -1 before one.")
        self._battery = self._gauge("robot_battery_percent", "The robot's charge; -1 unknown.")
        self._moving = self._gauge("robot_moving", "Whether the robot says that it moves.")
        self._waiting = self._gauge("utterances", "Utterances under way.")
        self._trouble = self._gauge("trouble", "1: no sign of life goes to the watchdog.")

    def concluded(self, outcome: Outcome) -> None:
        """An utterance has come to its end."""
        execution = outcome.execution
        self._outcomes.labels(outcome.source, outcome.route, execution.state).inc()
        if execution.skill is not None:
            self._skills.labels(execution.skill, execution.state).inc()
        if execution.reason is not None:
            self._reasons.labels(execution.state, execution.reason).inc()
        for stage in _STAGES:
            milliseconds = getattr(outcome.timings_ms, stage)
            if milliseconds is not None:
                self._seconds.labels(stage).observe(milliseconds / 1000)

    def render(self, state: Mapping[str, Any], trouble: str | None) -> bytes:
        """Return the figures in Prometheus's text form; `state` is what `GET /v1/state` shows."""
        robot = state["robot"]
        self._connected.set(bool(robot["connected"]))
        self._age.set(_known(robot["age_s"]))
        self._battery.set(_known(robot["battery_percent"]))
        self._moving.set(bool(robot["moving"]))
        self._waiting.set(state["utterances"])
        self._trouble.set(trouble is not None)
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"shadowdog_edge_{name}", what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"shadowdog_edge_{name}", what, registry=self._registry)


def _known(value: float | None) -> float:
    return -1.0 if value is None else value
