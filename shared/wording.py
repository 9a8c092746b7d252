"""The wording of an utterance as keys: which letters, words and sounds stand in it, for the second reader.

Edge and training make the same keys of the same text. They are strings' CRC-32, which is fast, the same
on every machine, and needs no table of strings beside the weights.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from zlib import crc32

LONGEST_PIECE = 5
"""Letters in the longest piece; a space counts."""
LONGEST_PHRASE = 3
"""Words, or syllables, in the longest run."""
LONGEST_COUNTED = 40
"""Words beyond which an utterance is as long as any."""

_UNIT = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def wording_keys(text: str) -> list[int]:
    """Return the distinct keys of an utterance, those of its pieces, ascending: 32-bit numbers."""
    return sorted({piece_key(piece) for piece in wording_pieces(text)})


def piece_key(piece: str) -> int:
    """Return the number that stands for a piece."""
    return crc32(piece.encode())


def wording_pieces(text: str) -> set[str]:
    """Return what an utterance's wording is made of; a piece's first letter says of which kind it is.

    Case and marks make no difference. There are pieces of up to LONGEST_PIECE letters (c), runs of
    up to LONGEST_PHRASE words (w) and pairs with one word between them (k), the same runs of toneless
    syllables where there is Chinese (p), and the number of words (l); a Chinese character is a word.
    """
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return set(_pieces(_UNIT.findall(folded)))


def _pieces(units: Sequence[str]) -> Iterator[str]:
    spelled = _spell(units)
    for size in range(1, LONGEST_PIECE + 1):
        for start in range(len(spelled) - size + 1):
            yield "c" + spelled[start : start + size]
    framed = ["^", *units, "$"]
    yield from _runs("w", framed)
    yield from (f"k{first}_{third}" for first, third in zip(units, units[2:], strict=False))
    if any(_is_han(unit) for unit in units):
        yield from _runs("p", ["^", *map(_sound, units), "$"])
    yield f"l{min(LONGEST_COUNTED, len(units)) // 2}"


def _spell(units: Iterable[str]) -> str:
    """Return the words with a space around each, Chinese characters in one row."""
    rows = groupby(units, key=_is_han)
    return " " + "".join(("" if han else " ").join(row) + " " for han, row in rows)


def _runs(mark: str, words: Sequence[str]) -> Iterator[str]:
    for size in range(1, LONGEST_PHRASE + 1):
        for start in range(len(words) - size + 1):
            yield mark + " ".join(words[start : start + size])


def _is_han(unit: str) -> bool:
    return unit[0] > "\u33ff"


@lru_cache(maxsize=8192)
def _sound(unit: str) -> str:
    """Return a character's syllable without its tone, a word as it is."""
    if not _is_han(unit):
        return unit
    from pypinyin import lazy_pinyin  # here, since its tables take 0.3 s to load

    return str(lazy_pinyin(unit)[0])
