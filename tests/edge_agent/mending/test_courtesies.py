"""What is taken from the ends of a request, and what must stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.mending.courtesies import without_courtesies


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("I was wondering if you could sit down", "sit down"),
        ("if it's not too much trouble, roll over", "roll over"),
        ("Sorry to bother you, but do you think you could bark?", "bark?"),
        ("It would be so nice if you'd bark", "bark"),
        ("alright then, turn left", "turn left"),
        ("turn left, or no treats tonight", "turn left"),
        ("lie down before I lose my patience", "lie down"),
        ("Wave, would you? Thanks so much!", "Wave"),
        ("要是方便的话，坐下", "坐下"),
        ("不好意思打扰一下，转个圈，可以吗？", "转个圈"),
        ("狗哥转个圈要是不麻烦的话", "狗哥转个圈"),
        ("趴下，不然没零食吃", "趴下"),
        ("You heard me, bark", "bark"),
        ("my sister is filming so dance", "dance"),
        ("guess what! dance", "dance"),
        ("sit down, my boss is watching", "sit down"),
        ("one more time please", "one more time"),
    ],
)
def test_a_courtesy_is_taken_away(said: str, left: str) -> None:
    assert without_courtesies(said) == left


@pytest.mark.parametrize(
    "said",
    [
        "if my aunt comes, sit down",
        "when the music starts, dance",
        "he shouted, roll over",
        "it would be sad if you could jump",
        "don't sit down",
        "I wonder if dogs dance",
        "can you dance",
        "thanks",
        "要是客人来了，坐下",
        "等会儿坐下",
        "要是待会儿直播时你摔了，记得自己爬起来",
        "别坐下",
        "谢谢",
        "可以吗",
        "you know what sit means",
        "guess what dance this is",
        "listen to me bark",
        "look left",
        "You heard him sit down",
        "you heard them dance",
        "She is recording a dance",
        "my aunt has never seen a dog dance",
        "sit down if my boss is watching",
        "sit down the moment everyone's watching",
        "shake hands once the guests are waiting",
        "Can I get you to bark less",
        "功夫怎么样",
        "你的功夫如何",
        "看舞狮，怎么样",
        "",
    ],
)
def test_everything_else_stays(said: str) -> None:
    assert without_courtesies(said) == said


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet="if you could, sit 要是方便的话，坐下!?", max_size=80))
def test_what_is_left_is_a_part_and_never_nothing(said: str) -> None:
    left = without_courtesies(said)
    assert left in said
    assert bool(left) == bool(said)
    assert without_courtesies(left) == left
