"""Cleaning of what people type or a recogniser heard, and a guess of its language."""

import re
import unicodedata
from typing import Literal

Language = Literal["en", "zh", "other"]

MAX_UTTERANCE_CHARACTERS = 400
"""Longer utterances are cut to their last characters: a spoken command is short."""

_UNREADABLE = ("Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp")
_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HAN = r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_MARKS = r"[，。！？、；：…～~!?,.]"
_CJK = re.compile(_HAN)
_LATIN = re.compile(r"[A-Za-z]")
_WIDE = {
    wide: wide - 0xFEE0
    for first, last in ("０９", "ＡＺ", "ａｚ")
    for wide in range(ord(first), ord(last) + 1)
}
"""Full-width digits and letters and the ordinary ones."""
_APART = re.compile(rf"(?<!\S){_HAN}{_MARKS}*(?: {_MARKS}+| {_HAN}{_MARKS}*){{2,}}(?!\S)")
"""Three and more Chinese characters with a space between each, as some recognisers of speech write."""
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


def encodable(text: str) -> str:
    """Return `text` as UTF-8 can carry it: a lone surrogate, from JSON or a command line, becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def clean_utterance(text: str, most: int | None = MAX_UTTERANCE_CHARACTERS) -> str:
    """Return `text` as the models read it: no control characters or lone surrogates, single spaces.

    Full-width letters and digits become ordinary ones, Chinese whose every character stands apart is
    joined, and English all in capitals becomes small: the models have hardly seen such writing. The last
    `most` characters are kept, all where it is None; nothing else is changed, so case, punctuation and
    traditional characters reach the model as they were said.
    """
    raw, end = (0, 0) if most is None else (-4 * most, -most)
    kept = _without_controls(text[raw:]).translate(_WIDE)
    cut = " ".join(kept.split())[end:].strip()
    joined = _APART.sub(lambda apart: apart.group().replace(" ", ""), cut)
    small = joined.lower() if joined.isupper() and guess_language(joined) == "en" else joined
    return small[end:].strip()


def clean_lines(text: str) -> str:
    """Return a longer text as the models read it: like an utterance, but uncut and with its lines."""
    lines = (_without_controls(line).rstrip() for line in text.splitlines())
    return "\n".join(lines).strip()


def clean_answer(text: str) -> str:
    """Return an answer as it may be shown and spoken: its lines, without what steers a terminal or page.

    Control characters and marks that turn the direction of text go; emoji and their joiners stay.
    """
    kept = (
        character
        for character in text
        if character in "\n\t"
        or (
            unicodedata.category(character) not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
            and character not in _DIRECTIONS
        )
    )
    return "".join(kept).strip()


def _without_controls(text: str) -> str:
    return "".join(
        " " if unicodedata.category(character) in _UNREADABLE else character for character in text
    )


def guess_language(text: str) -> Language:
    """Return "zh" where a Chinese character stands in `text`, "en" for Latin letters, else "other"."""
    if _CJK.search(text):
        return "zh"
    if _LATIN.search(text):
        return "en"
    return "other"


def guess_main_language(text: str) -> Language:
    """Return the language that most of `text` is in: single words of the other one may be quoted."""
    guess = guess_language(text)
    return "en" if guess == "zh" and not is_answer_in("zh", text) else guess


def is_answer_in(language: str, text: str) -> bool:
    """Return whether an answer is in the language "en" or "zh": single words of another may be quoted.

    A text without letters ("37") is in any language.
    """
    chinese, latin = len(_CJK.findall(text)), len(_LATIN_WORD.findall(text))
    return chinese >= latin if language == "zh" else latin >= chinese
