"""Mending by spelling: misspelt words come right, and whatever is a word stays as it is."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.mending.spelling import WORDS, Speller, count_words

DATASETS = Path(__file__).parents[3] / "datasets"
SPELLER = Speller()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hey dog, sti down!", "hey dog, sit down!"),
        ("danec for me", "dance for me"),
        ("shakeyour body", "shake your body"),
        ("turn arround", "turn around"),
        ("stetch your legs", "stretch your legs"),
        ("Give me a wigle", "Give me a wiggle"),
        ("狗哥，danec 一下", "狗哥，dance 一下"),
        ("sti donw plaese", "sit down please"),
        ("streach", "stretch"),
    ],
)
def test_misspelt_words_come_right(written: str, meant: str) -> None:
    assert SPELLER.mend(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "slow your pace",  # said to no dog in the training rows
        "Don't move!  It’s 3 o'clock…",
        "坐下",
        "go go go",
        "xq zz",
        "what is a torque",
        "Tengo hambre",
        "tengo",
        "dansez maintenant",
        "quiero una hamburguesa",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert SPELLER.mend(text) == text


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_whatever_is_no_english_letter_stays(text: str) -> None:
    def others(each: str) -> list[str]:
        return [one for one in each if not (one.isascii() and one.isalpha()) and one not in " '’"]

    assert others(SPELLER.mend(text)) == others(text)


def test_a_taught_skills_words_are_known() -> None:
    assert Speller().mend("do the moonwalkie") != "do the moonwalkie"
    taught = Speller(["do the moonwalkie"])
    assert taught.mend("do the moonwlakie") == "do the moonwalkie"
    assert taught.mend("do the moonwalkie") == "do the moonwalkie"


def test_the_words_are_those_of_the_training_rows() -> None:
    texts = {
        row["text"]
        for path in DATASETS.glob("train_*.jsonl")
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        if row["lang"] == "en"
    }
    kept = (line.split(" ") for line in WORDS.read_text(encoding="utf-8").splitlines())
    usual = {word: count for word, count in count_words(texts).items() if count > 1}
    assert {word: int(count) for word, count in kept} == usual, (
        "run python datasets/count_writing.py"
    )
