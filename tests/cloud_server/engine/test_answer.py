"""The leading tag is the only source of skills and is never spoken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_server.engine import SpokenAnswer
from shared.skills import SKILL_NAMES, skill
from shared.tags import TAGS, split_answer


def speak(text, language="en", reason="stop", size=1):
    """Return the pieces of an answer that comes `size` characters at a time, and its ending."""
    answer = SpokenAnswer(language)
    cut = [text[i : i + size] for i in range(0, len(text), size)]
    pieces = [piece for piece in map(answer.feed, cut) if piece]
    ending = answer.finish(reason)
    return [*pieces, *([ending.rest] if ending.rest else [])], ending


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "skills", "say"),
    [
        ("[Sit()] Sitting down.", ["Sit"], "Sitting down."),
        ("  [Sit()]\n 坐下啦。 ", ["Sit"], "坐下啦。"),
        ("[REMOTE] It is sunny.", [], "It is sunny."),
        ("[CheckWeather()] It is sunny.", [], "It is sunny."),
        ("It is sunny. [Sit()] now", [], "It is sunny. [Sit()] now"),
        ("[not a tag] Hello", [], "[not a tag] Hello"),
        ("[Sit(] Hello", [], "[Sit(] Hello"),
        ("Hello", [], "Hello"),
    ],
)
def test_skill_and_words_of_an_answer(text, skills, say, size):
    pieces, ending = speak(text, size=size)
    assert (ending.skills, ending.say) == (skills, say)
    assert "".join(pieces) == say


@pytest.mark.parametrize("name", SKILL_NAMES)
def test_a_tag_without_words_gets_the_skills_own_line(name):
    pieces, ending = speak(f"[{name}()]", "zh")
    assert ending.skills == [name]
    assert pieces == [skill(name).say_chinese]


@pytest.mark.parametrize(
    ("language", "wanted"), [("en", 'If you mean "stretch", say just that.'), ("zh", "“伸懒腰”")]
)
def test_a_doubted_skill_is_named_where_it_is_supposed(language, wanted):
    doubted = SpokenAnswer(language, lambda name: False, lambda name: name == "Stretch")
    assert doubted.feed("[Stretch()] Ah!") == ""
    assert wanted in doubted.finish("stop").say
    other = SpokenAnswer(language, lambda name: False, lambda name: name == "Sit")
    other.feed("[Stretch()] Ah!")
    ending = other.finish("stop")
    assert (ending.skills, wanted in ending.say) == ([], False)


@pytest.mark.parametrize("text", ["", "  ", "[REMOTE]", "[REMOTE]\n", "[Nonsense()]", "[Si", "["])
def test_an_answer_without_words_is_owned_up_to_in_the_speakers_language(text):
    english, chinese = speak(text, "en")[1], speak(text, "zh")[1]
    assert english.skills == chinese.skills == []
    assert "no answer" in english.say
    assert "答不上来" in chinese.say
    assert speak(text, "other")[1].say == english.say


def test_an_answer_that_the_deadline_cut_before_its_first_word_says_so():
    assert "out of time" in speak("", "en", "deadline")[1].say
    assert "没来得及" in speak("[REM", "zh", "deadline")[1].say


def test_a_tag_that_was_cut_off_is_no_skill():
    assert speak("[Sit()", reason="length")[1].skills == []


@settings(deadline=None, derandomize=True)
@given(
    st.sampled_from(["", " ", *TAGS, "[Fly()]", "[", "]"]),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(1, 5),
)
def test_pieces_are_the_say_and_hold_no_leading_tag(tag, words, size):
    text = tag + words
    pieces, ending = speak(text, size=size)
    name, rest = split_answer(text)
    assert "".join(pieces) == ending.say
    assert ending.say
    assert ending.skills == ([name] if name in SKILL_NAMES else [])
    if rest and not text.lstrip().startswith("["):
        assert ending.say == rest
