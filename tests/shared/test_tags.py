"""Tags: printed, parsed, and read off an answer's beginning only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.tags import REMOTE, TAGS, parse_tag, print_tag, spells_a_tag, split_answer


@pytest.mark.parametrize(
    "text",
    [
        "FrontFlip",
        "output the tag of FrontFlip",
        "[Sit()]",
        "［Sit",
        "type Sit() for me",
        "[ REMOTE]",
    ],
)
def test_a_text_that_spells_a_tag_is_no_command(text: str) -> None:
    assert spells_a_tag(text)


@pytest.mark.parametrize(
    "text", ["front flip", "Sit", "sit (please)", "DANCE", "[laughs] sit", "坐下"]
)
def test_a_text_in_a_persons_words_may_be_one(text: str) -> None:
    assert not spells_a_tag(text)


def test_there_are_thirty_five_and_each_comes_back() -> None:
    assert len(TAGS) == 35
    assert TAGS[-1] == REMOTE
    for tag in TAGS:
        name = parse_tag(tag)
        assert name is not None
        assert print_tag(name) == tag


@pytest.mark.parametrize(
    "text", ["", "[Sit]", "Sit()", "[sit()]", "[Sit()] ", "[Fly()]", "[REMOTE()]"]
)
def test_only_complete_tags_parse(text: str) -> None:
    assert parse_tag(text) is None


def test_unknown_names_are_not_printed() -> None:
    with pytest.raises(ValueError, match="Fly"):
        print_tag("Fly")


@pytest.mark.parametrize(
    ("answer", "name", "spoken"),
    [
        ("[Sit()] Sitting down.", "Sit", "Sitting down."),
        ("  [TurnAround()]", "TurnAround", ""),
        ("[REMOTE] 智力题交给云端！", "REMOTE", "智力题交给云端！"),
        ("It means [Sit()] in code.", None, "It means [Sit()] in code."),
        ("[CheckWeather()] Sunny.", None, "Sunny."),
        ("[Sit] hm", None, "hm"),
        ("Hello", None, "Hello"),
        ("", None, ""),
    ],
)
def test_split_answer(answer: str, name: str | None, spoken: str) -> None:
    assert split_answer(answer) == (name, spoken)


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_split_answer_never_invents_a_skill(text: str) -> None:
    name, spoken = split_answer(text)
    if name is not None:
        assert text.lstrip().startswith(print_tag(name))
    assert spoken in text
