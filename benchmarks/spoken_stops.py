"""Whether stops are heard, and what else is taken for one: words wrong, stops heard and stops too many.

A stop counts to an idle dog where nothing else is said, and to a moving one wherever it is said; both
are counted, with the other readings and as written (`idle_written`, `moving_written`).

The committed recordings go through voice activity and Whisper, clean and in noise (white and brown in
turn), once as they are and once without the recogniser's other readings (`speech/stop_readings.py`).
Then silence, noises and tones alone, which must give nothing at all, and recordings in other
languages. Each recording is recognised once. The last line is JSON.

    python benchmarks/spoken_stops.py --snr clean 10
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from speech_to_action import Spoken, distance, mix, read_recordings, units

from edge_agent import reflex
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Heard, Samples, Wanted
from edge_agent.speech.recognizer import Transcript, always
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer
from shared.errors import SpeechUnavailable

NOISE_S = 3.0
NOISE_LEVELS = (0.003, 0.03, 0.3)
TONES_HZ = (220.0, 440.0, 1_000.0, 3_000.0)


class OnceRecognizer:
    """Whisper, asked once a recording; `others` False: it tells only what it wrote."""

    name = "whisper"

    def __init__(self) -> None:
        self.others = True
        self._whisper = WhisperRecognizer(WhisperOptions(threads=1))
        self._last: tuple[bytes, Transcript] | None = None

    def open(self) -> None:
        self._whisper.open()

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        key = samples.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._whisper.transcribe(samples)
        transcript = self._last[1]
        return transcript if self.others else replace(transcript, readings=())


@dataclass
class Count:
    """What became of recordings of one kind in one language."""

    n: int = 0
    stops: dict[str, int] = field(
        default_factory=lambda: {"idle": 0, "moving": 0, "idle_written": 0, "moving_written": 0}
    )
    errors: int = 0
    units: int = 0
    cpu_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        told: dict[str, Any] = {"n": self.n, "stops": self.stops}
        if self.units:
            told["error_rate"] = round(self.errors / self.units, 4)
        return {**told, "cpu_s": round(self.cpu_s / self.n, 3), "notes": self.notes}


class StopCounter:
    """Understands recordings with and without other readings."""

    def __init__(self) -> None:
        self._recognizer = OnceRecognizer()
        self._ears = RecordingEars(self._recognizer)
        self._ears.open()

    def take(self, count: Count, samples: Samples, spoken: Spoken | None, place: str) -> None:
        """Add one recording to `count`; told of are stops missed and stops too many."""
        began_s = time.process_time()
        self._recognizer.others = True
        heard = self._ears.understand(samples)
        count.cpu_s += time.process_time() - began_s
        self._recognizer.others = False
        written = self._ears.understand(samples)
        count.n += 1
        for name, each in (("", heard), ("_written", written)):
            count.stops[f"idle{name}"] += _stops(each, moving=False)
            count.stops[f"moving{name}"] += _stops(each, moving=True)
        if spoken is not None and spoken.lang in ("en", "zh"):
            said = units(spoken.text, spoken.lang)
            count.errors += distance(said, units(_believed(written), spoken.lang))
            count.units += len(said)
        wanted = spoken is not None and spoken.label == "StopMove"
        right = all(_stops(heard, moving) == wanted for moving in (False, True))
        if not right or (heard.text and spoken is None):
            note = f"{place} {spoken.text if spoken else ''}: {heard.text or heard.reason}"
            count.notes.append(note)
            print(f"  {note}  (written: {written.text or written.reason})", flush=True)


def _stops(heard: Heard, moving: bool) -> bool:
    return reflex.is_stop(heard.text, moving)


def _believed(heard: Heard) -> str:
    return "" if heard.doubt and not reflex.is_stop(heard.text, moving=False) else heard.text


def noises() -> Iterator[tuple[str, Samples]]:
    """Yield silence, white and brown noise of three levels, and tones, each NOISE_S long."""
    count = round(NOISE_S * SAMPLE_RATE_HZ)
    yield "silence", np.zeros(count, np.float32)
    for seed, level in enumerate(NOISE_LEVELS):
        white = np.random.default_rng(seed).normal(size=count)
        frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
        brown = np.fft.irfft(np.fft.rfft(white) / np.maximum(frequencies, 50.0), count)
        for name, noise in (("white", white), ("brown", brown / np.sqrt(np.mean(brown**2)))):
            yield f"{name} {level}", np.clip(level * noise, -1, 1).astype(np.float32)
    at_s = np.arange(count) / SAMPLE_RATE_HZ
    for tone_hz in TONES_HZ:
        yield f"{tone_hz:.0f} Hz", (0.3 * np.sin(2 * np.pi * tone_hz * at_s)).astype(np.float32)


def count_at(counter: StopCounter, snr_db: float | None, every: int) -> dict[str, Any]:
    """Return the counts of all recordings at one noise level, by kind and language."""
    spoken = [*read_recordings(), *read_recordings(others=True)]
    groups = {
        "stops": [each for each in spoken if each.label == "StopMove"],
        "commands": [each for each in spoken if each.label not in ("StopMove", "other")],
        "other_languages": [each for each in spoken if each.label == "other"],
    }
    counts: dict[str, Count] = {}
    for group, members in groups.items():
        for number, each in list(enumerate(members))[::every]:
            # Clean ones as they are; the noise is that of the tests.
            samples = each.samples if snr_db is None else mix(each.samples, snr_db, number)
            name = group if group == "other_languages" else f"{group}_{each.lang}"
            count = counts.setdefault(name, Count())
            counter.take(count, samples, each, f"{each.lang} {['white', 'brown'][number % 2]}")
        for name, count in counts.items():
            if name.startswith(group):
                told = {key: value for key, value in count.describe().items() if key != "notes"}
                print(f"{'clean' if snr_db is None else snr_db} {name}: {told}", flush=True)
    return {name: count.describe() for name, count in counts.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snr", nargs="+", default=["clean", "10"], help="clean, or decibels")
    parser.add_argument("--every", type=int, default=1, help="take each n-th recording (default 1)")
    given = parser.parse_args()
    try:
        counter = StopCounter()
    except SpeechUnavailable as error:
        print(f"skipped: {error.message}", file=sys.stderr)
        print(json.dumps({"benchmark": "spoken_stops", "skipped": error.message}))
        return
    summary: dict[str, Any] = {"benchmark": "spoken_stops", "by_snr": {}}
    alone = Count()
    for name, samples in noises():
        counter.take(alone, samples, None, name)
    print(f"noise alone: {alone.n}, stops {alone.stops}, words {len(alone.notes)}", flush=True)
    summary["noise_alone"] = alone.describe()
    for place in given.snr:
        snr_db = None if place == "clean" else float(place)
        summary["by_snr"][place] = count_at(counter, snr_db, given.every)
    print(json.dumps(summary, ensure_ascii=False))


if __name__ == "__main__":
    main()
