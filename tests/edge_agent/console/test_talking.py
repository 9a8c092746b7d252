"""Talking to the console: held, tapped or by key, as WebM or WAV, from a file as the microphone."""

import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.speech.interface import SAMPLE_RATE_HZ, Heard
from tests.edge_agent.console.conftest import HELD, HOLD

pytest.importorskip("av", reason="PyAV (shadowdog[speech]) is not installed")

TONE_HZ = 440.0
SPOKEN_MS = 600
"""How long a recording really runs: a microphone cannot be hurried."""
NO_WEBM = "delete window.MediaRecorder;"
LISTENS = "document.querySelector('#talk').dataset.phase === 'listening'"
IS_IDLE = "document.querySelector('#talk').dataset.phase === 'idle'"


@pytest.fixture(scope="module")
def tone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    moments = np.arange(48_000 * 2) / 48_000
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(48_000)
        writer.writeframes((8000 * np.sin(2 * np.pi * TONE_HZ * moments)).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any], tone_file: Path) -> Iterator[Any]:
    launched = launch(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tone_file}",
        "--host-resolver-rules=MAP dog.lan 127.0.0.1",
    )
    yield launched
    launched.close()


@pytest.fixture
def world(make_world: Callable[..., Any]) -> Any:
    return make_world()


@pytest.fixture
def open_page(browser: Any, pages: type) -> Iterator[Callable[..., Any]]:
    opened: list[Any] = []

    def open_it(url: str, **options: Any) -> Any:
        opened.append(pages(browser, url, **options))
        return opened[-1].until_live()

    yield open_it
    for each in opened:
        complaints = each.complaints
        each.close()
        assert complaints == []


@pytest.fixture
def page(open_page: Callable[..., Any], world: Any) -> Any:
    return open_page(world.url)


def press(page: Any) -> None:
    page.tab.mouse.move(*page.middle_of("#talk"))
    page.tab.mouse.down()


def speak(page: Any) -> None:
    """Let a recording run for a while."""
    page.until(LISTENS)
    page.tab.wait_for_timeout(SPOKEN_MS)


def assert_heard(world: Any) -> None:
    [samples] = world.ears.given
    assert 0.4 * SAMPLE_RATE_HZ < len(samples) < 10 * SAMPLE_RATE_HZ
    spectrum = np.abs(np.fft.rfft(samples))
    loudest_hz = float(np.argmax(spectrum)) * SAMPLE_RATE_HZ / len(samples)
    assert loudest_hz == pytest.approx(TONE_HZ, abs=5)


@pytest.mark.parametrize(("script", "kind"), [("", "audio/webm"), (NO_WEBM, "audio/wav")])
def test_hold_speak_let_go(
    open_page: Callable[..., Any], world: Any, script: str, kind: str
) -> None:
    page = open_page(world.url, script=script)
    kinds: list[str] = []
    page.tab.on("request", lambda request: kinds.append(request.headers.get("content-type", "")))
    press(page)
    speak(page)
    assert page.text("#talk-word") == "Listening …"
    page.tab.mouse.up()
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    assert kind in kinds
    assert_heard(world)
    card = page.text("#cards > li")
    for part in ("sit down please", "heard 93 %", "sure 90 %", "[Sit()]"):
        assert part in card
    assert page.ask("document.querySelector('#cards svg').getAttribute('aria-label')") == "spoken"
    assert world.robot.performed == ["Sit"]


def test_what_was_heard_shows_before_the_dog_has_ended(page: Any, world: Any) -> None:
    world.robot.stays_at = "moving"
    press(page)
    speak(page)
    page.tab.mouse.up()
    page.until("document.querySelector('#cards [aria-current]')?.textContent === 'moving'")
    assert page.text("#cards .heard") == "sit down please"
    page.until(
        "document.querySelector('#announcement').textContent.includes('Heard: sit down please')"
    )
    world.do(world.robot.go_on)
    page.until("document.querySelector('#cards > li').dataset.end === 'confirmed'")


@pytest.mark.parametrize("key", ["Space", "Space on the button"])
def test_space_is_held_like_the_button(page: Any, world: Any, key: str) -> None:
    if key == "Space on the button":
        page.tab.focus("#talk")
    page.tab.keyboard.down(" ")
    speak(page)
    page.tab.keyboard.up(" ")
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    assert_heard(world)


def test_enter_or_a_screen_reader_begins_and_sends(page: Any, world: Any) -> None:
    page.tab.focus("#talk")
    page.tab.keyboard.press("Enter")
    speak(page)
    assert page.text("#talk-word") == "Tap to send"
    page.tab.keyboard.press("Enter")
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    assert_heard(world)


def test_a_tap_begins_and_a_second_sends(open_page: Callable[..., Any], world: Any) -> None:
    page = open_page(world.url, script=HELD)
    page.ask(HOLD)
    page.tab.click("#talk")
    page.ask("window.held = null")
    speak(page)
    page.tab.click("#talk")
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    assert_heard(world)


