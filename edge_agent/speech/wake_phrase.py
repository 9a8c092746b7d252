"""The wake phrase, in English and Chinese, as a recogniser may have spelt it."""

from dataclasses import dataclass

from edge_agent.reflex import Units, cut_units, read_phrases

WAKE = """
hey dog | hi dog | hello dog | ok dog | okay dog | yo dog | hey doggy | hey doggie | hey doggo |
hey doger | hi doger | hello doger | doger | hey roger | hey dodger | hey robot | hey robot dog | robot dog | hey buddy |
hey boy | shadowdog | hey shadowdog | shadow dog | hey shadow dog | dog | doggy | doggie | doggo | good dog |
狗哥 | 嘿狗哥 | 狗狗 | 小狗 | 狗子 | 机器狗 | 机器小狗 | 大狗 | 嘿狗狗 | 你好狗哥 | 喂狗哥
"""
MISHEARD_ENGLISH = """
hey doug | hey dug | hey dawg | hey dogs | hey dock | hey duck | hey dogg | hey daug | a dog | hey don |
hey dodge | hey doja | hey doge | hey dogger
"""
"""What a recogniser writes for "hey dog" and "hey Doger"; they count at the start only."""
WAKE_SOUNDS = (("gou", "ge"), ("gou", "gou"), ("ji", "qi", "gou"), ("xiao", "gou"), ("gou", "zi"))
"""Toneless syllables of the Chinese phrases, however they were written."""
NEVER_BY_SOUND = """
句子 | 钩子 | 鉤子 | 勾子 | 沟子 | 溝子 | 购个 | 購个 | 够个 | 够格 | 够够 | 够资 | 够自 | 笑够 | 小沟 | 小溝
"""
"""Real words, or the beginning of one (够资格, 够自己), that only sound like a wake phrase: 句子太长了."""
COURTESY = (
    "嘿 | 喂 | 哎 | 诶 | 你好 | 啊 | 呀 | 请 | hey | hi | hello | ok | okay | please | um | uh | so"
)

_WAKE = read_phrases(WAKE)
_START_ONLY = read_phrases(MISHEARD_ENGLISH)
_NEVER = read_phrases(NEVER_BY_SOUND)
_COURTESY = read_phrases(COURTESY)
_LONGEST = max(len(phrase) for phrase in _WAKE | _START_ONLY)


@dataclass(frozen=True)
class WakePhrase:
    """A wake phrase that was found, and the units of the utterance beside it, courtesies aside."""

    phrase: Units
    rest: Units


def find_wake_phrase(text: str) -> WakePhrase | None:
    """Return the wake phrase at the start or the end of `text`, None where it has none."""
    units = cut_units(text)
    lead = _skip_courtesies(units)
    for length in range(min(_LONGEST, len(units) - lead), 0, -1):
        piece = units[lead : lead + length]
        if _wakes(piece) or piece in _START_ONLY:
            return WakePhrase(piece, _strip(units[lead + length :]))
    for start in (0, lead):  # "hey dog": the courtesy is part of the phrase
        for length in range(min(_LONGEST, len(units) - start), 0, -1):
            piece = units[start : start + length]
            if _wakes(piece) or piece in _START_ONLY:
                return WakePhrase(piece, _strip(units[start + length :]))
    for length in range(min(_LONGEST, len(units)), 0, -1):
        piece = units[len(units) - length :]
        if _wakes(piece):
            return WakePhrase(piece, _strip(units[: len(units) - length]))
    return None


def _wakes(piece: Units) -> bool:
    return piece in _WAKE or _sounds_like_it(piece)


def _sounds_like_it(piece: Units) -> bool:
    if not 2 <= len(piece) <= 3 or piece in _NEVER or any(len(unit) != 1 for unit in piece):
        return False
    from edge_agent.reflex import syllables

    readings = [syllables(unit) for unit in piece]
    return any(
        len(sounds) == len(readings)
        and all(sound in reading for sound, reading in zip(sounds, readings, strict=True))
        for sounds in WAKE_SOUNDS
    )


def _skip_courtesies(units: Units) -> int:
    lead = 0
    while lead < len(units):
        length = next(
            (n for n in (2, 1) if units[lead : lead + n] in _COURTESY and lead + n <= len(units)),
            None,
        )
        if length is None:
            break
        lead += length
    return lead


def _strip(units: Units) -> Units:
    start = _skip_courtesies(units)
    return units[start:]
