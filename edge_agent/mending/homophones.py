"""Mending Chinese by sound: Whisper hears the syllables and writes other characters that sound alike.

Of all ways to write each of a recogniser's readings with characters that sound the same or nearly so, the
one is taken that is likeliest among what people say to a dog (`character_model.py`): a noisy channel,
searched by beams. The surer the recogniser is, the more a character has to be worth.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import inf

import numpy as np
from numpy.typing import NDArray

from edge_agent.mending.character_model import (
    END,
    START,
    UNIT,
    WORD,
    CharacterModel,
    Numbers,
    count_trigrams,
    read_counts,
    symbols,
)
from edge_agent.mending.chinese_words import in_words, is_only_a_verb
from edge_agent.reflex import syllables
from edge_agent.speech.recognizer import Reading
from shared.skills import SKILLS

MODEL_WEIGHT = 0.4
READING_WEIGHT = 0.5
SYMBOL_BONUS = 3.0
"""How the model's, the reading's and each symbol's own part weigh; chosen with the prices below for the fewest wrong
characters in 718 recordings of the validation and calibration rows (docs/speech.md)."""
SAME_SOUND, OTHER_TONE, NEAR_SOUND = 1.0, 1.5, 4.0
"""What another character costs, in nats, by how it sounds beside the written one."""
DOUBTED, CERTAIN = -0.4, -0.1
"""Mean log-probabilities a token: up to the first of the best reading the prices stand, from the second on
they are threefold."""
UNTOLD = 2.0
"""The prices' factor where a back end tells no probability."""
SURE_WORD = 1.0
"""What leaving a word of `chinese_words.py` costs beside, times how far the factor is above 1: a word that was heard
badly is as doubtful as anything; one that somebody typed stays."""
MARGIN = 1.0
"""How much less likely than the best a reading may be, in log-probability a token."""
BEAMS = 12

_NAMES = tuple(each.chinese for each in SKILLS if len(each.chinese) >= 3)
_LOST_IN_SPEECH = re.compile("(?<=^[zcs])h|(?<=[aei]n)g$")
"""What recognisers and speakers of the south do not tell apart: zh and z, ing and in, and their like."""


@dataclass(frozen=True)
class _Beam:
    score: float
    written: tuple[int, ...]
    """Numbers of the symbols so far, two STARTs first."""


class Mender:
    """Writes Chinese readings anew. `more`: utterances that people say, beside the training rows.

    `open` reads the counts and every character's sounds, which takes about a second.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = tuple(more)
        self._model: CharacterModel | None = None
        self._alike: dict[str, list[str]] = {}
        self._known_options: dict[str, tuple[Numbers, NDArray[np.float64]]] = {}

    def open(self) -> None:
        """Load what is needed, once."""
        if self._model is not None:
            return
        model = CharacterModel(chain(read_counts(), count_trigrams(self._more).items()))
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for symbol in model.known:
            for sound in _fold(symbol):
                alike[sound].append(symbol)
        self._model, self._alike = model, dict(alike)

    def mend(self, text: str, readings: Sequence[Reading] = ()) -> str:
        """Return the likeliest writing of the readings, or of `text` where there are none.

        Marks and words that are not Chinese stay as they are written.
        """
        if not _has_chinese(text):
            return text
        chinese = [each for each in readings if _has_chinese(each.text)]
        if not chinese:
            return self._mend_written(text)
        best = max(each.score for each in chinese)
        surety = (best - DOUBTED) / (CERTAIN - DOUBTED)
        factor = 1 + 2 * min(1.0, max(0.0, surety))
        mended = []
        for reading in chinese:
            if reading.score >= best - MARGIN:
                words = in_words(reading.text)
                leaving = SURE_WORD * (factor - 1)
                written, score = self._rewrite(reading.text, factor, words, leaving)
                score += READING_WEIGHT * reading.log_probability
                mended.append((score + SYMBOL_BONUS * len(symbols(reading.text)), written))
        return max(mended)[1]

    def _mend_written(self, text: str) -> str:
        """Return the likeliest writing of what somebody typed: words stay, but where a skill's long name comes out."""
        if is_only_a_verb(text):
            return text
        mended, _ = self._rewrite(text, UNTOLD)
        kept = in_words(text) - _named(symbols(mended))
        return self._rewrite(text, UNTOLD, kept)[0] if mended != text else text

    def _rewrite(
        self, text: str, factor: float, words: Set[int] = frozenset(), leaving: float = inf
    ) -> tuple[str, float]:
        """Return the likeliest writing of one text, and its score; another symbol at one of `words` costs `leaving` more."""
        self.open()
        assert self._model is not None
        model = self._model
        start = model.number(START)
        said = symbols(text)
        beams = [_Beam(0.0, (start, start))]
        for at, symbol in enumerate(said):
            numbers, prices = self._options(model, symbol)
            prices = factor * prices
            if at in words:
                prices[1:] += leaving
            beams = _extend(model, beams, numbers, prices)
        best = _extend(model, beams, np.array([model.number(END)]), np.zeros(1))[0]
        named = [
            model.known[number] if number < len(model.known) else symbol
            for number, symbol in zip(best.written[2:-1], said, strict=True)
        ]
        return _put_back(text, named), best.score

    def _options(self, model: CharacterModel, symbol: str) -> tuple[Numbers, NDArray[np.float64]]:
        """Return the numbers of what may stand for a symbol, itself first, and what each costs; once found, kept."""
        if symbol not in self._known_options:
            others = {each for sound in _fold(symbol) for each in self._alike.get(sound, ())}
            characters = sorted(others - {symbol})
            numbers = np.array([model.number(each) for each in (symbol, *characters)])
            prices = np.array([0.0, *(_price(symbol, each) for each in characters)])
            self._known_options[symbol] = numbers, prices
        return self._known_options[symbol]


