"""The mock's page in a real browser: the drawn dog takes the poses, the fault buttons work.

The poses are read from the page's scene graph (`window.dog`), not from the state that it was sent.
The dog lives on a clock that the test turns, so that no trick is over before it was looked at.
"""

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from edge_agent.audio.bark import make_bark
from edge_agent.mock_robot.dog import MockDog
from edge_agent.mock_robot.server import make_app
from edge_agent.robot.audio_service import upload_blocks

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

BOUND_S = 60.0
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_GL = ("--disable-gpu", "--disable-3d-apis")
PHONE = {"width": 390, "height": 844}
SMALL = {"width": 420, "height": 560}


class ClockedDog(MockDog):
    """A mock dog without a network, whose time passes when a test says so."""

    domain, interface = 1, "lo"

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(clock=lambda: self.now)

    def call(self, api_id: int, parameter: str = "{}", then_s: float = 0.0) -> None:
        answer = self.take("sport", api_id, parameter)
        assert answer is not None
        assert answer[0] == 0
        self.let_pass(then_s)

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self.state()

    def stand(self) -> None:
        """Bring the dog back to standing, from whatever the last test has left."""
        self.faults.clear()
        self.let_pass(8.0)
        self.call(1006, then_s=2.0)
        assert self.state().posture == "standing"


@pytest.fixture(scope="module")
def dog() -> ClockedDog:
    return ClockedDog()


@pytest.fixture(scope="module")
def address(dog: ClockedDog) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(dog), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    thread.join(timeout=10.0)


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Any]]:
    """Start the system's browser with these arguments."""
    with sync_api.sync_playwright() as playwright:
        yield lambda *arguments: playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *arguments]
        )


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Iterator[Any]:
    launched = launch(*SOFTWARE_GL)
    yield launched
    launched.close()


