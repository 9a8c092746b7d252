"""Mending English by its spelling: what is no English word becomes the likeliest one near it.

symspellpy finds that one, or the two that were written as one, among what people say to the dog: the words of the
training rows (`words.txt`, written by datasets/count_writing.py) and of the taught skills' utterances. A word of its own
dictionary of 82,765 is left alone, said to dogs or not: "slow your pace" is not to be "slow your face".
"""

import re
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from symspellpy import SymSpell

WORDS = Path(__file__).parent / "words.txt"
"""A word and how often it comes, a line each; none that comes once."""
DICTIONARY = "frequency_dictionary_en_82_765.txt"
MOST_EDITS = 2
"""So many letters may be left out, added, changed or swapped with the next."""
SHORTEST = 3
"""Words shorter than this are left alone: everything is near them."""
CARELESS_EDITS = 1
"""So many in each word may be amended where most of two words or more are unknown: "sti donw plaese" is English, with more it
is another language."""

_VOWEL = re.compile("[aeiouy]")
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*", re.IGNORECASE)


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how often each English word stands in the texts, in small letters."""
    return Counter(_plain(word) for text in texts for word in _WORD.findall(text))


class Speller:
    """Knows the words; `more`: utterances that people say, beside the training rows. `open` takes 0.1 s."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = tuple(more)
        self._words: SymSpell | None = None
        self._english: frozenset[str] = frozenset()

    def open(self) -> None:
        """Load the words, once."""
        if self._words is not None:
            return
        words = SymSpell(MOST_EDITS)
        words.load_dictionary(WORDS, 0, 1, encoding="utf-8")
        for word, count in count_words(self._more).items():
            words.create_dictionary_entry(word, count)
        self._words, self._english = words, _read_english()

    def mend(self, text: str) -> str:
        """Return `text` with its unknown English words as they were probably meant, all else as it is written."""
        if self._is_foreign(_WORD.findall(text)):
            return text
        return _WORD.sub(lambda found: self._spell(found.group())[0], text)

    def _is_foreign(self, words: list[str]) -> bool:
        """Return whether most of the words are unknown, and one of these is not even near a known one."""
        if len(words) < 2:
            return False
        unknown = [word for word in words if self._is_unknown(_plain(word))]
        return 2 * len(unknown) > len(words) and any(
            self._spell(word)[1] > CARELESS_EDITS for word in unknown
        )

    def count(self, word: str) -> int:
        """Return how often a word in small letters is said to dogs, 1 where it is English at all, else 0."""
        return int(self._loaded().words.get(word, word in self._english))

    def _loaded(self) -> SymSpell:
        self.open()
        assert self._words is not None
        return self._words

    def _is_unknown(self, word: str) -> bool:
        return len(word) >= SHORTEST and not self.count(word)

    def _spell(self, written: str) -> tuple[str, int]:
        """Return a word as it was probably meant, and how many letters that changes."""
        word = _plain(written)
        if not self._is_unknown(word):
            return written, 0
        likeliest = self._loaded().lookup_compound(word, MOST_EDITS)[0]
        if _is_other_vowel(word, likeliest.term):
            return written, 0
        return str(likeliest.term), int(likeliest.distance)


def _is_other_vowel(word: str, other: str) -> bool:
    """Return whether nothing differs but a and e as the first vowel, far apart on a keyboard: "tengo" is Spanish."""
    first = _VOWEL.search(word)
    if first is None or word == other or first.group() not in "ae":
        return False
    at = first.start()
    return (
        other[at : at + 1] in ("a", "e")
        and word[:at] + other[at : at + 1] + word[at + 1 :] == other
    )


def _read_english() -> frozenset[str]:
    lines = files("symspellpy").joinpath(DICTIONARY).read_text(encoding="utf-8-sig").splitlines()
    return frozenset(line.split()[0] for line in lines if line)


def _plain(word: str) -> str:
    return word.lower().replace("’", "'")
