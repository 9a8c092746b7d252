"""Emphasis that misleads the models, taken away before anything is read: "right now", "siiit", 起——立.

"Make a U-turn right now" was a right turn to them. `right` stays wherever it may be the side.
"""

import re
from collections.abc import Callable, Iterable
from itertools import product

_SIDES = (
    "turn go face look head rotate spin pivot swing step move veer swivel bear lean tilt roll hang make take a the to "
    "your ur my his her its our their hard left or and all is are was that's it's 's degrees degree deg quarter sharp slightly further "
    "more far next first second straight"
)
"""Words before a `right` that may mean the side, or something else than a hurry."""
_TURNED = re.compile(
    r"(?!(?:180|360)\b)\d+°?|°|(?:twen|thir|for|four|fif|six|seven|eigh|nine)ty(?:[ -]?five)?|hundred",
    re.IGNORECASE,
)
"""How far: "90° right now" is a turn to the right; half and whole turns have no side."""
_RIGHT = re.compile(
    r"(?:(?P<before>[a-z]+ty five|[a-z0-9'’°-]+)(?P<gap>[\s,.!?;:…]*))?\bright (?:(?P<away>away\b)|(?=(?:now|here|there|this|where|next to|beside|behind|"
    r"in front|over (?:here|there)|on the spot)\b))",
    re.IGNORECASE,
)
_DRAWN_OUT = re.compile(r"[a-z]*([a-z])\1\1[a-z]*", re.IGNORECASE)
_DRAWN_OUT_HAN = re.compile(r"(?<=[\u3400-\u9fff])[—~～]+(?=[\u3400-\u9fff])")
"""起——立: a drill order, or a child that calls."""
_RUN = re.compile(r"([a-z])\1\1+", re.IGNORECASE)
MOST_RUNS = 4


def without_emphasis(text: str, count: Callable[[str], int]) -> str:
    """Return `text` with drawn-out words as they are written, and no `right` that only hurries.

    count: how often a word in small letters is said, 0 for none.
    """
    short = _DRAWN_OUT.sub(
        lambda found: _shorten(found.group(), count), _DRAWN_OUT_HAN.sub("", text)
    )
    return _RIGHT.sub(_calm, short)


def _calm(found: re.Match[str]) -> str:
    before, gap = found["before"] or "", found["gap"] or ""
    is_side = _TURNED.fullmatch(before) or before.lower().replace("’", "'") in _SIDES.split()
    if is_side and not re.search(r"[,.!?;:…]", gap):
        return found.group()
    return before + gap + ("now" if found["away"] else "")


def _shorten(written: str, count: Callable[[str], int]) -> str:
    """Return the word with each run of three and more letters as one or two, as is said oftenest; else as written."""
    runs = len(_RUN.findall(written))
    if runs > MOST_RUNS:
        return written
    words = [_with_runs(written, lengths) for lengths in product((1, 2), repeat=runs)]
    likeliest = max(words, key=lambda word: count(word.lower()))
    return likeliest if len(likeliest) > 1 and count(likeliest.lower()) else written


def _with_runs(written: str, lengths: Iterable[int]) -> str:
    left = iter(lengths)
    return _RUN.sub(lambda run: run.group(1) * next(left), written)
