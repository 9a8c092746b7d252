"""How much speech costs the edge's decisions: labelled rows typed, spoken clean, and spoken in noise.

Every row is spoken by a synthesiser that is installed (flite for English, kokoro for Chinese:
tests/edge_agent/speech/synthesis.py says what each needs; a language without one is left out and
named), goes through voice activity and Whisper as a recording does, and is then decided as
`edge-agent evaluate` decides. What was spoken and heard is kept in the cache, so that another bundle
is measured in minutes. The last line is JSON.

    python benchmarks/spoken_commands.py --data datasets/test_normal.jsonl --bundle DIR
"""

import argparse
import hashlib
import json
import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "tests" / "edge_agent" / "speech")]

from speech_to_action import mix  # noqa: E402
from synthesis import speak  # noqa: E402

from edge_agent import reflex  # noqa: E402
from edge_agent.evaluation import evaluate  # noqa: E402
from edge_agent.preparation import prepare_bundle  # noqa: E402
from edge_agent.recognition import Recognition  # noqa: E402
from edge_agent.recognizer import Decision, Recognizer  # noqa: E402
from edge_agent.settings import default_bundle  # noqa: E402
from edge_agent.speech.interface import Samples, Wanted  # noqa: E402
from edge_agent.speech.recognizer import Transcript, always  # noqa: E402
from edge_agent.speech.recording import decode_recording  # noqa: E402
from edge_agent.speech.understanding import RecordingEars  # noqa: E402
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer  # noqa: E402
from shared.report import LabelledRow, read_rows  # noqa: E402
from shared.settings import cache_directory  # noqa: E402
from shared.tags import REMOTE  # noqa: E402

VOICES = {"en": ("slt", "rms"), "zh": ("jm_kumo",)}
AGREEMENT_MARGIN = 0.3
"""How much less likely than the best a reading may be to have a say, in log-probability a token."""
HEARING_VERSION = "2"
"""Raise it where what is heard of a recording has changed, so that nothing old is taken for new."""


def can_speak(lang: str) -> bool:
    """Return whether a synthesiser of the language is installed, or all was spoken before."""
    if shutil.which("sox") is None:
        return False
    return shutil.which("flite") is not None if lang == "en" else find_spec("misaki") is not None


def recording(row: LabelledRow, voice: str, folder: Path) -> Path | None:
    """Return the row as the voice says it, spoken now where it was not before."""
    name = hashlib.sha256(f"{voice}{row.text}".encode()).hexdigest()[:16]
    path = folder / f"{name}.wav"
    if not path.exists():
        if not can_speak(row.lang):
            return None
        speak(row.text, row.lang, voice, path)
    return path


class RememberingRecognizer(WhisperRecognizer):
    """Whisper that keeps what it told last."""

    def __init__(self) -> None:
        super().__init__(WhisperOptions(threads=1))
        self.last = Transcript("", "en")

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        self.last = super().transcribe(samples, wanted)
        return self.last


class Hearing:
    """What the ears make of a recording, remembered in a file."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._known: dict[str, dict[str, Any]] = {}
        if place.exists():
            self._known = json.loads(place.read_text(encoding="utf-8"))
        self._ears: RecordingEars | None = None
        self._recognizer = RememberingRecognizer()

    def hear(self, path: Path, snr_db: float | None) -> dict[str, Any]:
        """Return the text, what is believed of it, and the recogniser's readings."""
        key = f"{HEARING_VERSION} {path.stem} {snr_db}"
        if key not in self._known:
            if self._ears is None:
                self._ears = RecordingEars(self._recognizer)
                self._ears.open()
            samples = decode_recording(path.read_bytes(), "wav")
            seed = int(path.stem, 16) % 1000
            heard = self._ears.understand(mix(samples, snr_db, seed))
            # A doubtful text counts only where it is a stop, as in the agent.
            believed = heard.doubt is None or reflex.is_stop(heard.text, moving=False)
            self._known[key] = {
                "text": heard.text if believed else "",
                "doubt": heard.doubt or heard.reason,
                "written": self._recognizer.last.text,
                "readings": [
                    [each.text, each.score, each.log_probability]
                    for each in self._recognizer.last.readings
                ],
            }
            self._place.write_text(json.dumps(self._known, ensure_ascii=False), encoding="utf-8")
        return self._known[key]


