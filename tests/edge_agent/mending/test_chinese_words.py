"""The words that no homophone may replace, and utterances that are a verb alone."""

from pathlib import Path

import pytest

from edge_agent.mending.chinese_words import (
    VERBS,
    in_words,
    is_only_a_verb,
    read_words,
    write_words,
)


@pytest.mark.parametrize(
    ("text", "within"),
    [
        ("叫医生", {1, 2}),
        ("叫醫生", {1, 2}),
        ("狗哥做好", set()),
        ("来段阶舞", set()),
        ("医", set()),
        ("", set()),
        ("医，生", set()),
        ("Ｖ。书展", {1, 2}),
        ("sit 书展", {1, 2}),
    ],
)
def test_words_are_found_in_both_scripts(text: str, within: set[int]) -> None:
    assert in_words(text) == within


@pytest.mark.parametrize("text", ["教一下", "教一教", "快做", "狗哥，请挑一挑吧", "做"])
def test_a_verb_alone(text: str) -> None:
    assert is_only_a_verb(text)


@pytest.mark.parametrize(
    "text", ["做下", "狗哥做好", "学狗教", "来段阶舞", "教一声", "sit", "", "教跳舞"]
)
def test_what_is_more_than_a_verb(text: str) -> None:
    assert not is_only_a_verb(text)


def test_words_survive_their_file(tmp_path: Path) -> None:
    write_words(["医生", "医院", "书展"], ["做", "教"], tmp_path / "words.txt")
    assert read_words(tmp_path / "words.txt") == {VERBS: "做教", "书": "展", "医": "生院"}
    assert len(read_words()) > 3000
