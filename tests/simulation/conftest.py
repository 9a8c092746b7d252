"""A simulation without processes: an agent that answers at once and a mock that logs two calls."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.free_places import choose_port
from edge_agent.simulation import SimulationOptions
from shared.outcome import Call, Execution, Outcome, Timings, now_rfc3339


def make_outcome(text: str, state: str = "confirmed", skill: str | None = "Sit") -> Outcome:
    calls = [Call(api_id=1009, name="Sit", parameter={}, code=0, at_ms=1.0)] if skill else []
    return Outcome(
        request_id=f"id-{text}",
        time=now_rfc3339(),
        source="text",
        text=text,
        lang="zh" if "坐" in text else "en",
        route="edge" if skill else "cloud",
        tag="[Sit()]" if skill else "[REMOTE]",
        probability=0.9,
        say="Sitting down.",
        execution=Execution(state=state, skill=skill, calls=calls),  # type: ignore[arg-type]
        timings_ms=Timings(intent=1.0, total=1500.0),
    )


class FakeAgent:
    def __init__(self) -> None:
        self.said: list[tuple[str, str | None]] = []
        self.heard: list[tuple[bytes, bool]] = []
        self.stops = 0
        self.stopped = threading.Event()
        self.hold: threading.Event | None = None

    def say(self, text: str, lang: str | None = None, session_id: str | None = None) -> Outcome:
        self.said.append((text, lang))
        if self.hold is not None:
            assert self.hold.wait(30)
        if "flip" in text:
            return make_outcome(text, "needs_confirmation", "FrontFlip")
        return make_outcome(text, *(("none", None) if "why" in text else ("confirmed", "Sit")))

    def hear(self, recording: bytes, *, push_to_talk: bool, session_id: str) -> Outcome:
        self.heard.append((recording, push_to_talk))
        return make_outcome("heard")

    def stop(self) -> dict[str, Any]:
        self.stops += 1
        self.stopped.set()
        return {"calls": [{"name": "StopMove", "code": 0}]}


class FakeSimulation:
    def __init__(self) -> None:
        self.agent = FakeAgent()
        self.settled = 0
        self.cloud_alive = True
        self.mock_url, self.agent_url, self.logs = "http://mock", "http://agent", "/logs"

    def check(self) -> None: ...

    def settle(self) -> bool:
        self.settled += 1
        return True

    def mock_state(self) -> dict[str, Any]:
        return {"posture": "sitting"}

    def mock_calls(self, after: int = 0) -> list[dict[str, Any]]:
        return [{"sequence": after + 1, "name": "Sit"}, {"sequence": after + 2, "name": "Move"}]


@pytest.fixture(scope="session")
def own_places() -> Callable[[], SimulationOptions]:
    """Ports that the system hands out: the usual ones are what every other simulation here tries first."""

    def choose() -> SimulationOptions:
        taken: set[int] = set()
        ports = [choose_port(0, taken) for _ in range(3)]
        return SimulationOptions(agent_port=ports[0], cloud_port=ports[1], mock_port=ports[2])

    return choose


@pytest.fixture
def simulation() -> FakeSimulation:
    return FakeSimulation()


@pytest.fixture
def outcomes() -> SimpleNamespace:
    return SimpleNamespace(make=make_outcome)
