"""The agent's figures: what is counted, what the present state shows, and that no words are in them."""

from edge_agent.metrics import AgentMetrics
from shared.outcome import Execution, Outcome, Timings, now_rfc3339

STATE = {
    "robot": {"connected": True, "age_s": 0.02, "battery_percent": 80.0, "moving": False},
    "utterances": 1,
}


def outcome(text: str, **execution: object) -> Outcome:
    return Outcome(
        request_id="1",
        time=now_rfc3339(),
        source="text",
        text=text,
        lang="en",
        route="edge",
        tag="[Sit()]",
        say="Sitting down.",
        execution=Execution(**execution),  # type: ignore[arg-type]
        timings_ms=Timings(intent=7.0, total=1700.0),
    )


def lines(metrics: AgentMetrics, trouble: str | None = None) -> list[str]:
    return metrics.render(STATE, trouble).decode().splitlines()


def test_outcomes_are_counted_by_their_end() -> None:
    metrics = AgentMetrics()
    metrics.concluded(outcome("sit", state="confirmed", skill="Sit"))
    metrics.concluded(outcome("sit", state="refused", skill="Sit", reason="battery_low"))
    told = lines(metrics)
    prefix = 'shadowdog_edge_outcomes_total{route="edge",source="text",'
    assert f'{prefix}state="confirmed"}} 1.0' in told
    assert 'shadowdog_edge_skills_total{skill="Sit",state="confirmed"} 1.0' in told
    assert 'shadowdog_edge_reasons_total{reason="battery_low",state="refused"} 1.0' in told
    assert 'shadowdog_edge_stage_seconds_bucket{le="0.01",stage="intent"} 2.0' in told
    assert not any('stage="cloud"' in line for line in told)  # it did not happen


def test_the_present_state_is_shown() -> None:
    told = lines(AgentMetrics())
    assert "shadowdog_edge_robot_connected 1.0" in told
    assert "shadowdog_edge_robot_battery_percent 80.0" in told
    assert "shadowdog_edge_trouble 0.0" in told
    assert "shadowdog_edge_trouble 1.0" in lines(AgentMetrics(), "its heartbeat has stopped")


def test_what_is_unknown_is_minus_one() -> None:
    robot = {"connected": False, "age_s": None, "battery_percent": None, "moving": False}
    told = AgentMetrics().render({"robot": robot, "utterances": 0}, None).decode().splitlines()
    assert "shadowdog_edge_robot_state_age_seconds -1.0" in told
    assert "shadowdog_edge_robot_battery_percent -1.0" in told


def test_nothing_that_was_said_is_in_them() -> None:
    metrics = AgentMetrics()
    metrics.concluded(outcome("a secret wish", state="confirmed", skill="Sit"))
    told = "\n".join(lines(metrics))
    assert "secret" not in told
    assert "Sitting" not in told