class Page:
    """The page in the browser; what it complains of is kept in `complaints`."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": SMALL, "locale": "en-US", **options})
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", self._listen)
        self.tab.goto(address)
        self.until("window.dog && dog.state && dog.frames() > 0 || dog.view === 'text'")

    def _listen(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def ask(self, expression: str) -> Any:
        return self.tab.evaluate(expression)

    def until(self, expression: str) -> None:
        """Wait until an expression holds; the page's policy forbids playwright's own way to."""
        gives_up_at = time.monotonic() + BOUND_S
        while not self.ask(f"Boolean({expression})"):
            told = self.ask("JSON.stringify(window.dog && {...dog, body: dog.body()})")
            assert time.monotonic() < gives_up_at, f"{expression} never held: {told}"
            self.tab.wait_for_timeout(30)


@pytest.fixture(scope="module")
def shared_page(browser: Any, address: str) -> Iterator[Page]:
    page = Page(browser, address)
    yield page
    page.context.close()


@pytest.fixture
def page(shared_page: Page, dog: ClockedDog) -> Iterator[Page]:
    dog.stand()
    shared_page.until(f"dog.view === '3d' && ({STANDING})")
    yield shared_page
    assert shared_page.complaints == []


UP = "dog.body().up"
HEIGHT = "dog.body().position_m[2]"
HIGHEST_FOOT = "Math.max(...Object.values(dog.feet()).map((foot) => foot[2]))"
APART = "Math.abs(dog.joints().front_left.hip_rad - dog.joints().front_right.hip_rad)"
STANDING = (
    f"{UP}[2] > 0.999 && Math.abs({HEIGHT} - 0.32) < 0.005"
    f" && {HIGHEST_FOOT} < 0.025 && {APART} < 0.01"
)

POSES = {
    # the nose is up: the body's upward direction leans back; the hind legs are folded
    "sits": ([(1009, "{}", 2.0)], f"{UP}[0] < -0.5 && dog.joints().rear_left.knee_rad < -2.2"),
    "lies": (
        [(1005, "{}", 2.0)],
        f"{HEIGHT} < 0.1 && {UP}[2] > 0.99 && dog.joints().front_left.knee_rad < -2.4",
    ),
    "is limp": ([(1001, "{}", 1.0)], f"{HEIGHT} < 0.08 && dog.feet().front_left[1] > 0.2"),
    "stretches": (
        [(1017, "{}", 1.2)],
        f"{UP}[0] > 0.35 && dog.joints().front_left.knee_rad < -1.9",
    ),
    "lifts a paw to say hello": (
        [(1016, "{}", 1.2)],
        "dog.feet().front_right[2] > 0.2 && dog.feet().front_left[2] < 0.05",
    ),
    "draws a heart": (
        [(1036, "{}", 1.2)],
        f"{UP}[0] < -0.6 && dog.feet().front_right[2] > 0.1 && dog.feet().front_left[2] > 0.1",
    ),
    "is upside down in a front flip": ([(1030, "{}", 0.75)], f"{UP}[2] < -0.8 && {HEIGHT} > 0.5"),
    "is upside down in a back flip": ([(2043, "{}", 0.75)], f"{UP}[2] < -0.8 && {HEIGHT} > 0.5"),
    "is in the air in a jump": (
        [(1031, "{}", 0.6)],
        f"{HEIGHT} > 0.5 && Math.min(...Object.values(dog.feet()).map((foot) => foot[2])) > 0.2",
    ),
    "dances": (
        [(1022, "{}", 3.05)],
        "Math.abs(dog.head().pitch_rad) > 0.05 && Math.abs(dog.body().rpy_rad[2]) > 0.03",
    ),
    "strikes a pose": ([(1028, '{"data": true}', 0.5)], "dog.feet().front_left[2] > 0.08"),
    "tilts as told": (
        [(1007, '{"x": 0.4, "y": 0.0, "z": 0.0}', 0.4)],
        f"Math.abs(dog.body().rpy_rad[0] - 0.4) < 0.02 && {HEIGHT} > 0.3",
    ),
    "turns as told": (
        [(1008, '{"x": 0, "y": 0, "z": 1.5}', 1.0)],
        "Math.abs(dog.body().rpy_rad[2]) > 1.2",
    ),
    "walks forward": (
        [(1008, '{"x": 0.4, "y": 0, "z": 0}', 0.9)],
        # a foot is up, or the diagonals are apart
        f"{HIGHEST_FOOT} > 0.04 || {APART} > 0.04",
    ),
}


@pytest.mark.parametrize("name", POSES)
def test_the_drawn_dog_takes_the_pose_and_stands_again(
    page: Page, dog: ClockedDog, name: str
) -> None:
    calls, expected = POSES[name]
    assert not page.ask(expected)
    for api_id, parameter, then_s in calls:
        dog.call(api_id, parameter, then_s)
    page.until(expected)
    assert page.ask("dog.triangles()") > 1000
    dog.stand()
    page.until(STANDING)


def test_a_trick_that_ends_leaves_the_dog_upright(page: Page, dog: ClockedDog) -> None:
    dog.call(1030, then_s=0.6)
    page.until(f"{UP}[2] < 0")
    dog.let_pass(2.0)
    page.until(STANDING)


def test_fault_buttons_break_the_dog_and_mend_it(page: Page, dog: ClockedDog) -> None:
    page.tab.click("#fault-fallen")
    page.until("document.querySelector('#fault-fallen').getAttribute('aria-pressed') === 'true'")
    dog.let_pass(1.0)
    page.until(f"Math.abs({UP}[2]) < 0.4")
    page.until("document.querySelector('#announcement').textContent.startsWith('fallen over')")
    page.tab.click("#fault-fallen")
    page.until("document.querySelector('#fault-fallen').getAttribute('aria-pressed') === 'false'")
    dog.let_pass(1.0)
    page.until(f"{UP}[2] > 0.99 && {HEIGHT} < 0.12")

    page.tab.fill("input[name=percent]", "15")
    page.tab.focus("#fault-low_battery")
    page.tab.keyboard.press("Enter")
    page.until("dog.state.battery_percent === 15")
    page.until("document.querySelector('#battery-percent').textContent === '15 %'")
    assert [each["fault"] for each in dog.faults.describe() if each["on"]] == ["low_battery"]
    page.tab.click("#clear")
    page.until("dog.state.battery_percent > 90")
    assert not any(each["on"] for each in dog.faults.describe())


def test_a_wrong_parameter_is_told(page: Page, dog: ClockedDog) -> None:
    page.tab.fill("input[name=percent]", "150")
    page.tab.click("#fault-low_battery")
    page.until("document.querySelector('#trouble').textContent.includes('percent')")
    assert not any(each["on"] for each in dog.faults.describe())
    page.tab.fill("input[name=percent]", "5")
    page.complaints.clear()  # the browser logs every 422


def test_calls_of_all_services_are_listed(page: Page, dog: ClockedDog) -> None:
    dog.take("vui", 1004, "{}")
    dog.call(1009, then_s=2.0)
    dog.take("sport", 1018, "{}")
    page.until("document.querySelector('#rows').rows[0].className === 'refused'")
    shown = page.ask(
        "[...document.querySelector('#rows').rows].slice(0, 3).map((r) => r.innerText)"
    )
    assert "3203" in shown[0]
    assert "Sit" in shown[1]
    assert "vui GetVolume" in shown[2]


def test_the_page_is_the_mocks_loudspeaker(page: Page, dog: ClockedDog) -> None:
    def upload() -> None:
        dog.take("audiohub", 4001, "{}")
        for block in upload_blocks(make_bark().to_wav()):
            assert dog.take("audiohub", 4003, json.dumps(block)) == (0, "")

    upload()
    page.tab.click("#sound")
    page.until("document.querySelector('#sound').getAttribute('aria-pressed') === 'true'")
    assert page.ask("dog.heard()") == 0  # what was said before stays unheard
    upload()
    page.until("dog.heard() === 1")
    dog.take("audiohub", 4002, "{}")
    page.tab.click("#sound")
    page.until("document.querySelector('#sound').getAttribute('aria-pressed') === 'false'")


def test_keys_and_buttons_turn_the_view(page: Page) -> None:
    first = page.ask("dog.camera()")
    page.tab.focus("#scene")
    page.tab.keyboard.press("ArrowLeft")
    turned = page.ask("dog.camera()")
    assert turned != first
    page.tab.keyboard.press("+")
    nearer = page.ask("dog.camera()")
    assert sum(value**2 for value in nearer) < sum(value**2 for value in turned)
    page.tab.click("[data-look=home]")
    assert page.ask("dog.camera()") == pytest.approx(first, abs=1e-6)


def test_both_languages(page: Page) -> None:
    page.tab.click("#language")
    assert page.ask("document.documentElement.lang") == "zh"
    labels = page.ask(
        "[...document.querySelectorAll('h2, dt, #faults button')].map((e) => e.innerText)"
    )
    assert len(labels) > 20
    untranslated = [each for each in labels if not any("一" <= sign <= "鿿" for sign in each)]
    assert untranslated == []
    page.tab.click("#language")
    assert page.ask("document.documentElement.lang") == "en"


def test_a_phone_has_room_for_thumbs_and_no_sideways_scrolling(
    browser: Any, address: str, dog: ClockedDog
) -> None:
    page = Page(browser, address, viewport=PHONE, has_touch=True, is_mobile=True)
    page.until("document.querySelectorAll('#fault-list button').length > 10")
    small = page.ask(
        "[...document.querySelectorAll('button, input')].filter((e) => e.checkVisibility())"
        ".filter((e) => { const box = e.getBoundingClientRect(); return box.width < 43.9 || box.height < 43.9; })"
        ".map((e) => e.outerHTML)"
    )
    assert small == []
    assert page.ask("document.documentElement.scrollWidth <= window.innerWidth")
    nameless = page.ask(
        "[...document.querySelectorAll('button, input, canvas')].filter((e) => e.checkVisibility())"
        ".filter((e) => !(e.getAttribute('aria-label') || e.innerText)).map((e) => e.outerHTML)"
    )
    assert nameless == []
    before = page.ask("dog.camera()")
    _drag(page)
    page.until(f"dog.camera()[0] !== {before[0]}")
    page.context.close()


def _drag(page: Page) -> None:
    """Move one finger over the picture."""
    session = page.context.new_cdp_session(page.tab)
    for kind, x in (
        ("touchStart", 120),
        ("touchMove", 150),
        ("touchMove", 200),
        ("touchEnd", None),
    ):
        points = [] if x is None else [{"x": x, "y": 300}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_without_webgl_the_page_says_so_and_draws_flat(
    launch: Callable[..., Any], address: str, dog: ClockedDog
) -> None:
    dog.stand()
    browser = launch(*NO_GL)
    page = Page(browser, address)
    assert page.ask("dog.view") == "2d"
    assert page.ask("dog.joints()") is None
    assert "WebGL" in page.tab.inner_text("#notice")
    picture = page.ask("document.querySelector('#side').toDataURL()")
    dog.call(1009, then_s=2.0)
    page.until("document.querySelector('#announcement').textContent.startsWith('sitting')")
    assert page.ask("document.querySelector('#side').toDataURL()") != picture
    browser.close()


def test_the_state_is_told_in_words_alone(browser: Any, address: str, dog: ClockedDog) -> None:
    dog.stand()
    page = Page(browser, f"{address}?view=text")
    page.until("document.querySelector('#announcement').textContent === 'standing, still'")
    assert page.ask("dog.view") == "text"
    assert not page.tab.is_visible("#scene")
    assert page.tab.is_visible("#notice")
    page.context.close()
