"""Recordings as a live stream to an agent with a mock dog, with early recognition and without.

From the first thing that the microphone sends on, the stream is played in real time: what is sent
ahead (`EDGE_EARLY_SILENCE_S`) is recognised while the end silence passes, as it is in use. What comes
before that needs no time of this machine's, and a time of arrival is a place in the stream.
"""

import asyncio
import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.agent import Agent
from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.free_places import choose_domain, choose_port
from edge_agent.process import build_agent
from edge_agent.recognizer import Recognizer
from edge_agent.settings import EdgeSettings
from edge_agent.speech.endpointing import Endpointer, EndpointOptions, frames_of
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples, Wanted
from edge_agent.speech.recognizer import SpeechRecognizer, Transcript, always
from edge_agent.speech.recording import decode_recording
from edge_agent.speech.voice_activity import FRAME_S, VoiceActivity

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "edge_agent" / "speech" / "recordings"
LIVE_NOISE_DB = 30.0
PAUSE_S = 0.3
THREADS = 1
STAGES = ("end_pointed", "asr", "intent", "acknowledged")
MOCK_READY_S = 60.0


@dataclass(frozen=True)
class Spoken:
    """One recording: its samples, and what is said in it."""

    samples: Samples
    text: str
    lang: str
    label: str


def read_recordings(*, others: bool = False) -> list[Spoken]:
    """Return the committed recordings in English and Chinese, or those in `others`' languages."""
    lines = (FOLDER / "recordings.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Spoken(
            decode_recording((FOLDER / row["file"]).read_bytes(), "wav"),
            row["text"],
            row["lang"],
            row["label"],
        )
        for row in map(json.loads, lines)
        if (row["label"] == "other") == others
    ]


def mix(samples: Samples, snr_db: float | None, seed: int) -> Samples:
    """Return a recording with half a second around it, in white (even seed) or brown noise."""
    rest = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    whole = np.concatenate([rest, samples, rest])
    if snr_db is None:
        return whole
    noise = np.random.default_rng(seed).normal(size=len(whole))
    if seed % 2:
        frequencies = np.fft.rfftfreq(len(whole), 1 / SAMPLE_RATE_HZ)
        noise = np.fft.irfft(np.fft.rfft(noise) / np.maximum(frequencies, 50.0), len(whole))
    spoken = samples[np.abs(samples) > 0.02]
    level = np.sqrt(np.mean(spoken**2)) / 10 ** (snr_db / 20) / np.sqrt(np.mean(noise**2))
    mixed = whole + level * noise
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def live(spoken: list[Spoken], recognizer: Recognizer, early_s: float) -> dict[str, Any]:
    """Play recordings as streams to an agent with a mock dog; milliseconds after the last sound.

    By "early" and "late", each recording once in either way; `early_s` 0: late alone.
    """
    domain, port = choose_domain(), choose_port(0, set())
    place = ["--domain", str(domain), "--interface", "lo", "--port", str(port)]
    with tempfile.TemporaryDirectory(prefix="speech-to-action-") as folder:
        module = ["edge_agent", "mock-robot", *place]
        log = Path(folder) / "mock-robot.log"
        mock = ChildProcess("mock robot", module, child_environment(os.environ, {}), log)
        settings = EdgeSettings.from_environment(
            simulation=True,
            robot_interface="lo",
            robot_domain=domain,
            confirm_dangerous=False,
            voice="text",
            ears="whisper",
            speech_threads=THREADS,
            journal=Path(folder) / "journal.jsonl",
            cloud_url=f"http://127.0.0.1:{port}",  # no cloud is asked for anything
        )
        try:
            mock.wait_until_ready(f"http://127.0.0.1:{port}/healthz", MOCK_READY_S)
            return asyncio.run(talk(spoken, build_agent(settings, recognizer), early_s))
        finally:
            mock.end()


class CountingRecognizer:
    """A back end, how often it is asked, and what that costs."""

    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self.name = recognizer.name
        self._recognizer = recognizer
        self.calls, self.cpu_s = 0, 0.0

    def open(self) -> None:
        self._recognizer.open()

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        began_s = time.process_time()
        self.calls += 1
        try:
            return self._recognizer.transcribe(samples, wanted)
        finally:
            self.cpu_s += time.process_time() - began_s


@dataclass
class Telling:
    """What became of the recordings in one way."""

    n: int = 0
    not_cut: int = 0
    right: int = 0
    runs: int = 0
    cpu_s: float = 0.0
    stages: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})
    texts: list[str] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        cut = max(1, self.n - self.not_cut)
        return {
            "n": self.n,
            "not_cut": self.not_cut,
            "right": self.right,
            "recognitions_each": round(self.runs / cut, 2),
            "asr_cpu_s_each": round(self.cpu_s / cut, 3),
            **{name: percentiles(values) for name, values in self.stages.items() if values},
        }


