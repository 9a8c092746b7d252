"""The real agent behind its real HTTP side, with a robot, ears and a cloud that the tests drive."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from edge_agent.agent import Agent, AgentOptions
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate, GatePolicy
from edge_agent.outbox import Outbox
from edge_agent.process import configure_server
from edge_agent.robot.interface import Action, Progress, RobotState
from edge_agent.routing import CircuitBreaker
from edge_agent.settings import EdgeSettings
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Heard, Samples
from shared.outcome import Call, Execution

CHROMIUM = shutil.which("chromium")
BOUND_S = 60.0
PHONE = {"width": 390, "height": 844}
STEPS = ("sent", "accepted", "moving")
HELD = """window.held = null;
const now = performance.now.bind(performance);
performance.now = () => held ?? now();"""
"""Lets a test hold the page's clock, whatever the machine takes meanwhile."""
HOLD = "window.held = performance.now()"
CALLS = {"Sit": (1009, "Sit"), "Dance": (1022, "Dance1"), "FrontFlip": (1030, "FrontFlip")}


class Ears:
    """Hears `says` in every recording and keeps what it was given."""

    name = "text"

    def __init__(self) -> None:
        self.says = Heard("sit down please", "en", 0.93)
        self.given: list[Samples] = []
        self.open_now = threading.Event()
        self.open_now.set()

    def open(self) -> None: ...

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.given.append(samples)
        assert self.open_now.wait(BOUND_S)
        return self.says


class Robot:
    """Goes through the four states; stays at `stays_at` until it is released or stopped."""

    def __init__(self) -> None:
        self.state_now = RobotState(
            connected=True,
            age_s=0.0,
            posture="standing",
            battery_percent=80.0,
            motor_temperature_c=40.0,
        )
        self.performed: list[str] = []
        self.stops = threading.Semaphore(0)
        self.stop_code = 0
        self.stays_at: str | None = None
        self._going_on = asyncio.Event()
        self._stopped = asyncio.Event()

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    def state(self) -> RobotState:
        return self.state_now

    async def perform(self, action: Action, report: Callable[[Progress], None]) -> Execution:
        self._stopped.clear()
        self.performed.append(action.skill)
        api_id, name = CALLS[action.skill]
        call = Call(api_id=api_id, name=name, parameter={}, code=0, at_ms=1.0)
        for step in STEPS:
            report(Progress(step, (call,)))  # type: ignore[arg-type]
            if step == self.stays_at:
                ends = [asyncio.ensure_future(e.wait()) for e in (self._stopped, self._going_on)]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for each in ends:
                    each.cancel()
        if self._stopped.is_set():
            return Execution(state="preempted", calls=[call])
        return Execution(state="confirmed", calls=[call])

    def go_on(self) -> None:
        self.stays_at = None
        self._going_on.set()

    async def stop(self) -> list[Call]:
        self.stops.release()
        self._stopped.set()
        return [Call(api_id=1003, name="StopMove", parameter={}, code=self.stop_code, at_ms=1.0)]

    async def damp(self) -> list[Call]:
        return await self.stop()

    def halt(self) -> None:
        self._stopped.set()


