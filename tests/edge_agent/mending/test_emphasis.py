"""Drawn-out words and the `right` of a hurry."""

import pytest

from edge_agent.mending.emphasis import without_emphasis
from edge_agent.mending.spelling import Speller


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller()


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("siiit", "sit"),
        ("good boooy", "good boy"),
        ("Whats gooood", "Whats good"),
        ("taaangooo", "tango"),
        ("SIIIT DOOOWN", "SIT DOWN"),
        ("www.example.com", "www.example.com"),
        ("zzzqqq", "zzzqqq"),
        ("hello", "hello"),
        ("向左——转！", "向左转！"),
        ("坐~~下", "坐下"),
        ("狗哥——", "狗哥——"),
        ("make a U-turn right now", "make a U-turn now"),
        ("Right now, sit", "now, sit"),
        ("sit right here, right away!", "sit here, now!"),
        ("turn right now", "turn right now"),
        ("look to the right there", "look to the right there"),
        ("turn right", "turn right"),
        ("that's right here", "that's right here"),
        ("turn. right now", "turn. now"),
        ("Turn 90° right now", "Turn 90° right now"),
        ("turn 90 right now", "turn 90 right now"),
        ("turn forty five right now", "turn forty five right now"),
        ("spin ninety right now", "spin ninety right now"),
        ("rotate ninety degrees right now", "rotate ninety degrees right now"),
        ("turn 90 degrees to ur right now", "turn 90 degrees to ur right now"),
        ("look to the far right there", "look to the far right there"),
        ("go straight right there", "go straight right there"),
        ("take the second right here", "take the second right here"),
        ("do a 360 right now", "do a 360 now"),
        ("pretty please right now", "pretty please now"),
    ],
)
def test_emphasis_is_taken_away_and_a_side_stays(speller: Speller, said: str, read: str) -> None:
    assert without_emphasis(said, speller.count) == read
