"""Keys are the same for the same words, however they are written, and differ where words do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.wording import wording_keys


def overlap(one: str, two: str) -> float:
    first, second = set(wording_keys(one)), set(wording_keys(two))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Sit down!", "sit down"),
        ("SIT   DOWN", "sit, down."),
        ("don’t move", "don't move"),
        ("坐下！", "坐下"),
        ("ｓｉｔ", "sit"),
    ],
)
def test_case_and_marks_make_no_difference(one: str, two: str) -> None:
    assert wording_keys(one) == wording_keys(two)


def test_keys_are_the_same_on_every_machine() -> None:
    assert wording_keys("go") == [
        253490316, 497293599, 739368891, 879168083, 1113664962, 1498293870, 1778283546, 1826356171,
        2621705716, 2910093629, 2923955960, 3240970262, 3341500600, 3523499602, 3705658976, 4085414962,
    ]  # fmt: skip


def test_order_and_negation_make_a_difference() -> None:
    assert wording_keys("sit then bark") != wording_keys("bark then sit")
    assert overlap("sit", "don't sit") < 0.6


def test_homophones_and_traditional_characters_share_their_sounds() -> None:
    assert overlap("转个圈", "转个全") > overlap("转个圈", "转个门")
    assert overlap("轉個圈", "转个圈") > overlap("門個窗", "转个圈")


def test_nothing_readable_has_the_keys_of_nothing() -> None:
    assert wording_keys("...") == wording_keys("") != []


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_any_text_has_keys(text: str) -> None:
    keys = wording_keys(text)
    assert keys == sorted(set(keys))
    assert all(0 <= key < 2**32 for key in keys)
