"""The quality of answers: language, brackets, loops, length."""

from typing import Any

import pytest

from cloud_server.evaluation.answers import loops, measure_answers
from cloud_server.evaluation.statistics import Share
from cloud_server.training.data import Row
from shared.text import is_answer_in


def question(lang: Any) -> Row:
    return Row(
        id="a", text="?", lang=lang, label="REMOTE", source="s", license="MIT", synthetic=False
    )


@pytest.mark.parametrize(
    ("text", "looping"),
    [
        ("I am a dog. I am a dog. I am a dog.", True),
        ("Yes. No. yes. Maybe! Yes?", True),
        ("我不知道我不知道我不知道", True),
        ("Ha ha ha! That one always gets me.", False),
        ("哈哈哈，真好笑。", False),
        ("The sky is blue because air scatters blue light more than red light.", False),
        ("", False),
    ],
)
def test_loops_are_told_from_laughter(text: str, looping: bool) -> None:
    assert loops(text) is looping


@pytest.mark.parametrize(
    ("language", "text", "right"),
    [
        ("en", "It's gǒu, written 狗. That's me.", True),
        ("en", "我不知道。", False),
        ("zh", "Python 是一种编程语言。", True),
        ("zh", "I don't know.", False),
        ("zh", "37", True),
        ("en", "19 + 18 = 37", True),
    ],
)
def test_the_language_of_an_answer_is_told_by_its_script(
    language: str, text: str, right: bool
) -> None:
    assert is_answer_in(language, text) is right


def test_every_fault_is_counted_once() -> None:
    rows = [question(lang) for lang in ("en", "en", "zh", "zh")]
    said = ["No idea.", "[Fly()] I fly.", "I see.", "好" * 201]
    predictions = [{"said": each} for each in said]
    predictions[3] = {"said": said[3], "cut": True}
    quality = measure_answers(rows, predictions)
    assert quality.in_language == Share(3, 4)
    assert quality.without_brackets == Share(3, 4)
    assert quality.without_loops == Share(3, 4)
    assert quality.of_sane_length == Share(3, 4)
    assert quality.ended == Share(3, 4)
    assert quality.different == Share(4, 4)
    assert quality.median_characters == 8


def test_an_empty_answer_is_of_no_sane_length() -> None:
    assert measure_answers([question("zh")], [{"said": ""}]).of_sane_length == Share(0, 1)
