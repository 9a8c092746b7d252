"""Chinese words that say something by themselves, so that none is taken for another one of the same sound.

Two characters each and the verbs of one (`chinese_words.txt`, written by datasets/list_chinese_words.py from jieba's dictionary).
"""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from edge_agent.mending.character_model import UNIT
from edge_agent.reflex import COURTESY, cut_units, read_phrases
from shared.repeat_phrases import splits_off

WORDS = Path(__file__).parent / "chinese_words.txt"
VERBS = "V"
"""What the line of the verbs begins with; every other line is a first character and all that may be the second."""

_COURTESY = read_phrases(COURTESY)
_FORMS = ("{0}", "{0}{0}", "{0}一{0}", "{0}了{0}")
_LONGEST_FORM = 3


def write_words(words: Iterable[str], verbs: Iterable[str], path: Path) -> None:
    """Write a line of the verbs, then one for each first character."""
    seconds: dict[str, set[str]] = {VERBS: set(verbs)}
    for word in words:
        seconds.setdefault(word[0], set()).add(word[1])
    lines = (f"{first}{''.join(sorted(after))}\n" for first, after in sorted(seconds.items()))
    path.write_text("".join(lines), encoding="utf-8")


@lru_cache(maxsize=1)
def read_words(path: Path = WORDS) -> Mapping[str, str]:
    """Return for each first character every second one, and the verbs for VERBS."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line[0]: line[1:] for line in lines}


def in_words(text: str) -> set[int]:
    """Return which of a text's symbols (`character_model.symbols`) are part of a word of two, no mark within."""
    words, found = read_words(), set()
    spots = list(UNIT.finditer(unicodedata.normalize("NFKC", text)))
    for at in range(1, len(spots)):
        first, second = spots[at - 1], spots[at]
        if first.end() == second.start() and second.group() in words.get(first.group(), ""):
            found |= {at - 1, at}
    return found


def is_only_a_verb(text: str) -> bool:
    """Return whether a verb of one character is all that is said, courtesies aside: 教一下, 快做, 教一教."""
    verbs = read_words()[VERBS]
    return any(
        units[0] in verbs and "".join(units) in (form.format(units[0]) for form in _FORMS)
        for units in splits_off(cut_units(text), _COURTESY, _LONGEST_FORM)
    )