class World:
    """An agent that serves in a thread of its own; `url` is its page, `clock.now` turns its time on."""

    def __init__(
        self,
        parts: Any,
        folder: Path,
        *,
        token: str | None = None,
        port: int = 0,
        names: tuple[str, ...] = (),
        deaf: bool = False,
        question_s: float = 10.0,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self._parts = parts
        self._folder = folder
        certificate, key = tls or (None, None)
        self._settings = EdgeSettings(
            pairing_token=token,  # type: ignore[arg-type]
            allowed_hosts=names,
            tls_certificate=certificate,
            tls_key=key,
        )
        self._deaf = deaf
        self._policy = GatePolicy(allow_dangerous=True, confirmation_window_s=question_s)
        self.robot: Robot
        self.ears = Ears()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/"
        self._ending: Any = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(BOUND_S)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._live())

    async def _live(self) -> None:
        fakes = self._parts()
        self.robot, self.recognizer, self.cloud = Robot(), fakes.recognizer, fakes.cloud
        self.cloud.takes_s = 0.01
        self.clock = fakes.clock
        before = self.clock.now

        def clock() -> float:
            return time.monotonic() + self.clock.now - before

        self.agent = Agent(
            self.robot,
            Gate(self._policy, clock),
            self.recognizer,
            CloudWay(self.cloud, CircuitBreaker(failures_to_open=9), robot_id="dog"),
            AgentOptions(robot_id="dog", simulation=True),
            hearing=Hearing(None if self._deaf else self.ears),
            outbox=Outbox(self._folder / "outbox.sqlite3"),
            clock=clock,
        )
        configuration = configure_server(self.agent, self._settings)
        configuration.timeout_graceful_shutdown = 0
        server = _Server(configuration)
        await self.agent.start()
        self._ending = server
        self._ready.set()
        await server.serve(sockets=[self._listener])
        await self.agent.close()

    def do(self, work: Callable[[], Any]) -> Any:
        """Run `work` on the agent's loop and return what it returns."""
        done: Future[Any] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(work()))
        return done.result(BOUND_S)

    def run(self, work: Any) -> Any:
        """Run a coroutine on the agent's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(BOUND_S)

    def close(self) -> None:
        """End the agent and its port, as a computer without power does."""
        if self._thread.is_alive():
            self.do(self.agent.events.close)
            self._ending.should_exit = self._ending.force_exit = True
            self._thread.join(BOUND_S)
        self._listener.close()


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None: ...


@pytest.fixture
def make_world(make_parts: Any, tmp_path_factory: Any) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(**given: Any) -> World:
        worlds.append(World(make_parts, tmp_path_factory.mktemp("outbox"), **given))
        return worlds[-1]

    yield make
    for each in worlds:
        each.close()


class Page:
    """The console in a browser; what it complains of is kept in `complaints`."""

    def __init__(self, browser: Any, url: str, *, script: str = "", **options: Any) -> None:
        given = {"viewport": PHONE, "locale": "en-US", "permissions": ["microphone"], **options}
        self.context = browser.new_context(**given)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", self._listen)
        if script:
            self.tab.add_init_script(script)
        self.tab.goto(url)

    def _listen(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def ask(self, expression: str) -> Any:
        return self.tab.evaluate(expression)

    def until(self, expression: str) -> None:
        """Wait until an expression holds; the page's policy forbids playwright's own way to."""
        gives_up_at = time.monotonic() + BOUND_S
        while not self.ask(f"Boolean({expression})"):
            told = self.tab.inner_text("body")
            assert time.monotonic() < gives_up_at, f"{expression} never held: {told}"
            self.tab.wait_for_timeout(30)

    def until_live(self) -> "Page":
        self.until(
            "document.body.dataset.link === 'live' && document.querySelector('#percent').textContent"
        )
        return self

    def keep_words(self, selector: str) -> None:
        """Keep in the page's `told` all that an element says from now on, however soon it is gone."""
        self.ask(
            f"""(() => {{ const element = document.querySelector('{selector}');
            window.told = [];
            new MutationObserver(() => told.push(element.textContent)).observe(
                element, {{ childList: true, characterData: true, subtree: true }}); }})()"""
        )

    def say(self, text: str) -> None:
        self.tab.fill("#text", text)
        self.tab.press("#text", "Enter")

    def text(self, selector: str) -> str:
        return str(self.tab.inner_text(selector))

    def middle_of(self, selector: str) -> tuple[float, float]:
        box = self.tab.locator(selector).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def close(self) -> None:
        self.context.close()


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Any]]:
    """Start the system's browser with these arguments."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        yield lambda *arguments: playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *arguments]
        )


@pytest.fixture(scope="session")
def pages() -> type[Page]:
    return Page


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Iterator[Any]:
    launched = launch()
    yield launched
    launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Page]]:
    opened: list[Page] = []

    def open_it(url: str, **options: Any) -> Page:
        opened.append(Page(browser, url, **options))
        return opened[-1]

    yield open_it
    for each in opened:
        complaints = each.complaints
        each.close()
        assert complaints == []
