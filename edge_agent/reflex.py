"""The model-free stop path: whether an utterance means stop, in English and Chinese, and nothing else.

An utterance is cut into units: a Latin word or one Chinese character each. When the dog is idle the
units must be stop phrases and courtesies to the last one; while it moves or speaks one stop phrase
anywhere is enough. Everything is linear in the utterance's length.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import product

from shared.repeat_phrases import splits_off
from shared.text import clean_utterance

Units = tuple[str, ...]

STOP_ENGLISH = """
stop | stop now | stop here | stop there | stop right there | stop right here | stop going | stop all motion |
stop all movement | stop doing that | all stop | emergency stop | e stop | estop | make it stop | come to a stop |
stopp | stahp | halt | halt there | freeze | freeze there | freeze right there | whoa | woah | whoa there | woah there |
hold | dont move | do not move | dont you move | dont move a muscle | do not move a muscle | dont you dare move |
no moving | hold it | hold it there | hold it right there | hold still | keep still | stay still | stand still |
be still | stay put | stay where you are | hold your position | hold position | cease | cease motion |
cease all motion | cease movement | cut it out | abort | pause | come to a halt | come to a standstill |
stay right there | stay right where you are | not another step | not one more step | dont take another step |
do not take another step | dont go anywhere | do not go anywhere | dont continue | do not continue |
dont continue this | dont continue that | no longer continue | discontinue
"""
STOP_CHINESE = """
停 | 停下 | 停下来 | 停住 | 停止 | 停一下 | 停一停 | 停停 | 停手 | 停步 | 停止移动 |
停止行动 | 停止一切动作 | 停止所有动作 | 动作停止 | 立停 | 叫停 | 急停 | 紧急停止 | 紧急停下 |
暂停 | 暂停一下 | 别动 | 别再动 | 别乱动 | 不许动 | 不许再动 | 不许乱动 | 不准动 |
不准再动 | 不要动 | 不要再动 | 不要乱动 | 勿动 | 莫动 | 甭动 | 别动弹 | 原地别动 |
原地不动 | 待着别动 | 呆着别动 | 站着别动 | 一动不动 | 站住 | 定住 | 住手 | 刹车 | 急刹车 |
快刹车 | 刹住 | 打住 | 收手
"""
"""Whole utterances of these, with courtesies around them, stop an idle dog too."""

ENDING = """
stop | quit | cease | end | halt | cancel | abort | interrupt | terminate | discontinue | pause | no more | enough | put an end to | put a stop to |
call off | break off | cut short
"""
BROUGHT = "to an end | to a halt | to a stop | to a close | to a standstill"
ENDED = """
moving | walking | running | turning | spinning | dancing | jumping | rolling | shaking | wiggling | stretching | performing |
moving around | running around | turning around | spinning around | circling | following | following me | what youre doing |
what you are doing | whatever youre doing | whatever you are doing | doing this | doing it | this | that | it | everything
"""
WHICH = """
the | this | that | your | the current | this current | your current | current | this little | that little | your little |
this whole | the whole
"""
PERFORMED = """
dance | dancing | show | performance | routine | trick | action | task | motion | movement | demo | demonstration | act | exercise |
handstand
"""
ENDING_CHINESE = "停止 | 停 | 停下 | 结束 | 中止 | 终止 | 取消 | 中断 | 打断 | 暂停 | 退出"
ENDED_CHINESE = """
跳舞 | 跳舞模式 | 舞蹈 | 表演 | 节目 | 展示 | 演示 | 动作 | 这个动作 | 当前动作 | 当前的动作 | 现在的动作 | 正在做的动作 | 你的动作 | 任务 | 这个任务 | 当前任务 |
当前的任务 | 运动 | 前进 | 行走 | 走路 | 走动 | 奔跑 | 跑步 | 跑动 | 旋转 | 转圈 | 转动 | 转身 | 跳跃 | 打滚 | 翻滚 | 摇摆 | 摇晃 | 晃动 | 抖动 |
扭动 | 跟随 | 跟踪 | 跟着我 | 跟着 | 导航 | 打拳 | 一切活动
"""
"""An end, and what a person may see the dog do, is a stop phrase, too: end this little dance, bring it to a halt, 停止跟随."""

FORBIDDING = "别 | 别再 | 不要 | 不要再 | 不许 | 不许再 | 不准 | 不准再 | 甭 | 甭再 | 莫 | 莫再"
NO_LONGER = f"{FORBIDDING} | 不用 | 不用再 | 不必 | 不必再 | 先别 | 可以不"
GOING_ON = """
动 | 跳 | 跳舞 | 转 | 转圈 | 转圈圈 | 绕圈 | 走 | 跑 | 扭 | 摇 | 晃 | 抖 | 蹦 | 滚 | 打滚 | 翻 | 扑 | 表演 | 演 | 做 | 跟 | 跟着 | 跟着我 | 跟随 |
继续 | 导航 | 打拳
"""
ANY_MORE = "了 | 啦"
"""One of NO_LONGER, GOING_ON and this is a stop phrase: 别跳了 asks for an end; 别跳 to an idle dog forbids."""

STOP_WHILE_MOVING = """
stopping | enough | thats enough | quit | knock it off | no more | dont jump | dont spin | dont turn |
dont run | dont walk | dont dance | dont roll | dont shake | dont bark | nobody move | stay back |
no further | no farther | no closer | no nearer | 够了
"""
"""Clear enough only while the dog moves; said to an idle dog the model reads them."""

ALONE_WHILE_MOVING = "不动"
"""The same, but as whole utterances only: 脚不动，身子晃 asks for a motion."""

FORBIDDEN = """
跳 | 蹦 | 转 | 跑 | 走 | 晃 | 扭 | 摇 | 抖 | 翻 | 滚 | 打滚 | 扑 | 叫 | 闹 | 往前 | 向前 | 上前 | 前进 | 过来 | 过去 | 靠近 | 靠过来 |
乱跑
"""
"""What a word of FORBIDDING forbids of these counts while the dog moves, too: 别转, 不要再跳, 别再往前了."""

FORBIDDING_ENGLISH = "dont | do not | dont you | dont you dare"
COMING = "come | go | get | walk | run | step | move"
NEARER = """
near | closer | nearer | further | farther | any closer | any nearer | any further | any farther
"""
"""One of each of these three counts while the dog moves, too: "don't come any closer"."""

SOUNDS_LIKE = (
    "停下 | 停下来 | 停一下 | 停止 | 停住 | 停停 | 别动 | 站住 | 不许动 | 不要动 | 刹车 | 打住"
)
"""Also taken by sound (pinyin without tones), where a recogniser wrote other characters."""

NEVER_BY_SOUND = "听 | 厅 | 挺直 | 听止 | 占住 | 粘住 | 大猪 | 大主 | 别懂 | 不要懂 | 不许懂"
"""Real words that only sound like a stop: 听一下 asks to listen."""

ALONE_BY_SOUND = "挺 | 亭 | 庭 | 廷 | 婷"
"""Single characters that a recogniser writes for 停 and that nobody says to a dog by themselves."""

REPEATS_BY_SOUND = 4

COURTESY = """
hey | hi | hello | ok | okay | yo | oh | ah | no | well | right | alright | dog | doggy | doggie |
doggo | doger | roger | boy | girl | buddy | robot | robot dog | robodog | good boy | good dog |
shadowdog | shadow dog | go2 | go 2 | please | pls | plz | just | kindly | now | right now | at once |
immediately | quickly | quick | can you | could you | would you | will you | you | thanks |
thank you | i said | i say | i want you to | i told you to | i need you to | id like you to | i would like you to |
you can | you may | you should | you must | for me | for gods sake | at the spot |
狗 | 狗哥 | 狗狗 | 狗子 | 小狗 | 机器狗 | 机器人 | 机器小狗 | 大狗 | 哥 | 嘿 | 喂 | 哎 | 诶 | 欸 | 哈喽 | 你好 |
请 | 请你 | 请您 | 麻烦 | 麻烦你 | 劳驾 | 拜托 | 帮我 | 给我 | 快 | 快点 | 快点儿 | 赶快 | 赶紧 | 马上 |
立刻 | 立即 | 现在 | 先 | 就 | 你 | 您 | 都 | 全部 | 全都 | 我说 | 我叫你 | 叫你 | 吧 | 啊 | 呀 | 啦 | 了 | 哦 |
喔 | 呢 | 嘛 | 哈 | 哟 | 吗 | 好吗 | 好不好 | 可以 | 可不可以 | 能 | 能不能 | 行吗 | 可以吗 | 谢谢 | 谢谢你 | 多谢 | 一下 | 在原地 | 原地 |
在那 | 在那里 | 在那儿 | 在这 | 在这里 | 在这儿
"""
"""Wake words and politeness that may stand around a stop phrase and change nothing."""

TRADITIONAL = "別别動动許许準准亂乱剎刹車车緊紧運运暫暂裡里裏里給给夠够轉转請请煩烦勞劳馬马現现說说嗎吗謝谢趕赶機机麼么聽听廳厅著着來来點点兒儿這这們们託托幫帮佔占嘍喽結结終终斷断隨随蹤踪繼继續续務务當当個个節节繞绕導导彈弹搖摇撲扑擺摆滾滚鬧闹進进躍跃駕驾喲哟誒诶豬猪説说卽即獃呆箇个遶绕過过嚮向曏向"
"""Pairs: a traditional character of the phrases above and its simplified form."""

END_CHARACTERS = 2000
"""What is read of each end of a text that is longer than two of them."""

_FOLD = {ord(TRADITIONAL[i]): TRADITIONAL[i + 1] for i in range(0, len(TRADITIONAL), 2)}
_APOSTROPHES = re.compile(r"['’‘`´]")
_UNIT = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_\u3400-\u9fff\uf900-\ufaff]+")
_LONG_RUN = re.compile(r"(.)\1{2,}")
_ANY_RUN = re.compile(r"(.)\1+")


def is_stop(text: str, moving: bool) -> bool:
    """Return whether `text` means stop; `moving` is whether the dog moves or speaks now."""
    units = cut_units(text)
    if moving and (_contains(units, _STOP_MOVING) or _is_all(units, _ALONE_MOVING)):
        return True
    return _is_all(units, _STOP) or _sounds_like_stop(units)


def cut_units(text: str) -> Units:
    """Return the utterance's units, folded: case, width, traditional characters, apostrophes.

    A long one is read at both ends: a stop or a "no" may stand at its beginning.
    """
    ends = " ".join(text.split())
    if len(ends) > 2 * END_CHARACTERS:  # a stop must not wait for the reading of a book
        ends = f"{ends[:END_CHARACTERS]} {ends[-END_CHARACTERS:]}"
    cleaned = clean_utterance(ends, most=None)
    folded = unicodedata.normalize("NFKC", cleaned).casefold().translate(_FOLD)
    return tuple(_shorten(unit) for unit in _UNIT.findall(_APOSTROPHES.sub("", folded)))


def read_phrases(table: str) -> frozenset[Units]:
    """Return the phrases of a table, which are parted by "|"."""
    return frozenset(tuple(_UNIT.findall(phrase)) for phrase in table.split("|"))


def _joined(*tables: str | frozenset[Units]) -> frozenset[Units]:
    """Return every phrase that takes one of each table, written or read."""
    read = (read_phrases(each) if isinstance(each, str) else each for each in tables)
    return frozenset(sum(parts, ()) for parts in product(*read))


_ENDED = read_phrases(ENDED) | _joined(WHICH, PERFORMED)
_STOP = (
    read_phrases(STOP_ENGLISH)
    | read_phrases(STOP_CHINESE)
    | _joined(ENDING, _ENDED)
    | _joined("bring", _ENDED, BROUGHT)
    | _joined(ENDING_CHINESE, ENDED_CHINESE)
    | _joined(NO_LONGER, GOING_ON, ANY_MORE)
)
_STOP_MOVING = (
    _STOP
    | read_phrases(STOP_WHILE_MOVING)
    | _joined(FORBIDDING, FORBIDDEN)
    | _joined(FORBIDDING_ENGLISH, COMING, NEARER)
)
_ALONE_MOVING = read_phrases(ALONE_WHILE_MOVING)
_COURTESY = read_phrases(COURTESY)
_SOUNDS = read_phrases(SOUNDS_LIKE)
_NEVER = read_phrases(NEVER_BY_SOUND)
_ALONE = read_phrases(ALONE_BY_SOUND)
_LONGEST = max(len(phrase) for phrase in _STOP_MOVING | _COURTESY)
_LONGEST_BY_SOUND = REPEATS_BY_SOUND * max(len(phrase) for phrase in _SOUNDS)
_STRETCHED = {
    _ANY_RUN.sub(r"\1", word): word
    for word in ("stop", "halt", "freeze", "whoa", "woah", "hold", "dont", "move", "please", "hey")
}


def _shorten(unit: str) -> str:
    """Return the word that an elongated one ("stoooop") stands for; others unchanged."""
    if _LONG_RUN.search(unit):
        return _STRETCHED.get(_ANY_RUN.sub(r"\1", unit), unit)
    return unit


def _contains(units: Units, phrases: frozenset[Units]) -> bool:
    return any(
        units[start : start + length] in phrases
        for start in range(len(units))
        for length in range(1, min(_LONGEST, len(units) - start) + 1)
    )


def _is_all(units: Units, phrases: frozenset[Units]) -> bool:
    """Return whether the units split wholly into `phrases`, which mean stop, and courtesies, with one stop at least."""
    plain = [False] * (len(units) + 1)  # [i]: the first i units are courtesies
    stops = [False] * (len(units) + 1)  # [i]: they are courtesies and at least one stop phrase
    plain[0] = True
    for end in range(1, len(units) + 1):
        for start in range(max(0, end - _LONGEST), end):
            piece = units[start:end]
            if piece in phrases:
                stops[end] = stops[end] or plain[start] or stops[start]
            if piece in _COURTESY:
                stops[end] = stops[end] or stops[start]
                plain[end] = plain[end] or plain[start]
    return stops[len(units)]


def _sounds_like_stop(units: Units) -> bool:
    """Return whether what the courtesies leave is, as a whole, a stop phrase by its sound."""
    return any(_is_homophone(rest) for rest in splits_off(units, _COURTESY, _LONGEST_BY_SOUND))


def _is_homophone(units: Units) -> bool:
    if units in _ALONE:
        return True
    if _contains(units, _NEVER):
        return False
    return any(
        len(units) % len(phrase) == 0  # said once, or again and again
        and all(
            syllables(said) & syllables(phrase[position % len(phrase)])
            for position, said in enumerate(units)
        )
        for phrase in _SOUNDS
    )


@lru_cache(maxsize=4096)
def syllables(unit: str) -> frozenset[str]:
    """Return every toneless reading of a Chinese character; nothing for a word."""
    from pypinyin import Style, pinyin  # here, since its tables take 0.3 s to load

    if len(unit) != 1 or not _UNIT.fullmatch(unit) or unit.isascii():
        return frozenset()
    readings = pinyin(unit, style=Style.NORMAL, heteronym=True, errors="ignore")
    return frozenset(readings[0] if readings else ())


def warm_up() -> None:
    """Load the tables of readings, so that the first utterance does not wait for them."""
    is_stop("停下", moving=False)
    syllables("停")
