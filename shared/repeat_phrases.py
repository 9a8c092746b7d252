"""Whether an utterance, as a whole, asks to do the last thing again: the edge defers it, the cloud knows what."""

import re
import unicodedata
from functools import lru_cache

from shared.text import clean_utterance

REPEAT_ENGLISH = """
again | do it again | do that again | do this again | do so again | and again | one more |
one more time | once more | once again | do it once more | do that once more | do it one more time |
do that one more time | do it once again | do the same | do the same again | the same again |
same again | do the same thing | do the same thing again | same thing again | do the last thing again |
do the last one again | do the last trick again | do your last trick again | do what you just did |
do what you just did again | repeat | repeat it | repeat that | repeat the last one |
repeat the last thing | repeat the last trick | repeat the last action | repeat the last command |
repeat what you just did | encore
"""
REPEAT_CHINESE = """
再来 | 再来一次 | 再来一遍 | 再来一回 | 再来一个 | 再来一下 | 再做 | 再做一次 | 再做一遍 | 再做一回 |
再做一下 | 再一次 | 再一遍 | 再次 | 又来一次 | 重来 | 重来一次 | 重来一遍 | 重做 | 重做一次 |
重做一遍 | 重复 | 重复一次 | 重复一遍 | 重复一下 | 重复刚才的动作 | 重复上一个动作 |
再做一次刚才的动作 | 再做一遍刚才的动作 | 再来一次刚才的动作 | 再来一遍刚才的动作 |
刚才的再来一次 | 刚才的再来一遍 | 刚才那个再来一次 | 刚才那个再来一遍 | 刚才的动作再来一次 |
刚才的动作再来一遍 | 刚才的动作再做一次 | 刚才的动作再做一遍 | 同样的再来一次 | 同样的动作再来一次 |
同样的动作再做一遍 | 上一个动作再来一次 | 上一个动作再做一遍
"""
COURTESY = """
hey | hi | hello | ok | okay | yo | oh | well | and | now | right | alright | dog | doggy | doggie |
doger | roger | boy | girl | buddy | robot | robot dog | good boy | good girl | good dog | shadowdog |
shadow dog | go2 | go 2 | please | pls | just | can you | could you | would you | will you | you |
lets | let us | come on | thanks | thank you | for me | for us | nice | great | cool |
狗 | 狗哥 | 狗狗 | 小狗 | 机器狗 | 机器人 | 哥 | 嘿 | 喂 | 哎 | 诶 | 你好 | 好 | 好的 | 很好 | 真棒 | 请 | 麻烦 |
拜托 | 帮我 | 给我 | 给我们 | 快 | 现在 | 那就 | 就 | 你 | 您 | 能 | 能不能 | 可以 | 可不可以 | 吧 | 啊 | 呀 | 啦 |
了 | 哦 | 呢 | 嘛 | 哈 | 吗 | 好吗 | 好不好 | 行吗 | 可以吗 | 谢谢 | 谢谢你
"""
"""Wake words and politeness that may stand around a repeat phrase and change nothing."""

_TRADITIONAL = str.maketrans(
    "來個復複剛動請謝嗎給們機麼樣現過煩託誒遍", "来个复复刚动请谢吗给们机么样现过烦托诶遍"
)
_UNIT = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_APOSTROPHES = re.compile(r"['’‘`´]")
MAX_UNITS = 24

Units = tuple[str, ...]


def _phrases(table: str) -> frozenset[Units]:
    return frozenset(tuple(_UNIT.findall(phrase)) for phrase in table.split("|"))


_REPEAT = _phrases(REPEAT_ENGLISH) | _phrases(REPEAT_CHINESE)
_COURTESY = _phrases(COURTESY)


def is_repeat(text: str) -> bool:
    """Return whether `text` is a repeat phrase and nothing else, courtesies at both ends aside."""
    folded = unicodedata.normalize("NFKC", clean_utterance(text)).casefold()
    units = tuple(_UNIT.findall(_APOSTROPHES.sub("", folded.translate(_TRADITIONAL))))
    if len(units) > MAX_UNITS:
        return False
    return not splits_off(units, _COURTESY, MAX_UNITS).isdisjoint(_REPEAT)


def splits_off(units: Units, courtesies: frozenset[Units], longest: int) -> set[Units]:
    """Return every rest of `units`, of `longest` at most, after whole courtesies at both ends."""
    ends = {len(units) - tail for tail in _reach(units[::-1], _backwards(courtesies))}
    return {
        units[head:end]
        for head in _reach(units, courtesies)
        for end in range(head + 1, head + longest + 1)
        if end in ends
    }


@lru_cache(maxsize=8)
def _backwards(phrases: frozenset[Units]) -> frozenset[Units]:
    return frozenset(phrase[::-1] for phrase in phrases)


def _reach(units: Units, courtesies: frozenset[Units]) -> list[int]:
    """Return how many units from the start can be split off as whole courtesies."""
    longest = max(len(phrase) for phrase in courtesies)
    reached = [True] + [False] * len(units)
    for end in range(1, len(units) + 1):
        starts = range(max(0, end - longest), end)
        reached[end] = any(reached[start] and units[start:end] in courtesies for start in starts)
    return [position for position, value in enumerate(reached) if value]