async def talk(spoken: list[Spoken], agent: Agent, early_s: float) -> dict[str, Any]:
    """Say each recording to the agent in both ways, in turn the first; return what came of it."""
    ways = {"late": 0.0, "early": early_s} if early_s else {"late": 0.0}
    told = {name: Telling() for name in ways}
    ears: Any = agent._hearing._ears
    counter = ears._recognizer = CountingRecognizer(ears._recognizer)
    await agent.start()
    try:
        await agent.hear(spoken[0].samples)  # the first waits until the model is loaded
        for number, each in enumerate(spoken):
            order = list(ways) if number % 2 else list(reversed(ways))
            for name in order:
                await say(agent, each, number, ways[name], told[name], counter)
    finally:
        await agent.close()
    answer: dict[str, Any] = {name: each.describe() for name, each in told.items()}
    if early_s:
        pairs = zip(told["late"].texts, told["early"].texts, strict=True)
        answer["same_words"] = sum(late == early for late, early in pairs)
    return {**answer, "load": round(os.getloadavg()[0], 2)}


async def say(
    agent: Agent,
    each: Spoken,
    number: int,
    early_s: float,
    telling: Telling,
    counter: CountingRecognizer,
) -> None:
    """Play one recording and add what came of it."""
    stream = mix(each.samples, LIVE_NOISE_DB, number)
    ahead, cut = end_point(np.concatenate([stream, stream[: SAMPLE_RATE_HZ // 2]]), early_s)
    await settle(agent)
    telling.n += 1
    if cut is None:
        telling.not_cut += 1
        return
    calls, cpu_s = counter.calls, counter.cpu_s
    loop = asyncio.get_running_loop()
    first_at_s = (ahead[0] if ahead else cut)[0]
    began_at_s = loop.time()
    for at_s, so_far in ahead:
        await asyncio.sleep(began_at_s + at_s - first_at_s - loop.time())
        agent.anticipate(so_far)
    await asyncio.sleep(began_at_s + cut[0] - first_at_s - loop.time())
    outcome = await agent.hear(cut[1], "microphone")
    telling.runs += counter.calls - calls
    telling.cpu_s += counter.cpu_s - cpu_s
    telling.right += outcome.execution.skill == each.label
    telling.texts.append(outcome.text)
    times = outcome.timings_ms
    waited_ms = 1000 * (cut[0] - 0.5 - last_sound_s(each.samples))
    telling.stages["end_pointed"].append(waited_ms)
    for name in STAGES[1:]:
        at_ms = getattr(times, name)
        if at_ms is not None:
            telling.stages[name].append(waited_ms + at_ms)


async def settle(agent: Agent) -> None:
    """Wait until the dog is still and nothing is under way."""
    while True:
        state = agent.status.describe()
        if state["action"] is None and not state["robot"]["moving"] and not state["utterances"]:
            return
        await asyncio.sleep(0.05)


def last_sound_s(samples: Samples) -> float:
    """Return when the recording last sounds, at a hundredth of its loudest."""
    return (
        float(np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())[-1]) / SAMPLE_RATE_HZ
    )


Sent = tuple[float, Samples]
"""When the microphone sends what."""


def end_point(stream: Samples, early_s: float) -> tuple[list[Sent], Sent | None]:
    """Return what the microphone sends ahead of the stream's first utterance, and that."""
    endpointer = Endpointer(VoiceActivity().probability, EndpointOptions(early_s=early_s))
    ahead: list[Sent] = []
    for number, frame in enumerate(frames_of(stream), 1):
        utterance = endpointer.take(frame)
        so_far = endpointer.pause()
        if utterance is not None:
            return ahead, (number * FRAME_S, utterance)
        if so_far is not None:
            ahead.append((number * FRAME_S, so_far))
    return ahead, None


def with_a_pause(spoken: list[Spoken]) -> list[Spoken]:
    """Return commands behind a wake phrase and a pause that is too long for one word and none the end."""
    wakes = {each.lang: each for each in reversed(spoken) if each.label == "wake"}
    commands = [each for each in spoken if each.label not in ("REMOTE", "wake")]
    return [
        Spoken(
            np.concatenate([trim(wakes[each.lang].samples), pause(), trim(each.samples)]),
            f"{wakes[each.lang].text} {each.text}",
            each.lang,
            each.label,
        )
        for each in commands
        if each.lang in wakes
    ]


def pause() -> Samples:
    return np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)


def trim(samples: Samples) -> Samples:
    """Return the samples from the first sound to the last."""
    sounds = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[sounds[0] : sounds[-1] + 1]


def percentiles(values: list[float]) -> dict[str, float]:
    return {
        "p50": round(float(np.percentile(values, 50)), 1),
        "p95": round(float(np.percentile(values, 95)), 1),
    }
