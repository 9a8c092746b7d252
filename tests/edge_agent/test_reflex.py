"""The reflex: what stops the dog without any model, and what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import reflex
from edge_agent.reflex import END_CHARACTERS, cut_units, is_stop

STOPS = """
stop | Stop! | STOP. | stop it | stoooop | Stooopppp!! | ｓｔｏｐ | hey dog, stop please |
could you stop, please? | no, stop! | stop, stop, I said STOP | just stop moving now | freeze |
FREEEEZE | halt! | whoa | whoooa there | don't move | don’t move | Do not move! | hold it |
hold still, good boy | stay where you are | emergency stop | 停 | 停！ | 停停停 | 停！停！停！ | 停下 |
停下来 | 停一下 | 停一停 | 停止 | 别动 | 別動 | 不许动 | 不許動 | 不要动了 | 站住！ | 住手 | 刹车 | 剎車 |
打住 | 狗哥，停下 | 狗哥，站住！ | 给我停下来吧 | 请你停一下好吗 | 可以停下吗 | doger停下 | 狗哥 stop |
end the dance | please quit following me | I told you to stop dancing | can you interrupt what you're doing | cancel the current action |
no more spinning please | don't go anywhere | could you bring this to an end | bring this little dance to an end | please bring your show to a close | discontinue the demonstration | stop the handstand |
break off this exercise please | call off the show | 退出跳舞模式 | 结束演示 | 停止跳舞 | 结束表演 | 取消当前动作 | 停止跟隨 | 请中断任务 |
别跳了 | 别转了 | 不用跟着我了 | 不要再转圈了 | 別再繞圈了 | 先别走了 | 甭再扭了 |
停止導航 | 停止翻滾 | 停止前進 | 別動彈 | 別滾了 | 別搖了 | 誒，停下 | 勞駕停下 |
挺下 | 亭下 | 婷下来 | 狗哥挺下吧 | 挺 | 别冻 | 憋动 | 站主 | 庭止 | 亭下 亭下 | 挺下，挺下 | 莫动莫动
"""
NO_STOPS_WHEN_IDLE = """
don't stop | non-stop | where is the bus stop | stop signs are red | stop and sit | freezer |
what does stop mean | how do I stop hiccups | one stop | sit | hello | please | good boy |
停车场在哪里 | 不要停 | 别停 | 停电了吗 | 停止是什么意思 | 听 | 听一下 | 听下 | 听下来 | 挺直 | 挺好 | 我挺好 |
cancel the alarm | stop the music | end of story | don't dance | no more questions | enough for a week | pause the video |
取消闹钟 | 停止播放音乐 | 结束语怎么写 | 别跳 | 不要转圈 | 不用了 | 别客气了 | 暂停音乐 |
助手 | 别 | 别跳舞 | 大猪 | 大豬 | 坐下 | 狗哥 | 请 | 站起来 | 站立 | 动一动 | 停课 | 你不能动 | 听下听下 | 挺直挺直 | 㐀㐀 | ? | 。
"""
STOPS_WHILE_MOVING = """
I think you should stop right now dude | for heaven's sake freeze man | 你快停下来我怕 | 别跳 | 够了 |
哎呀别转 | that is enough | the bus stop | 不要停 | 别转了，爸看得头晕 | 不要再跳 | 不許再叫了 | 别打滚 | 甭再扭 |
別打滾 | 不要再搖 | 別撲 | 別鬧 | 别往前走了 | 不要再往前走了 | 别再往前了 | 別再往前了 | 别乱跑 | 別亂跑 | 不动 | 不動！ | 不动，不动！ |
别过来 | 別過來 | 诶诶不要再过来了你 | 别靠近 | 不許靠近 | 别过去，有车 | 不准前進 | nobody move | Nobody move, that means you too! |
stay back | hey, stay back, I am scared | don't go any further | do not go any farther! | don't come any closer | don't you dare come closer | no further |
oh why don't you quit turning around | oh please don't spin, I feel sick | end the dance, I have seen it
"""
NO_STOPS_WHILE_MOVING = (
    "sit down | 你真棒 | what's your name | 听歌 | spin again | 再来一次 | quite right | come closer | 过来 | 往前走 | "
    "脚不动，身子晃一晃 | 我走不动了 | stand back up | tell me further news"
)

KNOWN = {
    character
    for name, table in vars(reflex).items()
    if name.isupper() and isinstance(table, str) and name != "TRADITIONAL"
    for character in table
}
"""Every character of the tables."""
OTHER_WORDS = "彆噹襬錶鏇餵齣"
"""Simplified they are characters of the tables, too, but they mean something else: 彆扭, 餵狗."""


def each(table: str) -> list[str]:
    return [text.strip() for text in table.split("|")]


@pytest.mark.parametrize("text", each(STOPS))
@pytest.mark.parametrize("moving", [False, True])
def test_a_stop_phrase_stops(text: str, moving: bool) -> None:
    assert is_stop(text, moving)


@pytest.mark.parametrize("text", each(NO_STOPS_WHEN_IDLE))
def test_an_idle_dog_is_not_stopped_by(text: str) -> None:
    assert not is_stop(text, moving=False)


@pytest.mark.parametrize("text", each(STOPS_WHILE_MOVING))
def test_a_stop_word_anywhere_stops_a_moving_dog_only(text: str) -> None:
    assert is_stop(text, moving=True)
    assert not is_stop(text, moving=False)


@pytest.mark.parametrize("text", each(NO_STOPS_WHILE_MOVING))
def test_a_moving_dog_goes_on_with(text: str) -> None:
    assert not is_stop(text, moving=True)


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_any_text_has_an_answer_and_motion_only_adds_stops(text: str) -> None:
    assert is_stop(text, moving=True) or not is_stop(text, moving=False)


def test_a_long_ambiguous_utterance_ends() -> None:
    assert is_stop("停一下" * 130, moving=False)
    assert not is_stop("停一下" * 130 + "课", moving=False)


def test_a_stop_at_the_beginning_of_a_long_text_counts() -> None:
    talk = "we went down to the lake and it was cold " * 50
    assert is_stop("stop! " + talk, moving=True)
    assert not is_stop("stop! " + talk, moving=False)
    assert not is_stop(talk + "stop", moving=False)
    assert is_stop("please " * 500 + "stop", moving=False)
    assert not is_stop("please " * 500, moving=False)
    assert len(cut_units("请狗" * 50_000)) <= 2 * END_CHARACTERS  # a stop waits for no book


@pytest.mark.parametrize("region", ["s2t", "s2tw", "s2hk"])
def test_every_character_counts_as_it_is_written_elsewhere(region: str) -> None:
    opencc = pytest.importorskip("opencc", reason="OpenCC (shadowdog[training]) is not installed")
    convert = opencc.OpenCC(region).convert
    assert [each for each in KNOWN if cut_units(convert(each)) != cut_units(each)] == []


def test_every_variant_of_a_character_counts() -> None:
    opencc = pytest.importorskip("opencc", reason="OpenCC (shadowdog[training]) is not installed")
    simplify = opencc.OpenCC("t2s").convert
    ideographs = (chr(point) for point in range(0x4E00, 0xA000))
    variants = [each for each in ideographs if each not in OTHER_WORDS and simplify(each) in KNOWN]
    assert [each for each in variants if cut_units(each) != (simplify(each),)] == []
