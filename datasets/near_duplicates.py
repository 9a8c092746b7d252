"""Texts of several sides of a split that are nearly the same, by their letters or by their sound."""

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from pypinyin import lazy_pinyin

from shared.text import guess_language

Row = dict[str, Any]
Features = frozenset[Hashable]

NEAR = 0.7
"""Jaccard similarity of two texts' trigrams, or of their sounds' bigrams, from which they are near."""

ROUNDING = 1e-9


def essence(text: str) -> str:
    """Return letters and digits only, case folded; a typed tag counts as it is."""
    folded = unicodedata.normalize("NFKC", text).lower()
    if "()" in folded or "[" in folded:
        return folded
    return "".join(character for character in folded if character.isalnum())


def trigrams(text: str) -> Features:
    """Return the three-letter sequences of a text's essence."""
    short = essence(text)
    return frozenset(short[i : i + 3] for i in range(max(1, len(short) - 2)))


def sound_bigrams(text: str) -> Features:
    """Return the pairs of neighbouring toneless syllables of a Chinese text; nothing of another."""
    if guess_language(text) != "zh":
        return frozenset()
    syllables = " ".join(lazy_pinyin(essence(text))).split()
    return frozenset(tuple(syllables[i : i + 2]) for i in range(max(1, len(syllables) - 1)))


def near_pairs(
    sides: dict[str, list[Row]], make: Callable[[str], Features]
) -> Iterator[tuple[str, Row, str, Row]]:
    """Yield the pairs of rows of two sides with a Jaccard similarity of NEAR or more.

    With features in one order, rarest first, such sets share one of the first `len - NEAR * len + 1`
    of each (the prefix filter; Bayardo, Ma and Srikant 2007, Scaling Up All Pairs Similarity Search).
    """
    made = {side: [make(row["text"]) for row in rows] for side, rows in sides.items()}
    counts = Counter(each for sets in made.values() for features in sets for each in features)
    rank = {each: number for number, (each, _) in enumerate(reversed(counts.most_common()))}
    last = list(sides)[-1]
    held: list[tuple[str, Row, Features]] = []
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for side, rows in sides.items():
        mine = []
        for row, features in zip(rows, made[side], strict=True):
            count = len(features)
            least = math.ceil(NEAR * count - ROUNDING)
            first = sorted(features, key=rank.__getitem__)[: count - least + 1]
            for index in set().union(*(holders.get(each, ()) for each in first)):
                other_side, other, theirs = held[index]
                if least <= len(theirs) <= count / NEAR + ROUNDING:
                    shared = len(features & theirs)
                    if shared >= NEAR * (count + len(theirs) - shared) - ROUNDING:
                        yield other_side, other, side, row
            mine.append((first, row, features))
        for first, row, features in mine if side != last else ():
            for each in first:
                holders[each].append(len(held))
            held.append((side, row, features))
