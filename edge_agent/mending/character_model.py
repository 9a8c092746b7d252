"""What people say to the dog in Chinese, as a model of characters: how likely one is after two others.

An interpolated trigram model (Witten and Bell 1991, method C). Its counts are those of the training rows
(`characters.txt`, written by datasets/count_writing.py) and of the taught skills' utterances.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COUNTS = Path(__file__).parent / "characters.txt"
START, END, WORD = "<", ">", "A"
"""Before an utterance's first symbol; after its last; any word that is not Chinese."""

UNIT = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[\u3400-\u4dbf\u4e00-\u9fff]", re.IGNORECASE)
_FOLLOWER = re.compile(r"(\D)(\d*)")
_UNSEEN = 4000
"""So many characters may come that no row holds, each as likely as a tenth of one seen once."""

Numbers = NDArray[np.int64]
_COUNTED = np.dtype([("symbols", "U3"), ("count", np.int64)])


def symbols(text: str) -> list[str]:
    """Return an utterance's characters and words as symbols."""
    found = UNIT.findall(unicodedata.normalize("NFKC", text))
    return [WORD if unit[0] < "\u3400" else unit for unit in found]


def count_trigrams(texts: Iterable[str]) -> Counter[str]:
    """Return how often each three symbols stand in a row, with START twice before and END after an utterance."""
    counts: Counter[str] = Counter()
    for text in texts:
        padded = "".join([START, START, *symbols(text), END])
        counts.update(padded[at : at + 3] for at in range(len(padded) - 2))
    return counts


def write_counts(counts: Counter[str], path: Path) -> None:
    """Write a line for each two symbols: them, and every follower with its count where that is not 1."""
    with path.open("w", encoding="utf-8") as file:
        for before, group in groupby(sorted(counts), key=lambda trigram: trigram[:2]):
            followers = ((each[2], counts[each]) for each in group)
            said = "".join(f"{symbol}{'' if count == 1 else count}" for symbol, count in followers)
            file.write(f"{before}{said}\n")


def read_counts(path: Path = COUNTS) -> Iterator[tuple[str, int]]:
    """Yield what `write_counts` wrote: three symbols, and how often."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            for symbol, count in _FOLLOWER.findall(line[2:].rstrip("\n")):
                yield line[:2] + symbol, int(count or 1)


class CharacterModel:
    """Symbols by number (`number`), and log-probabilities of many at once.

    counts: three symbols and how often; what comes twice is added up.
    """

    def __init__(self, counts: Iterable[tuple[str, int]]) -> None:
        counted = np.fromiter(counts, _COUNTED)  # as an array: a dictionary would take 70 MB
        codes = counted["symbols"].copy().view(np.uint32).reshape(-1, 3)
        known, trigrams = np.unique(codes, return_inverse=True)
        trigrams, seen = trigrams.reshape(-1, 3).astype(np.int64), counted["count"]
        self.known = [chr(code) for code in known]
        self._numbers = {symbol: number for number, symbol in enumerate(self.known)}
        self._size = len(self.known) + 1  # the last stands for every other symbol
        self._after_two = _Followers(
            self._pair(trigrams[:, 0], trigrams[:, 1]), trigrams[:, 2], seen, self._size
        )
        self._after_one = _Followers(trigrams[:, 1], trigrams[:, 2], seen, self._size)
        alone = np.bincount(trigrams[:, 2], seen, self._size)
        self._alone = (alone + 0.1) / (alone.sum() + 0.1 * (self._size + _UNSEEN))

    def number(self, symbol: str) -> int:
        """Return a symbol's number; all that are not known share one."""
        return self._numbers.get(symbol, self._size - 1)

    def log_probability(
        self, first: Numbers, second: Numbers, after: Numbers
    ) -> NDArray[np.float64]:
        """Return [n, m], ln P(after[m] | first[n], second[n])."""
        chances = np.broadcast_to(self._alone[after], (len(second), len(after)))
        chances = self._after_one.weigh(second, after, chances)
        return np.log(self._after_two.weigh(self._pair(first, second), after, chances))

    def _pair(self, first: Numbers, second: Numbers) -> Numbers:
        return first * self._size + second


class _Followers:
    """How often which symbols follow a context, and how far that is to be believed."""

    def __init__(self, contexts: Numbers, after: Numbers, seen: Numbers, size: int) -> None:
        self._size = size
        self._keys, places = np.unique(contexts * size + after, return_inverse=True)
        self._counts = np.bincount(places, seen.astype(np.float64))
        self._contexts, owners = np.unique(self._keys // size, return_inverse=True)
        self._totals = np.bincount(owners, self._counts)
        self._kinds = np.bincount(owners).astype(np.float64)

    def weigh(
        self, contexts: Numbers, after: Numbers, shorter: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return [n, m], (count + kinds · shorter) / (total + kinds); `shorter` where the context is new."""
        totals = _look_up(self._contexts, self._totals, contexts)[:, None]
        kinds = _look_up(self._contexts, self._kinds, contexts)[:, None]
        counts = _look_up(self._keys, self._counts, contexts[:, None] * self._size + after)
        return np.where(
            kinds > 0, (counts + kinds * shorter) / np.maximum(totals + kinds, 1), shorter
        )


def _look_up(keys: Numbers, values: NDArray[Any], wanted: Numbers) -> NDArray[np.float64]:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0.0)
