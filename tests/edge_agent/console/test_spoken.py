"""Hold, speak, let go, and the mock dog sits: Chromium, the real ears and model, real DDS, in both languages."""

import json
import os
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from edge_agent.child_process import ChildProcess
from edge_agent.free_places import choose_domain, choose_port
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.settings import default_bundle

pytest.importorskip("av", reason="PyAV (shadowdog[speech]) is not installed")

RECORDINGS = Path(__file__).parents[1] / "speech" / "recordings"
SPOKEN = {"en": "en-24-sit-slt.wav", "zh": "zh-24-sit-jm-kumo.wav"}
MICROPHONE_HZ = 48_000
SILENCE_S = 20.0
"""The file begins again at its end, which must not be within what is held."""
LETS_GO_AFTER_S = 0.4
READY_S = 300.0
BOUND_S = 120.0


class Simulation:
    """A mock robot and an agent without a cloud, both as processes."""

    def __init__(self, folder: Path) -> None:
        domain, taken = choose_domain(), set[int]()
        mock_port, port = choose_port(0, taken), choose_port(0, taken)
        self.url, self.mock_url = f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{mock_port}/"
        place = ["--domain", str(domain), "--interface", "lo", "--port", str(mock_port)]
        own = {key: value for key, value in os.environ.items() if not key.startswith("EDGE_")}
        settings = {
            "EDGE_PORT": str(port),
            "EDGE_BUNDLE": str(default_bundle()),
            "EDGE_SIMULATION": "true",
            "EDGE_ROBOT_INTERFACE": "lo",
            "EDGE_ROBOT_DOMAIN": str(domain),
            "EDGE_CLOUD_URL": "http://127.0.0.1:9",
            "EDGE_VOICE": "text",
            "EDGE_JOURNAL": str(folder / "journal.jsonl"),
            "EDGE_DEADLINE_S": "120",  # a machine that tests share is slower than a person's
        }
        self.mock = ChildProcess("mock", ["edge_agent", "mock-robot", *place], own, folder / "mock")
        self.agent = ChildProcess("agent", ["edge_agent", "run"], {**own, **settings}, folder / "a")
        self.mock.wait_until_ready(f"{self.mock_url}healthz", READY_S)
        self.agent.wait_until_ready(f"{self.url}healthz", READY_S)

    def state(self, url: str) -> dict[str, Any]:
        value: dict[str, Any] = httpx.get(f"{url}v1/state", trust_env=False, timeout=30.0).json()
        return value

    def wait_for(self, holds: Callable[[], bool]) -> None:
        gives_up_at = time.monotonic() + BOUND_S
        while not holds():
            assert time.monotonic() < gives_up_at, self.agent.describe_end()
            time.sleep(0.1)

    def close(self) -> None:
        self.agent.end()
        self.mock.end()


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    prepare_base()
    prepare_bundle(default_bundle())
    simulation = Simulation(tmp_path_factory.mktemp("spoken"))
    try:
        ears: dict[str, Any] = {}

        def opened() -> bool:
            ears.update(simulation.state(simulation.url)["ears"])
            return bool(ears["ready"] or ears["missing"])

        simulation.wait_for(opened)
        if ears["missing"]:
            pytest.skip(f"no ears: {ears['missing']}")
        yield simulation
    finally:
        simulation.close()


def make_microphone(recording: Path, path: Path) -> float:
    """Write the recording as a browser's microphone takes it; return how long it lasts, in seconds."""
    with wave.open(str(recording), "rb") as reader:
        rate_hz = reader.getframerate()
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    lasts_s = len(samples) / rate_hz
    moments = np.arange(int(lasts_s * MICROPHONE_HZ)) / MICROPHONE_HZ
    resampled = np.interp(moments, np.arange(len(samples)) / rate_hz, samples)
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(MICROPHONE_HZ)
        silence = np.zeros(int(SILENCE_S * MICROPHONE_HZ))
        writer.writeframes(np.concatenate([resampled, silence]).astype("<i2").tobytes())
    return lasts_s


@pytest.mark.parametrize("lang", SPOKEN)
def test_hold_speak_let_go_and_the_mock_dog_sits(
    simulation: Simulation, launch: Callable[..., Any], pages: type, tmp_path: Path, lang: str
) -> None:
    microphone = tmp_path / "microphone.wav"
    lasts_s = make_microphone(RECORDINGS / SPOKEN[lang], microphone)
    browser = launch(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    )
    page = pages(browser, simulation.url, locale="zh-CN" if lang == "zh" else "en-US")
    page.until_live()
    page.say("stand up")
    page.until("document.querySelector('#cards > li')?.dataset.end === 'confirmed'")
    simulation.wait_for(lambda: simulation.state(simulation.mock_url)["posture"] == "standing")

    page.tab.mouse.move(*page.middle_of("#talk"))
    page.tab.mouse.down()
    page.until("document.querySelector('#talk').dataset.phase === 'listening'")
    page.tab.wait_for_timeout(1000 * (lasts_s + LETS_GO_AFTER_S))
    page.tab.mouse.up()
    page.until("document.querySelectorAll('#cards > li').length === 2")
    page.until("document.querySelector('#cards > li').dataset.end !== 'open'")
    card = page.text("#cards > li")
    assert page.ask("document.querySelector('#cards > li').dataset.end") == "confirmed", card
    assert "[Sit()]" in card
    expected = ("坐下", "听清", "狗自己判断") if lang == "zh" else ("sit", "heard", "on the dog")
    assert all(each in card.lower() for each in expected), card
    assert simulation.state(simulation.mock_url)["posture"] == "sitting"
    page.until(
        f"document.querySelector('#posture').textContent === {json.dumps('坐着' if lang == 'zh' else 'sitting')}"
    )
    assert page.complaints == []
    browser.close()
