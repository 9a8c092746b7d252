"""Cleaning of utterances, and the guess of their language."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.text import (
    MAX_UTTERANCE_CHARACTERS,
    clean_utterance,
    guess_language,
    guess_main_language,
)


def test_cleaning_keeps_what_was_said() -> None:
    assert clean_utterance("  Sit,\tplease!\r\n") == "Sit, please!"
    assert clean_utterance("臺灣 狗哥，坐下") == "臺灣 狗哥，坐下"
    assert clean_utterance("sit\u202edown\ud800\x00") == "sit down"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ｓｉｔ　ｄｏｗｎ，１ｓ", "sit down，1s"),
        ("SIT DOWN, PLEASE! 🐶", "sit down, please! 🐶"),
        ("Sit DOWN", "Sit DOWN"),
        ("来段 CHA CHA", "来段 CHA CHA"),
        ("不 要 往 右 转", "不要往右转"),
        ("狗 哥 ， 坐 下 。", "狗哥，坐下。"),
        ("a 不 要 动 b", "a 不要动 b"),
        ("狗哥 坐下", "狗哥 坐下"),
        ("坐 下", "坐 下"),
        ("\u0130" * 399 + "A", "\u0307" + "i\u0307" * 199 + "a"),
    ],
)
def test_unusual_writing_is_read_as_usual(written: str, read: str) -> None:
    assert clean_utterance(written) == read


@settings(deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_categories=[])))
def test_cleaning_is_safe_and_stable(text: str) -> None:
    cleaned = clean_utterance(text)
    cleaned.encode()
    assert len(cleaned) <= MAX_UTTERANCE_CHARACTERS
    assert clean_utterance(cleaned) == cleaned
    assert cleaned == cleaned.strip()
    assert cleaned.isprintable()


@pytest.mark.parametrize(
    ("text", "language"),
    [("sit", "en"), ("坐下", "zh"), ("来个 high five", "zh"), ("сидеть", "other"), ("!?", "other")],
)
def test_guess_language(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('You can say "你好" to greet someone in Chinese.', "en"),
        ("What does 你好 mean?", "en"),
        ("OK 坐下", "zh"),
        ("hey dog 坐下", "zh"),
        ("来个 high five", "zh"),
        ("“Sit” 就是坐下的意思。", "zh"),
        ("sit", "en"),
        ("坐下", "zh"),
        ("сидеть", "other"),
        ("37!?", "other"),
    ],
)
def test_the_main_language_is_that_of_most_words(text: str, language: str) -> None:
    assert guess_main_language(text) == language
