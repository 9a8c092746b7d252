"""Which words of an open microphone count: the wake phrase, its window, stops, answers, the own voice."""

from typing import Any

import pytest

from edge_agent.speech.attention import FOLLOW_UP_S, Attention, Situation
from edge_agent.speech.interface import Heard
from edge_agent.speech.wake_phrase import find_wake_phrase


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attention(clock: Clock) -> Attention:
    return Attention(clock=clock)


def said(text: str) -> Heard:
    return Heard(text, "en", 0.9)


def reason(attention: Attention, text: str, at: float = 100.0, **given: Any) -> str | None:
    heard = attention.admit(said(text), Situation(at, **given))
    assert (heard.text == "") == (heard.reason is not None)
    return heard.reason


@pytest.mark.parametrize(
    "text", ["hey dog, sit down", "坐下，狗哥", "Hey Doug, turn left.", "苟哥转一圈"]
)
def test_the_wake_phrase_makes_words_count(attention: Attention, text: str) -> None:
    assert reason(attention, text) is None


@pytest.mark.parametrize(
    "text", ["sit down", "坐下", "I told him to sit", "the dog sat down there"]
)
def test_other_words_do_not(attention: Attention, text: str) -> None:
    assert reason(attention, text) == "not_addressed"


@pytest.mark.parametrize("text", ["Stop!", "停下！", "别动", "freeze", "please stop now"])
def test_a_stop_needs_no_wake_phrase(attention: Attention, text: str) -> None:
    assert reason(attention, text) is None


def test_any_stop_word_counts_while_the_dog_moves(attention: Attention) -> None:
    assert reason(attention, "no wait stop that please mister") == "not_addressed"
    assert reason(attention, "no wait stop that please mister", busy=True) is None


@pytest.mark.parametrize("text", ["别过来！", "不要再往前走了", "不动！", "Don't come any closer!"])
def test_what_forbids_going_on_stops_a_moving_dog_only(attention: Attention, text: str) -> None:
    assert reason(attention, text) == "not_addressed"
    assert reason(attention, text, busy=True) is None


def test_a_bare_wake_phrase_opens_a_window_for_the_next_words(
    attention: Attention, clock: Clock
) -> None:
    assert reason(attention, "Hey dog.") == "awaiting_command"
    clock.now += 6.0  # it took long to recognise, but was begun in time
    assert reason(attention, "sit down", at=100.0 + FOLLOW_UP_S) is None
    assert reason(attention, "sit down", at=100.0 + FOLLOW_UP_S) == "not_addressed"


def test_the_window_closes(attention: Attention) -> None:
    assert reason(attention, "狗哥") == "awaiting_command"
    assert reason(attention, "坐下", at=100.1 + FOLLOW_UP_S) == "not_addressed"


def test_an_answer_to_the_dogs_question_counts(attention: Attention) -> None:
    assert reason(attention, "yes, front flip", answer="yes") is None
    assert reason(attention, "yes", answer="unnamed") is None
    assert reason(attention, "no", answer="no") is None


@pytest.mark.parametrize("addressed", [False, True])
@pytest.mark.parametrize(
    ("text", "answer", "dismissed"),
    [
        ("yes, front flip", "yes", True),
        ("yes", "unnamed", True),
        ("hey dog, yes, front flip", "yes", True),
        ("no", "no", False),
        ("stop", None, False),
    ],
)
def test_no_yes_counts_while_it_speaks(
    attention: Attention, text: str, answer: Any, dismissed: bool, addressed: bool
) -> None:
    line = "Front flip: shall I? Then say: yes, front flip."
    given = {"busy": True, "own_line": line, "answer": answer, "addressed": addressed}
    assert reason(attention, text, **given) == ("own_voice" if dismissed else None)


def test_a_pressed_button_needs_no_wake_phrase_and_no_silence(attention: Attention) -> None:
    assert reason(attention, "sit down", addressed=True) is None
    assert reason(attention, "sit down", busy=True, own_line="Hello!", addressed=True) is None
    assert reason(attention, "hey dog", addressed=True) is None


def test_while_it_speaks_it_hears_itself(attention: Attention) -> None:
    line = "One thing at a time, please: I am still moving."
    assert reason(attention, line, busy=True, own_line=line) == "own_voice"
    assert reason(attention, "thing at a time please", busy=True, own_line=line) == "own_voice"
    assert reason(attention, "stop", busy=True, own_line=line) is None
    assert reason(attention, "hey dog, sit", busy=True, own_line=line) is None


def test_its_own_stopping_does_not_stop_it_again(attention: Attention) -> None:
    assert reason(attention, "Stopping.", busy=True, own_line="Stopping!") == "own_voice"
    assert reason(attention, "停下了", busy=True, own_line="停下了！") == "own_voice"


def test_an_open_window_does_not_count_while_it_speaks(attention: Attention) -> None:
    assert reason(attention, "hey dog") == "awaiting_command"
    assert reason(attention, "sit down", busy=True, own_line="Hello there!") == "own_voice"


def test_open_takes_everything(clock: Clock) -> None:
    attention = Attention("open", clock=clock)
    assert reason(attention, "sit down") is None
    assert reason(attention, "hello there", busy=True, own_line="Hello there!") == "own_voice"


def test_what_was_not_understood_stays_so(attention: Attention) -> None:
    assert attention.admit(Heard.nothing("noise"), Situation(100.0)).reason == "noise"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hey dog.", ()),
        ("狗哥。", ()),
        ("你好，狗哥", ()),
        ("hey dog, sit", ("sit",)),
        ("sit down, doggy", ("sit", "down")),
        ("坐下狗哥", ("坐", "下")),
        ("够哥，坐下", ("坐", "下")),
        ("okay robot dog turn left", ("turn", "left")),
    ],
)
def test_wake_phrases_are_found(text: str, rest: tuple[str, ...]) -> None:
    found = find_wake_phrase(text)
    assert found is not None
    assert found.rest == rest


@pytest.mark.parametrize("text", ["", "sit", "my dog is old", "hot dogs", "看狗哥哥的书吧", "楼阁"])
def test_other_words_wake_nothing(text: str) -> None:
    assert find_wake_phrase(text) is None


@pytest.mark.parametrize("text", ["狗个坐下", "沟哥，坐下", "勾狗坐下", "转一圈，苟子", "小钩坐下"])
def test_misheard_wake_phrases_are_found(text: str) -> None:
    assert find_wake_phrase(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "句子太长了",
        "我写了三个句子",
        "购个票",
        "購個票",
        "够个数了",
        "他不够格",
        "他不夠格",
        "钩子在哪",
        "鉤子在哪",
        "够资格吗",
        "够自己吃了",
        "笑够了没有",
        "跳小沟",
        "够够的了",
    ],
)
def test_words_that_only_sound_like_it_wake_nothing(text: str) -> None:
    assert find_wake_phrase(text) is None
