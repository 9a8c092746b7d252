"""The yes to a dangerous skill: one question, one answer, in time, and by name where it is spoken."""

import pytest

from edge_agent.confirmation import NAMES, Confirmations, read_answer
from edge_agent.verdict import Refusal
from shared.skills import SKILLS, Skill, Tier, skill

FLIP = skill("FrontFlip")


def taught(english: str, chinese: str = "后空翻") -> Skill:
    """A dangerous skill that NAMES does not know."""
    return Skill("BackFlip", Tier.DANGEROUS, english, chinese, "Stand clear!", "请让开！")


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "text",
    [
        "yes, flip",
        "Yes, front flip!",
        "yes please do the front flip",
        "confirm front flip",
        "Confirmed: flip.",
        "yes yes somersault now",
        "确认前空翻",
        "确认，前空翻！",
        "是的，做个前空翻吧",
        "確認前空翻",
    ],
)
def test_a_yes_that_names_the_skill(text: str) -> None:
    assert read_answer(text, FLIP) == "yes"


def test_a_no_far_before_a_yes_is_not_lost() -> None:
    assert read_answer("I never said" + " " * 5000 + "yes, front flip", FLIP) is None
    assert read_answer("no" + " " * 5000 + "front flip", FLIP) == "no"


@pytest.mark.parametrize("text", ["yes", "Yes!", "ok", "go ahead", "do it", "确认", "好的", "可以"])
def test_a_bare_yes_is_not_enough(text: str) -> None:
    assert read_answer(text, FLIP) == "unnamed"


@pytest.mark.parametrize("text", ["no", "no, don't flip", "cancel", "不要", "别前空翻", "算了"])
def test_a_no_needs_no_name(text: str) -> None:
    assert read_answer(text, FLIP) == "no"


@pytest.mark.parametrize(
    "text",
    [
        "flip",  # the wish again, perhaps its echo
        "do a flip",
        "ok, flip",
        "好，前空翻",
        "要不要前空翻",
        "可以前空翻吗",
        "yes, jump",
        "确认向前跳",
        "yes, flip the light switch",
        "did you say yes, flip?",
        "yes no flip",
        "yes, flip " * 20,
        "",
        "sit",
        "坐下",
    ],
)
def test_what_is_no_answer(text: str) -> None:
    assert read_answer(text, FLIP) is None


def test_every_dangerous_skill_can_be_named_in_both_languages() -> None:
    dangerous = [each for each in SKILLS if each.tier is Tier.DANGEROUS]
    assert {each.name for each in dangerous} == set(NAMES)
    for each in dangerous:
        assert read_answer(f"yes, {each.english}", each) == "yes"
        assert read_answer(f"确认{each.chinese}", each) == "yes"


@pytest.mark.parametrize(
    ("english", "chinese", "text"),
    [
        ("backflip", "后空翻", "yes, backflip"),
        ("backflip", "后空翻", "Yes please, do the backflip!"),
        ("backflip", "后空翻", "确认后空翻。"),
        ("Back-Flip", "后空翻", "YES, BACK FLIP"),
        ("hunter's leap", "撲個滾", "yes, hunter’s leap"),
        ("hunter's leap", "撲個滾", "确认扑个滚"),
        ("no-look flip", "不倒翁", "yes, no-look flip"),
        ("no-look flip", "不倒翁", "确认不倒翁"),
    ],
)
def test_a_taught_skill_is_named_as_the_catalogue_names_it(
    english: str, chinese: str, text: str
) -> None:
    assert read_answer(text, taught(english, chinese)) == "yes"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", "unnamed"),
        ("确认", "unnamed"),
        ("no backflip", "no"),
        ("不要后空翻", "no"),
        ("backflip", None),
        ("ok, backflip", None),
        ("yes, flip", None),
        ("yes, front flip", None),
        ("确认前空翻", None),
        ("yes no backflip", None),
    ],
)
def test_nothing_less_than_a_taught_skills_name_is_a_yes(text: str, answer: str | None) -> None:
    assert read_answer(text, taught("backflip")) == answer


def test_what_a_taught_skill_is_called_is_no_yes_to_another() -> None:
    assert read_answer("yes, backflip", FLIP) is None
    assert read_answer("确认后空翻", FLIP) is None


@pytest.mark.parametrize(
    ("english", "text", "answer"),
    [
        ("yes", "yes", "unnamed"),
        ("yes", "yes yes", "unnamed"),
        ("no", "no", "no"),
        ("no", "yes, no", None),
        ("do it now", "yes, do it now", "unnamed"),
    ],
)
def test_words_of_any_answer_name_no_skill(english: str, text: str, answer: str | None) -> None:
    assert read_answer(text, taught(english)) == answer


def test_a_question_is_answered_once_and_by_its_own_id() -> None:
    clock = Clock()
    asked = Confirmations(10.0, clock)
    assert asked.ask("r1", FLIP) == 110.0
    other = asked.answer("r2", accept=True)
    assert isinstance(other, Refusal)
    assert other.reason == "confirmation_unknown"
    clock.now = 110.0
    assert asked.answer("r1", accept=True) == FLIP
    assert asked.allows("r1", FLIP)
    assert isinstance(asked.answer("r1", accept=True), Refusal)


def test_a_spoken_yes_lets_the_utterance_that_said_it_act() -> None:
    asked = Confirmations(10.0, Clock())
    asked.ask("r1", FLIP)
    assert asked.answer("r1", accept=True, by="r2") == FLIP
    assert asked.allows("r2", FLIP)
    assert not asked.allows("r1", FLIP)
    assert not asked.allows("r2", skill("FrontJump"))


@pytest.mark.parametrize(
    ("seconds", "accept", "reason"),
    [(10.1, True, "confirmation_expired"), (1.0, False, "confirmation_declined")],
)
def test_late_and_declined_answers(seconds: float, accept: bool, reason: str) -> None:
    clock = Clock()
    asked = Confirmations(10.0, clock)
    asked.ask("r1", skill("FrontJump"))
    clock.now += seconds
    assert (asked.question() is None) == (seconds > 10.0)
    answer = asked.answer("r1", accept)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason
    assert not asked.allows("r1", skill("FrontJump"))


def test_a_newer_question_and_a_stop_withdraw_the_older_ones() -> None:
    asked = Confirmations(10.0, Clock())
    asked.ask("r1", skill("FrontJump"))
    asked.ask("r2", FLIP)
    assert isinstance(asked.answer("r1", accept=True), Refusal)
    asked.withdraw()
    assert asked.question() is None
    assert isinstance(asked.answer("r2", accept=True), Refusal)
