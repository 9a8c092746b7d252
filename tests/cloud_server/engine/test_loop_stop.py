"""Repetition loops: what ends an answer, what does not, and that it is the same however the text comes."""

import random

import pytest

from cloud_server.engine.loop_stop import LoopStop, end_loops

LOOPS = {
    "有清华大学、清华大学、清华大学、清华大": "有清华大学、清华大学",
    "Mind, a battery tracker, a battery tracker, a battery tracker, a batt": (
        "Mind, a battery tracker, a battery tracker"
    ),
    "A tester, a tracker, a tracker, a tracker, a tracker": "A tester, a tracker, a tracker",
    "你去猜猜猜猜猜猜猜猜猜猜猜猜猜猜": "你去猜猜猜猜猜猜猜猜",
    "I can't see you. I can't hear you. I CAN'T see you! And you? I can't see you. Well.": (
        "I can't see you. I can't hear you. I CAN'T see you! And you?"
    ),
    "我不会。我不会唱。我不会唱！我不会唱": "我不会。我不会唱。我不会唱！",
    "No. No. No. No.": "No. No. ",
    "It is 1" + 40 * "0": "It is 1" + 16 * "0",
}
NO_LOOPS = (
    "",
    "Sure.",
    "It costs 1,000,000,000 euros.",
    "Bye bye, bye bye!",
    "Ha ha ha!",
    "谢谢，谢谢，谢谢大家。",
    "5 factorial is 120, because 5 times 4 times 3 times 2 is 120.",
    "Happy birthday to you, happy birthday to you, happy birthday, dear Tom, happy birthday to you!",
    "I can't see you. I can't hear you. I can't see you.",
)


def in_pieces(text: str, seed: int) -> tuple[list[str], LoopStop]:
    generator, stop, pieces = random.Random(seed), LoopStop(), []
    while text:
        size = generator.randint(1, 7)
        pieces.append(stop.feed(text[:size]))
        text = text[size:]
    return [*pieces, stop.finish()], stop


@pytest.mark.parametrize(("text", "given"), LOOPS.items())
def test_an_answer_ends_before_a_third_time(text, given):
    assert end_loops(text) == (given, True)
    for seed in range(20):
        pieces, stop = in_pieces(text, seed)
        assert ("".join(pieces), stop.is_met) == (given, True)


@pytest.mark.parametrize("text", NO_LOOPS)
def test_nothing_else_is_changed(text):
    assert end_loops(text) == (text, False)
    for seed in range(20):
        assert "".join(in_pieces(text, seed)[0]) == text


def test_only_what_may_become_a_third_time_is_held_back():
    stop = LoopStop()
    assert stop.feed("it is good, ") == "it is good, "
    assert stop.feed("it is good, ") == "it is good, "
    assert stop.feed("it is go") == ""
    assert stop.feed("ing well") == "it is going well"
    assert stop.feed(",") == ""  # it may stand before a third time
    assert stop.feed(" thanks") == ", thanks"


def test_random_texts_come_out_whole_or_end_before_a_loop():
    generator = random.Random(1)
    for seed in range(300):
        text = "".join(generator.choice("ab, .") for _ in range(60))
        whole, ended = end_loops(text)
        assert text.startswith(whole)
        assert ended or whole == text
        assert "".join(in_pieces(text, seed)[0]) == whole
