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
        (["Sit down?", "There is a chair."], 0, False),
        (["Could you sit down?", "There is a chair."], 0, True),
        (["可以坐下吗？", "奶奶来了。"], 0, True),
        (["Dance!", "Never."], 0, False),
        (["Dance!", "Out of the question."], 0, False),
        (["打滚！", "我才没这个兴趣。"], 0, False),
        (["打滚！", "下次吧。"], 0, False),
        (["What is the opposite of stand up?", "Sit down."], 1, False),
        (["What are you waiting for?", "Sit down."], 1, True),
        (["怎么让马听话？", "坐下。"], 1, False),
        (["怎么还不来？", "坐下。"], 1, True),
        (["Sit down.", "That's what my boss always wants."], 0, False),
        (["Sit down.", "That's an order."], 0, True),
        (["Sit down.", "That's it."], 0, True),
        (["Heart.", "Is it a card suit?"], 0, False),
        (["Sit!", "It is late."], 0, True),
        (["趴下。", "这两个字怎么念？"], 0, False),
        (["趴下。", "这是命令。"], 0, True),
        (["The sign had two words.", "Lie down."], 1, False),
        (["Listen to my command.", "Lie down."], 1, True),
        (["我弟弟的爱好只有一个。", "跳舞。"], 1, False),
        (["听我口令！", "趴下！"], 1, True),
    ],
)
def test_what_may_count_alone(sentences: list[str], order: int, alone: bool) -> None:
    assert stands_alone(sentences, order) is alone


def test_a_question_that_was_asked_in_a_roundabout_way_is_a_request() -> None:
    sentences = ["sit for me?", "My grandson says you're good at it."]
    assert stands_alone(sentences, 0, is_request=True)
    assert not stands_alone(sentences, 0)
