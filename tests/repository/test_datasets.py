"""The datasets keep their schema, their licences and their splits apart."""

import json
import math
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from shared.skills import SKILL_NAMES

FOLDER = Path(__file__).resolve().parents[2] / "datasets"
HELD_OUT = ("validation", "test_normal", "test_remote", "test_remote_extra")
NEAR = 0.7
FILES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
LICENSES = {"Apache-2.0", "CC-BY-3.0", "CC-BY-4.0", "MIT", "BSD-3-Clause"}


def rows(name: str) -> list[dict[str, object]]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def essence(text: str) -> str:
    """Letters and digits only, case folded; a typed tag counts as it is."""
    folded = unicodedata.normalize("NFKC", text).lower()
    if "()" in folded or "[" in folded:
        return folded
    return "".join(character for character in folded if character.isalnum())


def trigrams(text: str) -> frozenset[str]:
    short = essence(text)
    return frozenset(short[i : i + 3] for i in range(max(1, len(short) - 2)))


@pytest.mark.parametrize("name", FILES)
def test_every_row_keeps_the_schema(name: str) -> None:
    schema = json.loads((FOLDER / "schema.json").read_text())
    known, required = set(schema["properties"]), set(schema["required"])
    for row in rows(name):
        assert required <= set(row) <= known, row
        assert row["label"] == "REMOTE" or row["label"] in SKILL_NAMES, row
        assert row["lang"] in ("en", "zh"), row
        assert row["license"] in LICENSES, row
        assert row["synthetic"] == str(row["source"]).startswith("shadowdog/"), row
        assert str(row["text"]).strip() == row["text"] != "", row
        assert "answer" not in row or "[" not in str(row["answer"]), row


def test_ids_are_unique_and_texts_too() -> None:
    everything = [row for name in FILES for row in rows(name)]
    assert len({row["id"] for row in everything}) == len(everything)
    training = [
        essence(str(row["text"])) for name in FILES for row in rows(name) if "train" in name
    ]
    assert not [text for text, count in Counter(training).items() if count > 1]


def test_no_training_row_is_near_a_held_out_one() -> None:
    held: dict[str, list[int]] = {}
    grams = [trigrams(str(row["text"])) for name in HELD_OUT for row in rows(name)]
    for index, each in enumerate(grams):
        for gram in each:
            held.setdefault(gram, []).append(index)
    for name in FILES:
        if not name.startswith("train"):
            continue
        for row in rows(name):
            mine = trigrams(str(row["text"]))
            # Sets that share 70 % share one of the rarest 30 % of their members, too.
            rarest = sorted(mine, key=lambda gram: len(held.get(gram, ())))
            probes = rarest[: math.floor((1 - NEAR) * len(mine)) + 1]
            candidates = {index for gram in probes for index in held.get(gram, ())}
            near = [i for i in candidates if len(mine & grams[i]) / len(mine | grams[i]) >= NEAR]
            assert not near, row


def test_every_skill_is_well_covered() -> None:
    counts = Counter((row["label"], row["lang"]) for row in rows("train_normal"))
    assert min(counts[skill, lang] for skill in SKILL_NAMES for lang in ("en", "zh")) >= 45
    assert sum(len(rows(name)) for name in FILES if name.startswith("train_remote")) >= 2000
    assert len(rows("test_normal")) == 306
    assert len(rows("test_remote")) == 18


def test_the_cards_numbers_are_true() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in FILES:
        langs = Counter(row["lang"] for row in rows(name))
        wanted = f"| `{name}.jsonl` | {sum(langs.values()):,} | {langs['en']:,} / {langs['zh']:,} |"
        assert wanted in card, wanted
