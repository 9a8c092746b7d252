"""The quality of answers to held-out questions, as far as code can tell it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud_server.evaluation.statistics import Share
from cloud_server.training.data import Row
from shared.tags import split_answer
from shared.text import is_answer_in

SANE_CHARACTERS = {"en": (2, 400), "zh": (1, 200)}
"""How short and how long a spoken answer may be."""

_BRACKET = re.compile(r"[\[\]【】]")
_LOOP = re.compile(r"(.{4,80}?)\1\1", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?。！？\n]+")


@dataclass(frozen=True)
class AnswerQuality:
    """Shares of answers that are as they should be; `exact`: different answers among all."""

    in_language: Share
    without_brackets: Share
    without_loops: Share
    of_sane_length: Share
    ended: Share
    different: Share
    median_characters: int


def loops(text: str) -> bool:
    """Return whether a text repeats a piece three times in a row, or a sentence three times."""
    if _LOOP.search(text):
        return True
    sentences = [each.strip().lower() for each in _SENTENCE_END.split(text) if each.strip()]
    return any(sentences.count(each) >= 3 for each in set(sentences))


def measure_answers(rows: Sequence[Row], predictions: Sequence[Mapping[str, Any]]) -> AnswerQuality:
    """Return the quality of what was said to requests; a leading tag is no part of the words."""
    pairs = list(zip(rows, predictions, strict=True))
    words = [split_answer(each["said"])[1] for _, each in pairs]
    lengths = sorted(map(len, words))
    return AnswerQuality(
        in_language=Share.of(
            [is_answer_in(row.lang, said) for row, said in zip(rows, words, strict=True)]
        ),
        without_brackets=Share.of([not _BRACKET.search(each["said"]) for _, each in pairs]),
        without_loops=Share.of([not loops(said) for said in words]),
        of_sane_length=Share.of(
            [_is_sane(row, said) for row, said in zip(rows, words, strict=True)]
        ),
        ended=Share.of([not each.get("cut") for _, each in pairs]),
        different=Share(len(set(words)), len(words)),
        median_characters=lengths[len(lengths) // 2] if lengths else 0,
    )


def _is_sane(row: Row, said: str) -> bool:
    least, most = SANE_CHARACTERS[row.lang]
    return least <= len(said) <= most
