"""How much speech costs the edge's decisions: labelled rows typed, spoken clean, and spoken in noise.

Every row is spoken once, by kokoro's native voices in turn (four a language;
tests/edge_agent/speech/synthesis.py says what that needs), goes through voice activity and Whisper as a
recording does, and is then decided as the agent decides. Beside it, what was written before mending is decided:
as if somebody had typed it, and with nothing mended at all. With --second-ears (a Whisper small for CTranslate2,
tests/edge_agent/speech/convert_whisper.py) Chinese that would be deferred is heard again as well. What was spoken and heard is
kept in the cache, so that another bundle is measured in minutes. The last line is JSON.

    python benchmarks/spoken_commands.py --data datasets/test_normal.jsonl --bundle DIR
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "tests" / "edge_agent" / "speech")]

from speech_to_action import mix  # noqa: E402
from synthesis import NATIVE_VOICES, kokoro_voices, speak  # noqa: E402

from edge_agent import reflex  # noqa: E402
from edge_agent.conduct import decide, decide_again  # noqa: E402
from edge_agent.evaluation import evaluate  # noqa: E402
from edge_agent.mending.homophones import Mender  # noqa: E402
from edge_agent.mending.second_try import SecondTry  # noqa: E402
from edge_agent.mending.spelling import Speller  # noqa: E402
from edge_agent.preparation import prepare_bundle  # noqa: E402
from edge_agent.recognition import Recognition  # noqa: E402
from edge_agent.recognizer import Decision, Recognizer  # noqa: E402
from edge_agent.settings import default_bundle  # noqa: E402
from edge_agent.speech.model_files import WHISPER_SMALL  # noqa: E402
from edge_agent.speech.recording import decode_recording  # noqa: E402
from edge_agent.speech.understanding import RecordingEars  # noqa: E402
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer  # noqa: E402
from shared.report import LabelledRow, read_rows  # noqa: E402
from shared.settings import cache_directory  # noqa: E402
from shared.tags import REMOTE, print_tag  # noqa: E402

HEARING_VERSION = "5"
"""Raise it where what is heard of a recording has changed, so that nothing old is taken for new."""


def can_speak() -> bool:
    """Return whether the synthesiser and its voices are installed."""
    parts = shutil.which("sox") is not None and find_spec("misaki") is not None
    return parts and kokoro_voices().is_dir()


def recording(row: LabelledRow, voice: str, folder: Path) -> Path | None:
    """Return the row as the voice says it, spoken now where it was not before."""
    name = hashlib.sha256(f"{voice}{row.text}".encode()).hexdigest()[:16]
    path = folder / f"{name}.wav"
    if not path.exists():
        if not can_speak():
            return None
        speak(row.text, row.lang, voice, path)
    return path


class Hearing:
    """What the ears make of a recording, remembered in a file."""

    def __init__(self, place: Path, options: WhisperOptions) -> None:
        self._place = place
        self._options = options
        self._known: dict[str, dict[str, Any]] = {}
        if place.exists():
            self._known = json.loads(place.read_text(encoding="utf-8"))
        self._ears: RecordingEars | None = None

    def hear(self, path: Path, snr_db: float | None) -> dict[str, Any]:
        """Return the text that is believed, what it was before mending if it was mended, and the doubt."""
        key = f"{HEARING_VERSION} {path.stem} {snr_db}"
        if key not in self._known:
            if self._ears is None:
                self._ears = RecordingEars(WhisperRecognizer(self._options))
                self._ears.open()
            samples = decode_recording(path.read_bytes(), "wav")
            seed = int(path.stem, 16) % 1000
            heard = self._ears.understand(mix(samples, snr_db, seed))
            # A doubtful text counts only where it is a stop, as in the agent.
            believed = heard.doubt is None or reflex.is_stop(heard.text, moving=False)
            self._known[key] = {
                "text": heard.text if believed else "",
                "lang": heard.lang,
                "doubt": heard.doubt or heard.reason,
                "before_mending": heard.written if believed else None,
            }
            self._place.write_text(json.dumps(self._known, ensure_ascii=False), encoding="utf-8")
        return self._known[key]


class AsHeard:
    """Decides as the agent does on what was heard: words mended by sound do not do everything.

    `heard`: of each recording; `again` hears one a second time.
    """

    def __init__(
        self,
        recognizer: Recognition,
        heard: list[tuple[Path, dict[str, Any]]],
        again: Callable[[Path], dict[str, Any]] | None = None,
    ) -> None:
        self.manifest = recognizer.manifest
        self._recognizer = recognizer
        self._heard = {each["text"]: (path, each) for path, each in heard}
        self._again = again

    def decide(self, text: str) -> Decision:
        path, heard = self._heard.get(text, (Path(), {"before_mending": None, "lang": "other"}))
        decision, tag = decide(self._recognizer, text, heard["before_mending"])
        if tag == REMOTE and self._again and heard["lang"] == "zh":
            second = self._again(path)
            if reflex.is_stop(second["text"], moving=False):
                tag = print_tag("StopMove")
            elif second["text"]:
                decision, tag = decide_again(
                    self._recognizer, second["text"], second["before_mending"]
                )
        assert isinstance(decision, Decision)
        return replace(decision, tag=tag)


def speak_all(rows: list[LabelledRow], folder: Path) -> list[tuple[LabelledRow, Path]]:
    """Return the rows that can be spoken with their recordings, the voices of a language in turn."""
    spoken = []
    for number, row in enumerate(rows):
        voices = NATIVE_VOICES[row.lang]
        if path := recording(row, voices[number % len(voices)], folder):
            spoken.append((row, path))
    return spoken


def measure(rows: list[LabelledRow], recognizer: Recognition) -> dict[str, Any]:
    """Return the figures of an evaluation that matter here."""
    report = evaluate(rows, recognizer)
    names = ("n", "accuracy", "false_execute_rate", "false_defer_rate")
    commands = evaluate([row for row in rows if row.label != "REMOTE"], recognizer)
    right = {lang: [each["n"], each["accuracy"]] for lang, each in commands["by_lang"].items()}
    of_commands = {"all": [commands["n"], commands["accuracy"]], **right}
    return {**{name: report[name] for name in names}, "commands": of_commands}


def tell(name: str, figures: dict[str, Any]) -> None:
    print(f"{name:14} {figures}", flush=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "test_normal.jsonl")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--every", type=int, default=1, help="take each n-th row (default: all)")
    parser.add_argument("--second-ears", type=Path, help="a folder with Whisper small")
    parser.add_argument("--recordings", type=Path, default=cache_directory() / "speech" / "spoken")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = read_arguments()
    given.recordings.mkdir(parents=True, exist_ok=True)
    rows = read_rows(given.data)[:: given.every]
    spoken = speak_all(rows, given.recordings)
    unspoken = len(rows) - len(spoken)
    if unspoken:
        print(f"{unspoken} utterances have no voice here and are left out", file=sys.stderr)
    if not spoken:
        print(json.dumps({"benchmark": "spoken_commands", "skipped": "no synthesiser here"}))
        return
    prepare_bundle(given.bundle)
    alone = Recognizer.load(given.bundle)
    recognizer = SecondTry(alone, Mender(), Speller())
    hearing = Hearing(given.recordings / "heard.json", WhisperOptions(threads=1))
    second = Hearing(
        given.recordings / "heard_again.json",
        WhisperOptions(given.second_ears, threads=1, model=WHISPER_SMALL),
    )
    summary: dict[str, Any] = {"benchmark": "spoken_commands", "unspoken": unspoken}
    summary["typed"] = measure([row for row, _ in spoken], recognizer)
    tell("typed", summary["typed"])
    for name, snr_db in (("spoken", None), ("spoken_10_db", 10.0)):
        heard = [(path, hearing.hear(path, snr_db)) for _, path in spoken]
        mended = [each["text"] for _, each in heard]
        written = [each["before_mending"] or each["text"] for _, each in heard]
        ways: list[tuple[str, list[str], Recognition]] = [
            (name, mended, AsHeard(recognizer, heard)),
            (f"{name}_as_typed", written, recognizer),
            (f"{name}_unmended", written, alone),
        ]
        if given.second_ears:
            twice = AsHeard(recognizer, heard, partial(second.hear, snr_db=snr_db))
            ways.append((f"{name}_heard_again", mended, twice))
        for way, texts, decides in ways:
            said = [
                LabelledRow(text, row.label, row.lang)
                for text, (row, _) in zip(texts, spoken, strict=True)
            ]
            summary[way] = measure(said, decides)
            tell(way, summary[way])
    lost = summary["typed"]["accuracy"] - summary["spoken"]["accuracy"]
    summary["points_lost"] = round(100 * lost, 1)
    print(json.dumps(summary, ensure_ascii=False))


if __name__ == "__main__":
    main()
