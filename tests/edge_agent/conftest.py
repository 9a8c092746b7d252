"""Stand-ins at the agent's seams: a robot, a recogniser, a cloud and a clock that tests drive."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from edge_agent.agent import Agent, AgentOptions
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate, GatePolicy
from edge_agent.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.robot.interface import Action, Progress, RobotState
from edge_agent.routing import CircuitBreaker
from shared.messages import IntentReply, IntentRequest, IntentTimings, Usage
from shared.outcome import Call, Execution
from shared.tags import REMOTE, print_tag


class FakeClock:
    """Seconds that pass only when told, or when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class FakeRobot:
    """Performs at once, or holds each action until `release` or a stop."""

    def __init__(self) -> None:
        self.performed: list[str] = []
        self.keys: list[str] = []
        self.stops = 0
        self.damps = 0
        self.halts = 0
        self.hold = False
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.stop_code = 0
        self.error: Exception | None = None
        self.result: dict[str, Any] = {"state": "confirmed"}
        self.posture = "standing"
        self.moving = False
        self._stopped = asyncio.Event()

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    def state(self) -> RobotState:
        return RobotState(
            connected=True,
            age_s=0.0,
            posture=self.posture,  # type: ignore[arg-type]
            moving=self.moving,
            battery_percent=80.0,
            motor_temperature_c=40.0,
        )

    async def perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        self.performed.append(action.skill)
        self.keys.append(action.key)
        if self.error is not None:
            raise self.error
        call = Call(api_id=1, name=action.skill, parameter={}, code=0, at_ms=5.0)
        report(Progress("accepted", (call,)))
        self._stopped = asyncio.Event()
        if self.hold:
            self.begun.set()
            ends = [asyncio.ensure_future(e.wait()) for e in (self._stopped, self.release)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                each.cancel()
        if self._stopped.is_set():
            return Execution(state="preempted", skill=action.skill, calls=[call])
        return Execution(skill=action.skill, calls=[call], **self.result)

    async def stop(self) -> list[Call]:
        self.stops += 1
        self._stopped.set()
        return [Call(api_id=1003, name="StopMove", parameter={}, code=self.stop_code, at_ms=1.0)]

    async def damp(self) -> list[Call]:
        self.damps += 1
        self._stopped.set()
        return [Call(api_id=1001, name="Damp", parameter={}, code=0, at_ms=1.0)]

    def halt(self) -> None:
        self.halts += 1
        self._stopped.set()


class FakeRecognizer:
    """Knows the utterances of `knows`; everything else is [REMOTE]."""

    def __init__(self) -> None:
        self.manifest: Any = SimpleNamespace(name="fake", fingerprint="f" * 64)
        self.knows = {
            "sit": "Sit",
            "坐下": "Sit",
            "dance": "Dance",
            "flip": "FrontFlip",
            "limp": "Damp",
            "cease": "StopMove",
        }
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()

    def decide(self, text: str) -> Any:
        self.asked.append(text)
        assert self.open.wait(10)
        name = next((self.knows[word] for word in self.knows if word in text), None)
        tag = print_tag(name) if name else REMOTE
        ranked = [(tag, 0.9), ("[Tango()]", 0.1)]
        posterior = SimpleNamespace(ranked=ranked)
        return SimpleNamespace(
            tag=tag, probability=0.9, confidence=0.9, seconded=0.9, posterior=posterior
        )


class FakeCloud:
    """Answers `say` and `skills`, raises `error`, or holds the answer until `release`."""

    def __init__(self, clock: FakeClock) -> None:
        self.requests: list[IntentRequest] = []
        self.deadlines: list[float] = []
        self.say = "It is sunny."
        self.skills: list[str] = []
        self.finish_reason: Literal["stop", "length", "deadline"] = "stop"
        self.error: Exception | None = None
        self.hold = False
        self.takes_s = 0.5
        self.asked = asyncio.Event()
        self.cancelled = False
        self._clock = clock

    async def ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None] = lambda _: None,
    ) -> IntentReply:
        self.requests.append(request)
        self.deadlines.append(deadline_s)
        self.asked.set()
        if self.hold:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        self._clock.now += self.takes_s
        if self.error is not None:
            raise self.error
        on_token(self.say)
        return IntentReply(
            request_id=request.request_id,
            model="fake",
            say=self.say,
            skills=self.skills,
            finish_reason=self.finish_reason,
            usage=Usage(prompt_tokens=1, completion_tokens=1),
            timings_ms=IntentTimings(queue=0, first_token=1, total=2),
        )

    async def close(self) -> None: ...


class Parts:
    """An agent and everything that it stands on; make it inside a running loop."""

    def __init__(
        self,
        policy: GatePolicy | None = None,
        journal: Path | None = None,
        voice: Any = None,
        writer: Any = None,
        outbox: Path | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.robot = FakeRobot()
        self.recognizer = FakeRecognizer()
        self.cloud = FakeCloud(self.clock)
        self.gate = Gate(policy, self.clock)
        self.agent = Agent(
            self.robot,
            self.gate,
            self.recognizer,
            CloudWay(self.cloud, CircuitBreaker(clock=self.clock), robot_id="dog"),
            AgentOptions(robot_id="dog", deadline_s=20.0),
            journal=Journal(journal) if journal else None,
            outbox=Outbox(outbox) if outbox else None,
            voice=voice,
            writer=writer,
            clock=self.clock,
            sleep=self.clock.sleep,
        )


@pytest.fixture
def make_parts() -> type[Parts]:
    return Parts


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key, made as docs/console.md shows."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=dog.lan", "-addext"]
    command += ["subjectAltName=DNS:dog.lan", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    return paths