class OverReadings:
    """Decides over all readings of a text; what the agent does not do (docs/speech.md says why).

    Done is the skill that clears its thresholds in readings near the best, if it is one; several skills defer.
    """

    def __init__(self, recognizer: Recognizer, heard: list[dict[str, Any]]) -> None:
        self.manifest = recognizer.manifest
        self._recognizer = recognizer
        self._readings = {each["text"]: each["readings"] for each in heard if not each["doubt"]}

    def decide(self, text: str) -> Decision:
        written = self._recognizer.decide(text)
        readings = self._readings.get(text, [])
        least = max((score for _, score, _ in readings), default=0.0) - AGREEMENT_MARGIN
        near = {reading for reading, score, _ in readings if score >= least}
        skills = [each for each in map(self._recognizer.decide, sorted(near)) if each.tag != REMOTE]
        if not skills:
            return written
        if len({each.tag for each in [*skills, written]} - {REMOTE}) > 1:
            return replace(written, tag=REMOTE)
        return max(skills, key=lambda each: each.confidence)


def measure(rows: list[LabelledRow], recognizer: Recognition) -> dict[str, Any]:
    """Return the figures of an evaluation that matter here."""
    report = evaluate(rows, recognizer)
    names = ("n", "accuracy", "false_execute_rate", "false_defer_rate")
    by_lang = {lang: each["accuracy"] for lang, each in report["by_lang"].items()}
    return {**{name: report[name] for name in names}, "by_lang": by_lang}


def tell(name: str, figures: dict[str, Any]) -> None:
    print(f"{name:14} {figures}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "test_normal.jsonl")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--every", type=int, default=5, help="take each n-th row (default 5)")
    parser.add_argument("--full", action="store_true", help="take every row")
    parser.add_argument(
        "--over-readings", action="store_true", help="decide over the recogniser's readings, too"
    )
    parser.add_argument("--recordings", type=Path, default=cache_directory() / "speech" / "spoken")
    given = parser.parse_args()
    given.recordings.mkdir(parents=True, exist_ok=True)
    rows = read_rows(given.data)[:: 1 if given.full else given.every]
    spoken: list[tuple[LabelledRow, Path]] = []
    unspoken = 0
    for row in rows:
        for voice in VOICES.get(row.lang, ()):
            path = recording(row, voice, given.recordings)
            spoken += [(row, path)] if path else []
            unspoken += path is None
    if unspoken:
        print(f"{unspoken} utterances have no voice here and are left out", file=sys.stderr)
    if not spoken:
        print(json.dumps({"benchmark": "spoken_commands", "skipped": "no synthesiser here"}))
        return
    prepare_bundle(given.bundle)
    recognizer = Recognizer.load(given.bundle)
    hearing = Hearing(given.recordings / "heard.json")
    summary: dict[str, Any] = {"benchmark": "spoken_commands", "unspoken": unspoken}
    summary["typed"] = measure([row for row, _ in spoken], recognizer)
    tell("typed", summary["typed"])
    for name, snr_db in (("spoken", None), ("spoken_10_db", 10.0)):
        heard = [hearing.hear(path, snr_db) for _, path in spoken]
        said = [
            LabelledRow(each["text"], row.label, row.lang)
            for each, (row, _) in zip(heard, spoken, strict=True)
        ]
        summary[name] = measure(said, recognizer)
        tell(name, summary[name])
        if given.over_readings:
            agreed = f"{name}_agreement"
            summary[agreed] = measure(said, OverReadings(recognizer, heard))
            tell(agreed, summary[agreed])
    lost = summary["typed"]["accuracy"] - summary["spoken"]["accuracy"]
    summary["points_lost"] = round(100 * lost, 1)
    print(json.dumps(summary, ensure_ascii=False))


if __name__ == "__main__":
    main()