def _extend(
    model: CharacterModel, beams: Sequence[_Beam], numbers: Numbers, prices: NDArray[np.float64]
) -> list[_Beam]:
    """Return the best beams after one symbol more, best first; of those that end alike the best alone."""
    first, second = (np.array([beam.written[at] for beam in beams]) for at in (-2, -1))
    scores = np.array([beam.score for beam in beams])[:, None] - prices
    scores = scores + MODEL_WEIGHT * model.log_probability(first, second, numbers)
    found: dict[tuple[int, int], _Beam] = {}
    for at in np.argsort(-scores, axis=None, kind="stable"):
        row, column = divmod(int(at), len(numbers))
        ending = (int(second[row]), int(numbers[column]))
        if ending not in found:
            written = (*beams[row].written, ending[1])
            found[ending] = _Beam(float(scores[row, column]), written)
            if len(found) == BEAMS:
                break
    return list(found.values())


def _put_back(text: str, named: Sequence[str]) -> str:
    """Return `text` with its Chinese characters replaced in turn, all else as it is written."""
    spots = list(UNIT.finditer(text))
    if len(spots) != len(named):  # a ligature or the like was read as several symbols
        return text
    pieces, end = [], 0
    for spot, symbol in zip(spots, named, strict=True):
        pieces += [text[end : spot.start()], spot.group() if symbol == WORD else symbol]
        end = spot.end()
    return "".join([*pieces, text[end:]])


def _named(written: Sequence[str]) -> set[int]:
    """Return which symbols are part of a skill's name of three characters or more."""
    text = "".join(written)
    spots = (found.span() for name in _NAMES for found in re.finditer(name, text))
    return {at for start, end in spots for at in range(start, end)}


def _has_chinese(text: str) -> bool:
    return any(symbol != WORD for symbol in symbols(text))


@lru_cache(maxsize=8192)
def _toned(symbol: str) -> frozenset[str]:
    """Return every way to say a Chinese character, with its tone."""
    from pypinyin import Style, pinyin  # here, since its tables take 0.3 s to load

    found = pinyin(symbol, style=Style.TONE3, heteronym=True, errors="ignore")
    return frozenset(found[0] if found else ())


def _price(written: str, meant: str) -> float:
    if _toned(written) & _toned(meant):
        return SAME_SOUND
    return OTHER_TONE if syllables(written) & syllables(meant) else NEAR_SOUND


def _fold(symbol: str) -> set[str]:
    """Return every way to say a Chinese character, near sounds as one; nothing for another symbol."""
    return {_LOST_IN_SPEECH.sub("", sound) for sound in syllables(symbol)}
