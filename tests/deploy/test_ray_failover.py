"""Replicas under Ray Serve behind the front end, one of them killed with answers under way."""

import pytest

pytest.importorskip("ray", reason="Ray is not installed here: make test-ray")


def test_a_killed_replica_loses_nothing_and_sessions_go_on():
    """Answers after the kill depend on what was said before it, and are those of an undisturbed talk."""
    from deploy.ray.failover import TURNS, show

    sessions = 6
    report = show("tiny", 2, sessions, 120)
    assert report["requests"] == sessions * len(TURNS)
    assert report["answered"] == report["same_as_undisturbed"] == report["requests"]
    assert report["resumed"] >= 1
    assert len(report["replicas_before"]) == 2
