"""What slips of writing cost the edge's decisions, with the second try (docs/decisions/0017) and without, side by side.

Every row gets so many slips: in Chinese a character becomes another one of the same sound without tone, drawn from
those of the training rows; in English a letter is left out, doubled, swapped with the next or hit beside its key.
Commands right, taken for another skill, and other rows acted on. The last line is JSON.

    python benchmarks/misspelt_commands.py --slips 0 1 2
"""

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_agent.evaluation import evaluate
from edge_agent.mending.character_model import read_counts
from edge_agent.mending.homophones import Mender
from edge_agent.mending.second_try import SecondTry
from edge_agent.mending.spelling import Speller
from edge_agent.preparation import prepare_bundle
from edge_agent.recognition import Recognition
from edge_agent.recognizer import Recognizer
from edge_agent.reflex import syllables
from edge_agent.settings import default_bundle
from shared.report import LabelledRow, read_rows

DATASETS = Path(__file__).resolve().parents[1] / "datasets"
TESTS = ("test_normal", "test_extra", "test_stranger", "test_newcomer", "test_remote_extra")

HAN = re.compile("[\u4e00-\u9fff]")
LETTER = re.compile("(?<=[a-z])[a-z]|[a-z](?=[a-z])")
ROWS_OF_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def beside(letter: str) -> str:
    """Return the letters left and right of one on an English keyboard."""
    row = next(keys for keys in ROWS_OF_KEYS if letter in keys)
    at = row.index(letter)
    return row[max(0, at - 1) : at] + row[at + 1 : at + 2]


class Slips:
    """Draws slips by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._alike: defaultdict[str, set[str]] = defaultdict(set)
        for character in {three[2] for three, _ in read_counts() if HAN.match(three[2])}:
            for sound in syllables(character):
                self._alike[sound].add(character)

    def slip(self, row: LabelledRow, times: int) -> LabelledRow:
        """Return the row with so many slips, fewer where there is nothing to slip on."""
        text, change = row.text, self._misspell if row.lang == "en" else self._mistake
        for _ in range(times):
            text = change(text)
        return LabelledRow(text, row.label, row.lang)

    def _mistake(self, text: str) -> str:
        return self._replace(HAN, text, self._draw_alike)

    def _draw_alike(self, text: str, at: int) -> str:
        others = {each for sound in syllables(text[at]) for each in self._alike[sound]} - {text[at]}
        written = self._random.choice(sorted(others)) if others else text[at]
        return text[:at] + written + text[at + 1 :]

    def _misspell(self, text: str) -> str:
        return self._replace(LETTER, text, self._draw_typo)

    def _draw_typo(self, text: str, at: int) -> str:
        before, letter, after = text[:at], text[at], text[at + 1 :]
        swapped = after[:1].isalpha()
        return self._random.choice(
            (
                before + after,
                before + letter + letter + after,
                before + self._random.choice(beside(letter)) + after,
                before + after[0] + letter + after[1:] if swapped else before + after,
            )
        )

    def _replace(
        self, pattern: re.Pattern[str], text: str, change: Callable[[str, int], str]
    ) -> str:
        places = [found.start() for found in pattern.finditer(text)]
        return change(text, self._random.choice(places)) if places else text


def measure(rows: Sequence[LabelledRow], recognizer: Recognition) -> dict[str, Any]:
    """Return for each language commands (n, right, wrong) and other rows (n, acted on)."""
    found: dict[str, Any] = {}
    for lang in ("en", "zh"):
        items = evaluate([row for row in rows if row.lang == lang], recognizer)["items"]
        commands = [item for item in items if item["label"] != "REMOTE"]
        others = [item for item in items if item["label"] == "REMOTE"]
        right = sum(item["predicted"] == item["label"] for item in commands)
        wrong = sum(item["acted"] for item in commands) - right
        found[lang] = {
            "commands": [len(commands), right, wrong],
            "others": [len(others), sum(item["acted"] for item in others)],
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slips", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    given = parser.parse_args()
    rows = [row for name in TESTS for row in read_rows(DATASETS / f"{name}.jsonl")]
    prepare_bundle(given.bundle)
    once = Recognizer.load(given.bundle)
    twice = SecondTry(once, Mender(), Speller())
    summary: dict[str, Any] = {"benchmark": "misspelt_commands", "seed": given.seed}
    for times in given.slips:
        slips = Slips(given.seed)
        written = [slips.slip(row, times) for row in rows]
        for name, recognizer in (("once", once), ("twice", twice)):
            figures = summary[f"{name}_{times}"] = measure(written, recognizer)
            print(f"{times} slips, read {name}: {figures}", flush=True)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
