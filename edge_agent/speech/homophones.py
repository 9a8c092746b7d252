"""Mending Chinese commands of which a recogniser wrote other characters of the same sound.

Only StopMove (whose sounds `reflex.py` knows) and the skills of tier 1 are mended into, never Damp:
what is mended wrongly must not go soft, walk or jump. The whole utterance, wake words and courtesies
aside, has to sound like one short command to the last syllable.
"""

from collections.abc import Iterator
from itertools import product

from edge_agent.reflex import Units, cut_units, read_phrases, syllables
from shared.skills import Tier, skill

COMMANDS: dict[str, str] = {
    "BalanceStand": "平衡站立 | 保持平衡 | 站稳 | 站好",
    "StandUp": "站起来 | 起立 | 站立 | 起来 | 起身",
    "StandDown": "趴下 | 趴下来 | 卧倒 | 卧下 | 趴着",
    "RecoveryStand": "恢复站立 | 恢复姿势 | 摔倒了起来 | 恢复",
    "Sit": "坐下 | 坐下来 | 坐好 | 坐着",
    "RiseSit": "从坐姿起身 | 坐姿起身 | 从坐姿站起来 | 从坐着站起来",
    "Stretch": "伸懒腰 | 伸个懒腰 | 伸展 | 拉伸",
    "Scrape": "作揖 | 作个揖 | 拱拱手 | 刨爪 | 抱拳",
    "WiggleHips": "扭屁股 | 扭扭屁股 | 摇屁股 | 扭一扭屁股",
    "SayHello": "打招呼 | 打个招呼 | 握手 | 握个手 | 招手 | 挥挥手",
    "DrawHeart": "比心 | 比个心 | 画爱心 | 画个爱心",
    "BalanceAttitude": "姿态平衡 | 调整姿态 | 姿态控制 | 姿态演示",
    "HappyNewYear": "拜年 | 拜个年 | 新年快乐 | 恭喜发财",
    "ShakeBody": "抖身体 | 抖一抖 | 抖抖身体 | 甩一甩",
    "Bark": "叫两声 | 叫一声 | 汪汪叫 | 学狗叫",
}
"""Common short commands in their right characters."""

REAL_WORDS = """
期来 | 其来 | 齐来 | 回复 | 拉绳 | 伸斩 | 打找 | 我手 | 百年 | 交两声 | 叫两生 | 奇迹 | 气力 | 弃离 | 企立 |
战力 | 占理 | 展厅 | 站着 | 佐证 | 做证 | 作证 | 做着 | 做好 | 作者 | 弄好 | 战绩 | 甚至 | 比新 | 比信 | 起来了 |
沃尔玛 | 新年快了 | 起伸 | 启程 | 收手 | 找手 | 招收 | 找首 | 做了 | 气来 | 七来 | 骑来 | 奇身 | 其身 | 欺身
"""
"""Words of their own that sound like a command, or nearly: they stay what they are."""

COURTESY = """
狗哥 | 狗狗 | 小狗 | 机器狗 | 狗 | 哥 | 嘿 | 喂 | 你好 | 请 | 请你 | 麻烦 | 麻烦你 | 帮我 | 给我 | 快 | 快点 | 现在 | 来 | 你 |
吧 | 啊 | 呀 | 啦 | 了 | 哦 | 呗 | 嘛 | 一下 | 好吗 | 可以吗 | 谢谢
"""
WAKE = "狗哥"
MAX_UNITS = 16
"""A longer utterance is no short command."""
_WAKE_SOUND = ("gou", "ge")
_LONGEST_COURTESY = 3
_SHORTEST = 2

_NEAR = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ing", "in"), ("eng", "en"), ("ang", "an"))
"""Sounds that recognisers and speakers of the south hold for one."""

_COURTESY = read_phrases(COURTESY)
_REAL = read_phrases(REAL_WORDS)
Sounds = tuple[str, ...]


def mend(text: str) -> str:
    """Return `text`, or what it sounds like where that is a command of tier 1 in other characters."""
    units = cut_units(text)
    if not 0 < len(units) <= MAX_UNITS or any(len(unit) != 1 or unit.isascii() for unit in units):
        return text
    splits = _splits(units)
    if any(core in _KNOWN or core in _REAL for _, core, _ in splits):
        return text
    for lead, core, tail in splits:
        command = next((_BY_SOUND[sound] for sound in _sounds(core) if sound in _BY_SOUND), None)
        if command is not None:
            before = "".join(lead) + "，" if lead else ""
            return f"{before}{''.join(command)}{''.join(tail)}"
    return text


def _splits(units: Units) -> list[tuple[Units, Units, Units]]:
    """Return the ways to take courtesies off both ends, the longest core first.

    A wake phrase that was misspelt comes right.
    """
    leads: dict[int, Units] = {0: ()}
    if len(units) > 2 and all(
        sound in syllables(unit) for sound, unit in zip(_WAKE_SOUND, units[:2], strict=True)
    ):
        leads = {2: (WAKE,)}
    tails = {len(units)}
    for start in range(len(units)):
        for end in range(start + 1, min(start + _LONGEST_COURTESY, len(units)) + 1):
            if start in leads and units[start:end] in _COURTESY:
                leads.setdefault(end, (*leads[start], "".join(units[start:end])))
    for end in range(len(units), 0, -1):
        for start in range(max(0, end - _LONGEST_COURTESY), end):
            if end in tails and units[start:end] in _COURTESY:
                tails.add(start)
    found = {
        (lead, units[start:end], units[end:])
        for start, lead in leads.items()
        for end in tails
        if _SHORTEST <= end - start <= _LONGEST
    }
    return sorted(found, key=lambda split: (-len(split[1]), split))


def _sounds(units: Units) -> Iterator[Sounds]:
    """Yield every way to read the characters, near sounds folded."""
    readings = [sorted({_fold(sound) for sound in syllables(unit)}) for unit in units]
    return product(*readings) if len(units) <= _LONGEST else iter(())


def _fold(sound: str) -> str:
    for written, meant in _NEAR:
        if written in ("zh", "ch", "sh"):
            sound = meant + sound[2:] if sound.startswith(written) else sound
        elif sound.endswith(written):
            sound = sound[: -len(written)] + meant
    return sound


def _index() -> dict[Sounds, Units]:
    index: dict[Sounds, Units] = {}
    for name, phrases in COMMANDS.items():
        assert skill(name).tier is Tier.IN_PLACE, name
        for phrase in sorted(read_phrases(phrases)):
            for sound in _sounds(phrase):
                index.setdefault(sound, phrase)
    return index


_KNOWN = frozenset(phrase for phrases in COMMANDS.values() for phrase in read_phrases(phrases))
_LONGEST = max(len(phrase) for phrase in _KNOWN)
_BY_SOUND: dict[Sounds, Units] = {}


def warm_up() -> None:
    """Read the commands' sounds, which takes some tenths of a second once."""
    if not _BY_SOUND:
        _BY_SOUND.update(_index())
