"""From the end of speech to the robot's acknowledgement, and what the recogniser costs and gets wrong.

The committed recordings are played as a live stream, 32 ms a frame, into the microphone's own
end-pointing; what it cuts goes through voice activity, Whisper, the reflex, the bundle and the gate
to the mock robot over DDS. Nothing waits for the stream in real time: a frame's time of arrival is
its place in the stream, and each stage's time on this machine is added to it. Words are compared with
what was said, clean and in noise, side by side with faster-whisper's stock 30 s path on the same
model. Stops are counted on their own. The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent import reflex
from edge_agent.agent import Agent
from edge_agent.child_process import ChildProcess, child_environment
from edge_agent.free_places import choose_domain, choose_port
from edge_agent.preparation import prepare_bundle
from edge_agent.process import build_agent
from edge_agent.recognizer import Recognizer
from edge_agent.settings import EdgeSettings, default_bundle
from edge_agent.speech.endpointing import Endpointer, frames_of
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from edge_agent.speech.model_files import WHISPER_BASE, find_model
from edge_agent.speech.recording import decode_recording
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.voice_activity import FRAME_S, VoiceActivity
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer
from shared.errors import SpeechUnavailable

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "edge_agent" / "speech" / "recordings"
SNRS_DB: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0)
LIVE_NOISE_DB = 30.0
THREADS = 1
STOCK_BEAMS = 5
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


def units(text: str, lang: str) -> list[str]:
    """Return words for English and characters for Chinese, without case and marks."""
    folded = text.lower().replace("’", "'").replace("what's", "what is")
    pattern = r"[a-z0-9']+" if lang == "en" else r"[\u3400-\u9fff]|[a-z0-9]+"
    return re.findall(pattern, folded)


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the edits from one to the other."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


@dataclass
class Tally:
    """Errors, CPU seconds and heard stops of one recogniser under one noise."""

    errors: int = 0
    units: int = 0
    cpu_s: float = 0.0
    n: int = 0
    stops: int = 0
    stops_heard: int = 0

    def add(self, spoken: Spoken, heard: str, cpu_s: float) -> None:
        said = units(spoken.text, spoken.lang)
        self.errors += distance(said, units(heard, spoken.lang))
        self.units += len(said)
        self.cpu_s += cpu_s
        self.n += 1
        if spoken.label == "StopMove":
            self.stops += 1
            self.stops_heard += reflex.is_stop(heard, moving=False)

    def describe(self) -> dict[str, float | int | None]:
        return {
            "error_rate": round(self.errors / self.units, 4),
            "cpu_s": round(self.cpu_s / self.n, 4),
            "n": self.n,
            "stops": self.stops,
            "stop_recall": round(self.stops_heard / self.stops, 4) if self.stops else None,
        }


Transcribe = Callable[[Samples], str]


def stock() -> Transcribe:
    """Return faster-whisper as it comes: 30 s window, its own language choice, voice filter off."""
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(find_model(WHISPER_BASE)), device="cpu", compute_type="int8", cpu_threads=THREADS
    )

    def transcribe(samples: Samples) -> str:
        segments, _ = model.transcribe(samples, beam_size=STOCK_BEAMS)
        return "".join(segment.text for segment in segments).strip()

    return transcribe


def compare(spoken: list[Spoken], ways: dict[str, Transcribe], snr_db: float | None) -> Any:
    """Return tallies by way and language, each recording given to all ways in turn."""
    tallies = {name: {lang: Tally() for lang in ("en", "zh")} for name in ways}
    for number, each in enumerate(spoken):
        samples = mix(each.samples, snr_db, number)
        for name, transcribe in ways.items():
            before_s = time.process_time()
            heard = transcribe(samples)
            tallies[name][each.lang].add(each, heard, time.process_time() - before_s)
    return tallies


def live(spoken: list[Spoken], recognizer: Recognizer) -> dict[str, Any]:
    """Play recordings as streams to an agent with a mock dog; milliseconds after the last sound."""
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
            return asyncio.run(talk(spoken, build_agent(settings, recognizer)))
        finally:
            mock.end()


async def talk(spoken: list[Spoken], agent: Agent) -> dict[str, Any]:
    """Say each recording to the agent; return percentiles by stage and what was done."""
    stages: dict[str, list[float]] = {name: [] for name in STAGES}
    missed, done = 0, 0
    await agent.start()
    try:
        await agent.hear(spoken[0].samples)  # the first waits until the model is loaded
        for number, each in enumerate(spoken):
            stream = mix(each.samples, LIVE_NOISE_DB, number)
            stream = np.concatenate([stream, stream[: SAMPLE_RATE_HZ // 2]])
            cut = end_point(stream)
            await settle(agent)
            if cut is None:
                missed += 1
                continue
            waited_ms = 1000 * (cut[0] - 0.5 - last_sound_s(each.samples))
            outcome = await agent.hear(cut[1], "microphone")
            done += outcome.execution.skill == each.label
            times = outcome.timings_ms
            stages["end_pointed"].append(waited_ms)
            for name in ("asr", "intent", "acknowledged"):
                at_ms = getattr(times, name)
                if at_ms is not None:
                    stages[name].append(waited_ms + at_ms)
    finally:
        await agent.close()
    told = {name: percentiles(values) for name, values in stages.items() if values}
    return {"n": len(spoken), "not_cut": missed, "right": done, **told}


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


def end_point(stream: Samples) -> tuple[float, Samples] | None:
    """Return when the microphone's end-pointing cuts the stream's first utterance, and that."""
    endpointer = Endpointer(VoiceActivity().probability)
    for number, frame in enumerate(frames_of(stream), 1):
        utterance = endpointer.take(frame)
        if utterance is not None:
            return number * FRAME_S, utterance
    return None


def percentiles(values: list[float]) -> dict[str, float]:
    return {
        "p50": round(float(np.percentile(values, 50)), 1),
        "p95": round(float(np.percentile(values, 95)), 1),
    }


def show(name: str, snr_db: float | None, tallies: dict[str, Tally]) -> None:
    place = "clean" if snr_db is None else f"{snr_db:.0f} dB"
    for lang, tally in tallies.items():
        told = tally.describe()
        measure = "WER" if lang == "en" else "CER"
        recall = told["stop_recall"]
        print(
            f"{name:14} {place:6} {lang}  {measure} {100 * float(told['error_rate'] or 0):5.1f} %  "
            f"stops {100 * float(recall or 0):5.1f} %  CPU {told['cpu_s']:.2f} s  n {told['n']}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="every recording at every noise level")
    parser.add_argument("--every", type=int, default=2, help="take each n-th recording (default 2)")
    given = parser.parse_args()
    step = 1 if given.full else given.every
    ears = RecordingEars(WhisperRecognizer(WhisperOptions(threads=THREADS)))
    try:
        ears.open()
    except SpeechUnavailable as error:
        print(f"skipped: {error.message}", file=sys.stderr)
        print(json.dumps({"benchmark": "speech_to_action", "skipped": error.message}))
        return
    prepare_bundle(default_bundle())
    recognizer = Recognizer.load(default_bundle(), threads=THREADS)
    spoken = read_recordings()[::step]
    ways: dict[str, Transcribe] = {
        "ours": lambda samples: ears.understand(samples).text,
        "stock 30 s": stock(),
    }
    summary: dict[str, Any] = {"benchmark": "speech_to_action", "n": len(spoken), "by_snr": {}}
    for snr_db in SNRS_DB if given.full else (None, 10.0):
        tallies = compare(spoken, ways, snr_db)
        place = "clean" if snr_db is None else f"{snr_db:.0f}_db"
        summary["by_snr"][place] = {
            name: {lang: tally.describe() for lang, tally in each.items()}
            for name, each in tallies.items()
        }
        for name, each in tallies.items():
            show(name, snr_db, each)
    wanted = [each for each in spoken if each.label not in ("REMOTE", "wake")]
    summary["live_ms"] = live(wanted, recognizer)
    for stage, times in summary["live_ms"].items():
        print(f"end of speech → {stage:14} {times}")
    clean = summary["by_snr"]["clean"]
    cost = {name: sum(each["cpu_s"] * each["n"] for each in clean[name].values()) for name in clean}
    summary["cpu_ratio_vs_stock"] = round(cost["stock 30 s"] / cost["ours"], 2)
    summary["cpu_s"] = round(cost["ours"] / len(spoken), 3)
    summary["error_points_vs_stock"] = {
        lang: round(
            100 * (clean["ours"][lang]["error_rate"] - clean["stock 30 s"][lang]["error_rate"]), 1
        )
        for lang in ("en", "zh")
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