def test_a_space_in_the_text_box_is_a_space(page: Any, world: Any) -> None:
    page.tab.focus("#text")
    page.tab.keyboard.type("sit down")
    assert page.tab.input_value("#text") == "sit down"
    assert page.ask(IS_IDLE)


@pytest.mark.parametrize(
    "way", ["slide away", "Escape", "stop", "stop just after", "another window"]
)
def test_a_recording_is_thrown_away(page: Any, world: Any, way: str) -> None:
    asked: list[str] = []
    page.tab.on("request", lambda request: asked.append(request.url))
    press(page)
    speak(page)
    if way == "slide away":
        x, y = page.middle_of("#talk")
        page.tab.mouse.move(x, y - 300)
        page.until("document.querySelector('#talk-word').textContent === 'Let go to discard'")
        page.tab.mouse.up()
    elif way == "Escape":
        page.tab.keyboard.press("Escape")
    elif way == "stop just after":  # the recording's tail is still being taken
        x, y = page.middle_of("#talk")
        place = f"{{ clientX: {x}, clientY: {y} }}"
        page.ask(
            f"document.querySelector('#talk').dispatchEvent(new PointerEvent('pointerup', {place})),"
            "document.querySelector('#stop').click()"
        )
    elif way == "stop":
        page.ask("document.querySelector('#stop').click()")  # a second finger
    else:
        page.ask("window.dispatchEvent(new Event('blur'))")
    page.until(IS_IDLE)
    if way in ("Escape", "stop", "stop just after"):
        assert world.robot.stops.acquire(timeout=60)
    page.tab.mouse.up()
    page.say("sit")  # whatever the recording would have asked has been asked by then
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    assert [url for url in asked if "/v1/audio" in url] == []
    assert world.ears.given == []


def test_a_stop_overtakes_what_is_being_understood(page: Any, world: Any) -> None:
    world.ears.open_now.clear()
    press(page)
    speak(page)
    page.tab.mouse.up()
    page.until("document.querySelectorAll('#cards > li').length === 1")
    while not world.ears.given:
        page.tab.wait_for_timeout(20)
    page.tab.click("#stop")
    assert world.robot.stops.acquire(timeout=60)
    world.ears.open_now.set()
    page.until("document.querySelector('#cards > li')?.dataset.end === 'preempted'")
    assert world.robot.performed == []


def test_nothing_understood_is_told(page: Any, world: Any) -> None:
    world.ears.says = Heard.nothing("noise")
    press(page)
    speak(page)
    page.tab.mouse.up()
    page.until("document.querySelector('#cards > li')?.dataset.end === 'nothing'")
    assert "That was noise, no speech." in page.text("#cards > li")
    assert world.robot.performed == []


def test_plain_http_beyond_this_computer_gets_no_microphone(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    world = make_world(names=("dog.lan",))
    page = open_page(f"http://dog.lan:{world.port}/", permissions=[])
    assert page.ask("window.isSecureContext") is False
    page.tab.click("#talk")
    page.until("document.querySelector('#trouble').textContent.includes('HTTPS')")
    page.say("sit")  # writing works all the same
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")


def test_https_beyond_this_computer_gets_the_microphone(
    open_page: Callable[..., Any], make_world: Callable[..., Any], certificate: tuple[Path, Path]
) -> None:
    world = make_world(names=("dog.lan",), token="a pairing token", tls=certificate)
    url = f"https://dog.lan:{world.port}/#token=a%20pairing%20token"
    page = open_page(url, ignore_https_errors=True)
    assert page.ask("window.isSecureContext") is True
    press(page)
    speak(page)
    page.tab.mouse.up()
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    assert_heard(world)


DENIED = """navigator.mediaDevices.getUserMedia = () =>
    Promise.reject(new DOMException('', '{name}'));"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NotAllowedError", "blocked"),
        ("NotFoundError", "No microphone"),
        ("NotReadableError", "another program"),
    ],
)
def test_a_microphone_that_cannot_be_had(
    open_page: Callable[..., Any], world: Any, name: str, told: str
) -> None:
    page = open_page(world.url, script=DENIED.format(name=name))
    press(page)
    page.until(f"document.querySelector('#trouble').textContent.includes('{told}')")
    page.tab.mouse.up()
    page.until(IS_IDLE)


def test_a_finger_that_left_for_the_browsers_question_is_told_when_to_speak(
    open_page: Callable[..., Any], world: Any
) -> None:
    late = """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
            await new Promise((resolve) => { window.allow = resolve; });
            return ask(wanted);
        };"""
    page = open_page(world.url, script=late)
    page.keep_words("#talk-hint")
    press(page)
    page.until("document.querySelector('#talk').dataset.phase === 'starting'")
    page.ask("window.dispatchEvent(new Event('blur'))")
    page.tab.mouse.up()
    page.ask("window.allow()")
    page.until("told.some((words) => words.includes('hold and speak'))")
    assert page.ask(IS_IDLE)


def test_an_agent_without_ears_says_so_at_once(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    page = open_page(make_world(deaf=True).url)
    page.tab.click("#talk")
    page.until("document.querySelector('#trouble').textContent.includes('Speech is not set up')")
