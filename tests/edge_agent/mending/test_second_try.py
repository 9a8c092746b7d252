"""The second try: what it may do, and what it does with the shipped bundle on labelled rows."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.evaluation import evaluate
from edge_agent.mending.homophones import Mender
from edge_agent.mending.second_try import (
    HOPELESS,
    LEAST_CONFIDENCE,
    OTHERWISE,
    SecondTry,
    may_be_guessed,
)
from edge_agent.mending.spelling import Speller
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.recognizer import Recognizer
from edge_agent.settings import default_bundle
from shared.report import read_rows
from shared.tags import REMOTE
from tests.edge_agent.mending.test_homophones import TYPED_WORDS

DATASETS = Path(__file__).parents[3] / "datasets"


class Scripted:
    """Decides as the script says, else defers; notes what it was asked."""

    manifest: Any = SimpleNamespace(name="scripted")

    def __init__(self, script: dict[str, tuple[str, float]], complete: bool = True) -> None:
        self.script = script
        self.posterior = SimpleNamespace(complete=complete, ranked=[(REMOTE, 0.2)])
        self.asked: list[str] = []

    def decide(self, text: str) -> Any:
        self.asked.append(text)
        tag, confidence = self.script.get(text, (REMOTE, 0.5))
        joint = [(tag, confidence), (REMOTE, 1 - confidence)][: 1 if tag == REMOTE else 2]
        return SimpleNamespace(
            tag=tag, confidence=confidence, joint=joint, text=text, posterior=self.posterior
        )


@pytest.fixture(scope="module")
def mender() -> Mender:
    return Mender()


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller()


@pytest.mark.parametrize(
    ("written", "mended", "said", "tag"),
    [
        ("狗哥做好", "狗哥坐好", ("[Sit()]", 0.99), "[Sit()]"),
        ("狗哥做好", "狗哥坐好", ("[Sit()]", LEAST_CONFIDENCE - 0.001), REMOTE),
        ("狗哥做好", "狗哥坐好", ("[Damp()]", 1.0), REMOTE),
        ("狗哥做好", "狗哥坐好", ("[FrontFlip()]", 1.0), REMOTE),
        ("狗哥做好", "狗哥坐好", (REMOTE, 1.0), REMOTE),
        ("Hey dog, sti down!", "Hey dog, sit down!", ("[Sit()]", 0.99), "[Sit()]"),
        ("do a frnot flip", "do a front flip", ("[FrontFlip()]", 1.0), REMOTE),
        ("dog, 做下 plaese", "dog, 坐下 please", ("[Sit()]", 0.99), "[Sit()]"),
    ],
)
def test_a_sure_second_try_counts_and_no_other(
    mender: Mender, speller: Speller, written: str, mended: str, said: tuple[str, float], tag: str
) -> None:
    inner = Scripted({mended: said})
    decision: Any = SecondTry(inner, mender, speller).decide(written)
    assert inner.asked == [written, mended]
    assert decision.tag == tag
    assert decision.text == (mended if tag != REMOTE else written)


@pytest.mark.parametrize("text", ["sit down", "狗哥坐好", "sti down " * 50])
def test_what_cannot_be_mended_is_asked_once(mender: Mender, speller: Speller, text: str) -> None:
    inner = Scripted({"狗哥坐好": SIT})
    SecondTry(inner, mender, speller).decide(text)
    assert inner.asked == [text]


def test_what_is_surely_no_skill_is_asked_once(mender: Mender, speller: Speller) -> None:
    inner = Scripted({"sti down": (REMOTE, (1 + HOPELESS) / 2)})
    SecondTry(inner, mender, speller).decide("sti down")
    assert inner.asked == ["sti down"]


SIT = ("[Sit()]", 0.99)


def test_what_spells_a_tag_or_is_not_read_whole_has_no_part_that_counts(
    mender: Mender, speller: Speller
) -> None:
    tagged = "They wrote [Sit()]. Sit!"
    inner = Scripted({"Sit!": SIT})
    assert SecondTry(inner, mender, speller).decide(tagged).tag == REMOTE
    assert inner.asked == [tagged]
    long = Scripted({"Sit!": SIT}, complete=False)
    assert SecondTry(long, mender, speller).decide("It is late. Sit!").tag == REMOTE
    assert long.asked == ["It is late. Sit!"]


@pytest.mark.parametrize(
    ("text", "script", "tag"),
    [
        ("I was wondering if you could sit", {"sit": SIT}, "[Sit()]"),
        ("I was wondering if you could sit", {"sit": ("[Sit()]", 0.9)}, REMOTE),
        ("I was wondering if you could flip", {"flip": ("[FrontFlip()]", 1.0)}, REMOTE),
        ("I was wondering if you could sti", {"sit": SIT}, "[Sit()]"),
        ("I don't suppose you'd sit? It is late.", {"sit?": SIT}, "[Sit()]"),
        ("Sit? It is late.", {"Sit?": SIT}, REMOTE),
        ("Sit! It is late.", {"Sit!": SIT}, "[Sit()]"),
        ("Sit! No.", {"Sit!": SIT}, REMOTE),
        ("Sit! Bark.", {"Sit!": SIT, "Bark.": ("[Bark()]", 0.7)}, REMOTE),
        ("Hello! It is late.", {"Hello!": ("[SayHello()]", 1.0)}, REMOTE),
        ("It is late. Stop this.", {"Stop this.": ("[StopMove()]", 1.0)}, REMOTE),
        ("One. Two. Three. Four. Sit!", {"Sit!": SIT}, REMOTE),
        ("SIIIT RIGHT NOW", {"sit now": SIT}, "[Sit()]"),
    ],
)
def test_talk_around_an_order_is_left_out(
    mender: Mender, speller: Speller, text: str, script: dict[str, tuple[str, float]], tag: str
) -> None:
    assert SecondTry(Scripted(script), mender, speller).decide(text).tag == tag


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        (("[Sit()]", LEAST_CONFIDENCE), "[Sit()]"),
        (("[Sit()]", LEAST_CONFIDENCE - 0.001), REMOTE),
        (("[Damp()]", 1.0), REMOTE),
        (("[FrontFlip()]", 1.0), REMOTE),
        (("[StandDown()]", 0.7), "[StandDown()]"),
        ((REMOTE, OTHERWISE + 0.01), REMOTE),
        ((REMOTE, OTHERWISE - 0.01), "[StandDown()]"),
    ],
)
def test_what_is_acted_on_is_not_what_the_mended_words_deny(
    mender: Mender, speller: Speller, said: tuple[str, float], tag: str
) -> None:
    inner = Scripted({"sti down": ("[StandDown()]", 0.9), "sit down": said})
    assert SecondTry(inner, mender, speller).decide("sti down").tag == tag
    assert inner.asked == ["sti down", "sit down"]


def test_a_stop_needs_no_second_opinion_and_neither_do_words_that_stay(
    mender: Mender, speller: Speller
) -> None:
    inner = Scripted({"freez in place": ("[StopMove()]", 0.9), "sit down": SIT})
    twice = SecondTry(inner, mender, speller)
    assert twice.decide("freez in place").tag == "[StopMove()]"
    assert twice.decide("sit down").tag == "[Sit()]"
    assert inner.asked == ["freez in place", "sit down"]


def test_the_manifest_is_the_recognisers(mender: Mender, speller: Speller) -> None:
    inner = Scripted({})
    assert SecondTry(inner, mender, speller).manifest is inner.manifest


def test_soft_and_off_the_ground_is_nothing_to_guess() -> None:
    guarded = ("[Damp()]", "[FrontFlip()]", "[FrontJump()]", "[FrontPounce()]")
    assert not any(may_be_guessed(tag) for tag in guarded)
    assert may_be_guessed("[Sit()]")
    assert may_be_guessed(REMOTE)


# --- with the shipped bundle --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    prepare_base()
    prepare_bundle(default_bundle())
    return Recognizer.load(default_bundle())


MISSPELT = {
    "狗哥做好": "Sit",
    "来段阶舞": "HipHopDance",
    "从地上做着气来": "RiseSit",
    "回复站立": "RecoveryStand",
    "学狗教": "Bark",
    "快朝我比信": "DrawHeart",
    "sti donw plaese": "Sit",
    "tunr arround ocne": "TurnAround",
    "wigle yuor hipps": "WiggleHips",
    "layy donw now": "StandDown",
}


def test_what_is_only_misspelt_is_done(
    recognizer: Recognizer, mender: Mender, speller: Speller
) -> None:
    twice = SecondTry(recognizer, mender, speller)
    once = [recognizer.decide(text).tag for text in MISSPELT]
    done = [twice.decide(text).tag for text in MISSPELT]
    assert done == [f"[{name}()]" for name in MISSPELT.values()]
    assert once.count(REMOTE) >= len(MISSPELT) - 1, "these are to need the second try"


WRAPPED = {
    "I was wondering if you could sit down": "Sit",
    "alright then, roll over": "Wallow",
    "要是方便的话，转个圈": "TurnAround",
    "趴下，不然没零食吃": "StandDown",
    "卧倒！子弹不长眼，动作慢的加练！": "StandDown",
    "向后——转！": "TurnAround",
    "make a U-turn right now": "TurnAround",
}


def test_what_is_wrapped_in_talk_is_done(
    recognizer: Recognizer, mender: Mender, speller: Speller
) -> None:
    twice = SecondTry(recognizer, mender, speller)
    done = [twice.decide(text).tag for text in WRAPPED]
    assert done == [f"[{name}()]" for name in WRAPPED.values()]
    once = [recognizer.decide(text).tag for text in WRAPPED]
    assert sum(a != b for a, b in zip(once, done, strict=True)) >= 5, "these are to need it"


NO_ORDERS = (
    *TYPED_WORDS,
    "有人晕倒了，叫医生",
    "狗哥，帮我叫医生",
    "Sit down? Out of the question.",
    "Sit down? Later.",
    "Me, dance? Never.",
    "Dance? Absolutely impossible.",
    "Dance? Maybe tomorrow.",
    "Roll over? Over my dead body.",
    "打滚？我才没这个兴趣。",
    "Bark? You never bark.",
    "Want to sit down? There is a chair.",
    "What is the opposite of stand up? Sit down.",
    "How do you make a dog obey? Sit down.",
    "What does my teacher do all day? Sit down.",
    "Sit down. That's what my boss always wants.",
    "The sign had two words. Lie down.",
    "Heart. Is it a card suit?",
    "Stretch! Is that a verb?",
    "Bark. That is how dogs talk.",
    "趴下。这两个字怎么念？",
    "我弟弟的爱好只有一个。跳舞。",
    "you know what sit means",
    "guess what dance this is",
    "listen to me bark",
    "You heard me bark",
    "You heard him sit down",
    "you heard them dance",
    "She is recording a dance",
    "sit down if my boss is watching",
    "shake hands once the guests are waiting",
    "Can I get you to bark less",
    "功夫怎么样",
    "你的功夫如何",
    "街舞怎么样",
    "恰恰如何",
    "这个比心怎么样",
    "看舞狮，怎么样",
    "Tengo hambre",
    "Tengo frio",
    "tengo",
)
"""What was acted on because a word was taken for its homophone, or because what governs or answers it was taken away."""

TURNS_RIGHT = (
    "Turn 90° right now",
    "turn 90 right now",
    "look to the far right there",
    "go straight right there",
    "turn 90 degrees to ur right now",
)


def test_what_is_no_order_is_not_made_one(
    recognizer: Recognizer, mender: Mender, speller: Speller
) -> None:
    twice = SecondTry(recognizer, mender, speller)
    assert {text for text in NO_ORDERS if twice.decide(text).tag != REMOTE} == set()


def test_misspelt_words_that_were_acted_on_mean_something_else(
    recognizer: Recognizer, mender: Mender, speller: Speller
) -> None:
    twice = SecondTry(recognizer, mender, speller)
    meant = {
        "sti down": "[Sit()]",
        "卜准转圈": REMOTE,
        "沸用欢迎他": REMOTE,
        "舞液": "[LionDance()]",
    }
    assert {text: twice.decide(text).tag for text in meant} == meant
    assert all(recognizer.decide(text).tag not in (REMOTE, tag) for text, tag in meant.items())


def test_a_right_that_is_the_side_is_read(
    recognizer: Recognizer, mender: Mender, speller: Speller
) -> None:
    twice = SecondTry(recognizer, mender, speller)
    assert {twice.decide(text).tag for text in TURNS_RIGHT} == {"[TurnRight()]"}


def test_nothing_else_is_acted_on_because_of_it(
    recognizer: Recognizer, mender: Mender, speller: Speller, tmp_path: Path
) -> None:
    """Every fifth row of the calibration sets that is no command, as the evaluation reads it."""
    lines = [
        line
        for name in ("calibration", "calibration_late")
        for line in (DATASETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        if json.loads(line)["label"] == "REMOTE"
    ]
    data = tmp_path / "others.jsonl"
    data.write_text("\n".join(lines[::5]), encoding="utf-8")
    rows = read_rows(data)
    assert len(rows) > 700
    acted = [
        {item["text"] for item in evaluate(rows, way)["items"] if item["acted"]}
        for way in (recognizer, SecondTry(recognizer, mender, speller))
    ]
    assert acted[0] == acted[1]
