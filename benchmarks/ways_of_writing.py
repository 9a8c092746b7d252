"""What unusual ways of writing cost the edge's decisions: the same rows in capitals, full width, set apart, drawn out, hurried.

Each way keeps the meaning; rows that it does not change count as they are. Commands right, taken for another skill, and
other rows acted on, decided as the agent decides. The last line is JSON.

    python benchmarks/ways_of_writing.py --data datasets/test_normal.jsonl --data datasets/test_newcomer.jsonl
"""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from misspelt_commands import HAN, measure

from edge_agent.mending.homophones import Mender
from edge_agent.mending.second_try import SecondTry
from edge_agent.mending.spelling import Speller
from edge_agent.preparation import prepare_bundle
from edge_agent.recognizer import Recognizer
from edge_agent.settings import default_bundle
from shared.report import LabelledRow, read_rows

LAST_VOWEL = re.compile(r"[aeiou](?=[a-z]*[^a-z]*$)", re.IGNORECASE)
END = re.compile(r"\W*$")


def is_chinese(text: str) -> bool:
    """Return whether a Chinese character stands in the text."""
    return HAN.search(text) is not None


def widen(text: str) -> str:
    """Return the text with full-width letters, digits and signs."""
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


def draw_out(text: str) -> str:
    """Return the text with its last vowel three times, or with a dash before the last Chinese character."""
    if not is_chinese(text):
        return LAST_VOWEL.sub(lambda vowel: vowel.group() * 3, text)
    at = [found.start() for found in HAN.finditer(text)][-1]
    return f"{text[:at]}——{text[at:]}"


def hurry(text: str) -> str:
    """Return an English text with "right now" behind it."""
    return text if is_chinese(text) else END.sub("", text) + " right now"


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "capitals": str.upper,
    "full width": widen,
    "apart": lambda text: " ".join(text) if is_chinese(text) else text,
    "drawn out": draw_out,
    "right now": hurry,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    given = parser.parse_args()
    rows = [row for path in given.data for row in read_rows(path)]
    prepare_bundle(given.bundle)
    recognizer = SecondTry(Recognizer.load(given.bundle), Mender(), Speller())
    summary: dict[str, Any] = {"benchmark": "ways_of_writing"}
    for name, write in WAYS.items():
        written = [LabelledRow(write(row.text), row.label, row.lang) for row in rows]
        summary[name] = measure(written, recognizer)
        print(f"{name}: {summary[name]}", flush=True)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
