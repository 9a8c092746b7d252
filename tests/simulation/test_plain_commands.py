"""The shipped bundle acts on the plainest words for every skill, which no doubt may take from it."""

import pytest

from edge_agent import reflex
from edge_agent.mending.choice import choose_mender, try_twice
from edge_agent.mending.second_try import SecondTry
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.recognizer import Recognizer
from edge_agent.settings import EdgeSettings, default_bundle
from shared.skills import SKILL_NAMES, skill
from shared.tags import print_tag

PLAIN = {
    "Damp": ["go limp", "relax your motors", "放松电机", "阻尼模式"],
    "BalanceStand": ["stand steady", "balance stand", "站稳", "平衡站立"],
    "StopMove": ["stop", "freeze", "别动", "停下"],
    "StandUp": ["stand up", "get up", "站起来", "起立"],
    "StandDown": ["lie down", "lay down", "趴下"],
    "RecoveryStand": ["recover", "recovery stand", "摔倒了爬起来"],
    "Sit": ["sit", "sit down", "坐下", "请坐"],
    "RiseSit": ["rise from sitting", "get up from your sit", "从坐姿起来"],
    "SayHello": ["say hello", "wave", "打个招呼", "挥挥手"],
    "Stretch": ["stretch", "have a stretch", "伸懒腰", "伸个懒腰"],
    "Wallow": ["roll over", "wallow", "打个滚"],
    "Scrape": ["scrape", "take a bow", "作揖", "拜一拜"],
    "FrontFlip": ["front flip", "do a front flip", "前空翻"],
    "FrontJump": ["jump forward", "front jump", "往前跳"],
    "FrontPounce": ["pounce", "pounce forward", "往前扑"],
    "Dance": ["dance", "dance for me", "跳舞", "跳个舞"],
    "WiggleHips": ["wiggle your hips", "shake your butt", "扭屁股"],
    "DrawHeart": ["draw a heart", "make a heart", "比心", "画个爱心"],
    "BalanceAttitude": ["adjust your attitude", "balance attitude", "姿态平衡"],
    "PlayKungFu": ["play kungfu", "kung fu", "打套功夫", "来段功夫"],
    "HappyBirthday": ["happy birthday", "sing happy birthday", "生日快乐"],
    "HappyNewYear": ["happy new year", "新年快乐", "拜年"],
    "CheerLeading": ["cheer for us", "do a cheer", "给我们加油"],
    "TurnLeft": ["turn left", "look left", "左转", "向左转"],
    "TurnRight": ["turn right", "look right", "右转", "向右转"],
    "TurnAround": ["turn around", "do a full spin", "转个圈", "转一圈"],
    "ShakeBody": ["shake your body", "shake yourself", "抖抖身子"],
    "LionDance": ["lion dance", "do the lion dance", "舞狮"],
    "Welcome": ["welcome our guests", "欢迎客人", "欢迎光临"],
    "WaltzDance": ["waltz", "dance a waltz", "华尔兹"],
    "ChaChaDance": ["cha cha", "dance cha cha", "恰恰"],
    "Tango": ["tango", "dance the tango", "探戈"],
    "HipHopDance": ["hip hop", "hip hop dance", "街舞"],
    "Bark": ["bark", "woof", "叫一声", "汪汪叫"],
}
PREFIXES = ("", "hey dog, ", "狗哥，")


@pytest.fixture(scope="module")
def recognizer() -> SecondTry:
    prepare_base()
    prepare_bundle(default_bundle())
    settings = EdgeSettings()
    return try_twice(Recognizer.load(default_bundle()), choose_mender(settings), settings)


def test_every_skill_has_plain_words() -> None:
    assert set(PLAIN) == set(SKILL_NAMES)


@pytest.mark.parametrize("name", SKILL_NAMES)
def test_plain_words_are_acted_on(recognizer: SecondTry, name: str) -> None:
    for words in PLAIN[name]:
        chinese = not words.isascii()
        for prefix in PREFIXES[:: 2 if chinese else 1][:2]:
            text = prefix + words
            if reflex.is_stop(text, moving=False):
                assert name == "StopMove"
                continue
            assert recognizer.decide(text).tag == print_tag(name), text


@pytest.mark.parametrize("name", SKILL_NAMES)
def test_what_the_catalogue_calls_a_skill_is_enough(recognizer: SecondTry, name: str) -> None:
    english, chinese = skill(name).english, skill(name).chinese
    said = [english, f"hey dog, {english}", f"please {english}", f"{english.capitalize()}!"]
    for text in (*said, chinese, f"狗哥，{chinese}", f"请{chinese}"):
        assert reflex.is_stop(text, moving=False) or recognizer.decide(text).tag == print_tag(name)


@pytest.mark.parametrize(
    ("written", "plainly"),
    [
        ("SHOW ME SOME TAI CHI", "show me some tai chi"),
        ("TAKE A SEAT NEXT TO THE SOFA", "take a seat next to the sofa"),
        ("ＬＩＥ　ＤＯＷＮ　ＰＬＥＡＳＥ", "lie down please"),
        ("狗 哥 ， 坐 下 吧", "狗哥，坐下吧"),
        ("你 的 电 机 有 多 大 力 气", "你的电机有多大力气"),
        ("不 要 往 右 转", "不要往右转"),
        ("今 天 不 跳 恰 恰", "今天不跳恰恰"),
        ("没 功 夫 陪 你 玩", "没功夫陪你玩"),
    ],
)
def test_the_way_of_writing_changes_no_decision(
    recognizer: SecondTry, written: str, plainly: str
) -> None:
    assert recognizer.decide(written) == recognizer.decide(plainly)
    assert (recognizer.decide(written).tag == "[REMOTE]") == (plainly in NO_SKILLS)


NO_SKILLS = ("你的电机有多大力气", "不要往右转", "今天不跳恰恰", "没功夫陪你玩")
