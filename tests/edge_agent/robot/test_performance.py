"""One action against a dog that answers everything and obeys what a test lets it; no DDS."""

import asyncio
import math
import threading
import time

import pytest

from edge_agent.mock_robot.physics import DogPhysics
from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.interface import Action
from edge_agent.robot.performance import Performance
from edge_agent.robot.sport_service import CallLog, SportService
from edge_agent.robot.state_monitor import SportSample, StateMonitor


class Body:
    """The mock's physics in the place of the SDK's client and of the state topics."""

    def __init__(self) -> None:
        self.physics = DogPhysics()
        self.ignores: dict[str, int] = {}
        self.codes: dict[str, int] = {}
        self.sent: list[str] = []
        self.last_s = time.monotonic()
        self.lock = threading.Lock()

    def __getattr__(self, name):
        ids = {"Sit": 1009, "Move": 1008, "StopMove": 1003, "Dance1": 1022}

        def call(*arguments):
            with self.lock:
                self.sent.append(name)
                code = self.codes.get(name, 0)
                if code == 0 and self.ignores.get(name, 0) > 0:
                    self.ignores[name] -= 1
                elif code == 0:
                    x, y, z = arguments or (0, 0, 0)
                    self.physics.command(ids[name], f'{{"x": {x}, "y": {y}, "z": {z}}}')
            return code

        return call

    def sample(self) -> SportSample:
        with self.lock:
            now = time.monotonic()
            self.physics.step(max(now - self.last_s, 1e-6))
            self.last_s = now
            state = self.physics.state()
        return SportSample(
            mode=state.mode,
            error_code=0,
            progress=state.progress,
            position_m=state.position_m,
            velocity_m_s=state.velocity_m_s,
            yaw_speed_rad_s=state.yaw_speed_rad_s,
            rpy_rad=state.rpy_rad,
            gyroscope_rad_s=state.gyroscope_rad_s,
            body_height_m=state.body_height_m,
            received_at=now,
        )


class Monitor(StateMonitor):
    """Takes a sample whenever it is asked."""

    def __init__(self, body: Body) -> None:
        super().__init__(0)
        self.body = body

    def state(self):
        self.tracker.take_sport(self.body.sample())
        return super().state()


@pytest.fixture
def body():
    return Body()


def perform(body: Body, skill: str):
    async def run():
        service = SportService()
        service._client = service._urgent_client = body
        action = Action(skill, "key", math.inf)
        log = CallLog(time.monotonic())
        performance = Performance(
            service, Monitor(body), action, CHOREOGRAPHIES[skill], lambda progress: None, log
        )
        try:
            return await performance.run()
        finally:
            service.close()

    return asyncio.run(run())


def test_a_posture_call_that_a_busy_dog_swallowed_is_asked_once_more(body):
    body.ignores["Sit"] = 1
    assert perform(body, "Sit").state == "confirmed"
    assert body.sent == ["Sit", "Sit"]


def test_a_walk_that_is_acknowledged_and_not_walked_is_not_confirmed(body):
    body.ignores["Move"] = 10_000
    execution = perform(body, "WaltzDance")
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    assert body.sent[-1] == "StopMove"


def test_a_dance_that_never_begins_is_not_confirmed(body):
    body.ignores["Dance1"] = 1
    execution = perform(body, "Dance")
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    assert body.sent.count("Dance1") == 1  # a dance asked for twice might be danced twice


def test_a_rejected_call_names_its_code_and_moves_nothing(body):
    body.codes["Sit"] = 4201
    execution = perform(body, "Sit")
    assert (execution.state, execution.reason) == ("failed", "call_rejected_4201")
    assert body.sent == ["Sit"]
