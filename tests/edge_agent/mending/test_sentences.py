"""Sentences, and which of them may count alone."""

import pytest

from edge_agent.mending.sentences import sentences_of, stands_alone


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("卧倒！子弹不长眼，动作慢的加练！", ["卧倒！", "子弹不长眼，动作慢的加练！"]),
        ("Floor's yours. Roll over!", ["Floor's yours.", "Roll over!"]),
        ("it costs 2.50, sit", ["it costs 2.50, sit"]),
        ("坐下！！ ……", ["坐下！！"]),
        ("sit\nthen", ["sit", "then"]),
        ("?!", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [each.strip("…") for each in sentences_of(text)] == sentences


@pytest.mark.parametrize(
    ("sentences", "order", "alone"),
    [
        (["卧倒！", "子弹不长眼！"], 0, True),
        (["Floor's yours.", "Roll over!"], 1, True),
        (["Sit down.", "No, wait."], 0, False),
        (["坐下！", "算了。"], 0, False),
        (["坐下！", "别，站着。"], 0, False),
        (["The trainer shouted at him.", "Roll over!"], 1, False),
        (["他跟狗说了一句。", "坐下！"], 1, False),
        (["Let the hawk stoop.", "Steady.", "Now!"], 1, False),
    ],
)
def test_what_may_count_alone(sentences: list[str], order: int, alone: bool) -> None:
    assert stands_alone(sentences, order) is alone
