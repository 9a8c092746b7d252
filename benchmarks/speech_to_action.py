"""From the end of speech to the robot's acknowledgement, and what the recogniser costs and gets wrong.

The committed recordings are played as a live stream, 32 ms a frame, into the microphone's own
end-pointing; what it cuts goes through voice activity, Whisper, the reflex, the bundle and the gate
to the mock robot over DDS (`spoken_stream.py`), with early recognition and without it in turn. Words
are compared with what was said, clean and in noise, side by side with faster-whisper's stock 30 s path
on the same model. Stops are counted on their own. The last line is JSON.

On a machine that has other work to do, waiting for a core hides everything else. So the words' time
is also reckoned with CPU seconds in place of time, for commands alone and behind a pause.

    python benchmarks/speech_to_action.py --live-only --early 0.2
    python benchmarks/speech_to_action.py --reckoned-only
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from spoken_stream import (
    LIVE_NOISE_DB,
    THREADS,
    CountingRecognizer,
    Spoken,
    end_point,
    last_sound_s,
    live,
    mix,
    percentiles,
    read_recordings,
    with_a_pause,
)

from edge_agent import reflex
from edge_agent.preparation import prepare_bundle
from edge_agent.recognizer import Recognizer
from edge_agent.settings import default_bundle
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from edge_agent.speech.model_files import WHISPER_BASE, find_model
from edge_agent.speech.recognizer import always
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer
from shared.errors import SpeechUnavailable

SNRS_DB: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0)
STOCK_BEAMS = 5


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


def compare_with_stock(
    ears: RecordingEars, spoken: list[Spoken], snrs_db: Sequence[float | None]
) -> dict[str, Any]:
    """Return errors and cost beside faster-whisper's stock path, by noise, and their ratios."""
    ways: dict[str, Transcribe] = {
        "ours": lambda samples: ears.understand(samples).text,
        "stock 30 s": stock(),
    }
    summary: dict[str, Any] = {"n": len(spoken), "by_snr": {}}
    for snr_db in snrs_db:
        tallies = compare(spoken, ways, snr_db)
        place = "clean" if snr_db is None else f"{snr_db:.0f}_db"
        summary["by_snr"][place] = {
            name: {lang: tally.describe() for lang, tally in each.items()}
            for name, each in tallies.items()
        }
        for name, each in tallies.items():
            show(name, snr_db, each)
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
    return summary


@dataclass
class Reckoning:
    """When words would be there in one way, and what they cost."""

    words_ms: list[float] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    runs: int = 0
    cpu_s: float = 0.0

    def describe(self) -> dict[str, Any]:
        n = max(1, len(self.texts))
        return {
            "n": len(self.texts),
            "recognitions_each": round(self.runs / n, 2),
            "cpu_s_each": round(self.cpu_s / n, 3),
            "words": percentiles(self.words_ms),
        }


def reckon(spoken: list[Spoken], early_s: float) -> dict[str, Any]:
    """Return when the words would be there on a core of one's own: CPU seconds stand for time.

    Voice activity and Whisper really run, for what the microphone sends, one after the other; an early
    run that is thrown away is counted to its end. Both ways are measured for each recording in turn.
    """
    counter = CountingRecognizer(WhisperRecognizer(WhisperOptions(threads=THREADS)))
    ears = RecordingEars(counter)
    ears.open()
    ways = {"late": 0.0, "early": early_s} if early_s else {"late": 0.0}
    told = {name: Reckoning() for name in ways}
    for number, each in enumerate(spoken):
        stream = mix(each.samples, LIVE_NOISE_DB, number)
        stream = np.concatenate([stream, stream[: SAMPLE_RATE_HZ // 2]])
        for name in list(ways) if number % 2 else list(reversed(ways)):
            ahead, cut = end_point(stream, ways[name])
            if cut is None:
                continue
            reckoning, calls, free_at_s = told[name], counter.calls, 0.0
            for at_s, so_far in [*ahead, cut]:
                began_s = time.process_time()
                if so_far is cut[1]:
                    reckoning.texts[number] = ears.understand(so_far).text
                else:
                    ears.anticipate(so_far, always)
                took_s = time.process_time() - began_s
                free_at_s = max(free_at_s, at_s) + took_s
                reckoning.cpu_s += took_s
            reckoning.runs += counter.calls - calls
            reckoning.words_ms.append(1000 * (free_at_s - 0.5 - last_sound_s(each.samples)))
    answer: dict[str, Any] = {name: each.describe() for name, each in told.items()}
    if early_s:
        late, early = told["late"].texts, told["early"].texts
        answer["same_words"] = sum(late[number] == early.get(number) for number in late)
    return answer


def play(every: int, early_s: float, reckoned_only: bool) -> dict[str, Any]:
    """Return what became of the commands as a stream, alone and behind a wake phrase and a pause."""
    whole = read_recordings()
    alone = [each for each in whole[::every] if each.label not in ("REMOTE", "wake")]
    told = {
        "reckoned_ms": reckon(alone, early_s),
        "reckoned_paused_ms": reckon(with_a_pause(whole)[::every], early_s),
    }
    if not reckoned_only:
        prepare_bundle(default_bundle())
        told["live_ms"] = live(alone, Recognizer.load(default_bundle(), threads=THREADS), early_s)
    for name, ways in told.items():
        for way, figures in ways.items():
            print(f"{name:18} {way:10} {figures}", flush=True)
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="every recording at every noise level")
    parser.add_argument("--every", type=int, default=2, help="take each n-th recording (default 2)")
    parser.add_argument(
        "--live-only", action="store_true", help="only the streams, live and reckoned"
    )
    parser.add_argument("--reckoned-only", action="store_true", help="only CPU seconds, no dog")
    parser.add_argument("--early", type=float, default=0.2, metavar="S", help="0: no early runs")
    given = parser.parse_args()
    step = 1 if given.full else given.every
    ears = RecordingEars(WhisperRecognizer(WhisperOptions(threads=THREADS)))
    try:
        ears.open()
    except SpeechUnavailable as error:
        print(f"skipped: {error.message}", file=sys.stderr)
        print(json.dumps({"benchmark": "speech_to_action", "skipped": error.message}))
        return
    summary: dict[str, Any] = {"benchmark": "speech_to_action"}
    if not (given.live_only or given.reckoned_only):
        snrs_db = SNRS_DB if given.full else (None, 10.0)
        summary |= compare_with_stock(ears, read_recordings()[::step], snrs_db)
    summary |= play(step, given.early, given.reckoned_only)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
