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
        return _WORD.sub(lambda found: self._spell(found.group()), text)

    def count(self, word: str) -> int:
        """Return how often a word in small letters is said to dogs, 1 where it is English at all, else 0."""
        return int(self._loaded().words.get(word, word in self._english))

    def _loaded(self) -> SymSpell:
        self.open()
        assert self._words is not None
        return self._words

    def _spell(self, written: str) -> str:
        word = _plain(written)
        if len(word) < SHORTEST or self.count(word):
            return written
        return str(self._loaded().lookup_compound(word, MOST_EDITS)[0].term)


def _read_english() -> frozenset[str]:
    lines = files("symspellpy").joinpath(DICTIONARY).read_text(encoding="utf-8-sig").splitlines()
    return frozenset(line.split()[0] for line in lines if line)


def _plain(word: str) -> str:
    return word.lower().replace("’", "'")
