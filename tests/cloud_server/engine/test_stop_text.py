"""Stop strings end the text before the first of them, however the text is cut into pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_server.engine.stop_text import StopText

LETTERS = st.text("ab", max_size=20)


def speak(pieces, stop):
    stops = StopText(stop)
    given_out = [stops.feed(piece) for piece in pieces]
    return [*given_out, stops.finish()], stops.is_met


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text("ab", max_size=4)), st.lists(st.text("ab", min_size=1, max_size=4)))
def test_the_text_ends_where_the_first_stop_string_is_complete(pieces, stop):
    text = "".join(pieces)
    said, is_met = speak(pieces, stop)
    shortest = [text[:n] for n in range(len(text) + 1) if text[:n].endswith(tuple(stop) or ("!",))]
    assert is_met == bool(shortest)
    if not is_met:
        assert "".join(said) == text
        return
    # Letter by letter the first to be complete would end it; a piece may complete several at once.
    letter_by_letter = "".join(speak(text, stop)[0])
    assert shortest[0].startswith(letter_by_letter)
    assert not any(each in "".join(said) for each in stop)
    assert text.startswith("".join(said))


@settings(deadline=None, derandomize=True)
@given(LETTERS, st.lists(st.text("ab", min_size=1, max_size=4), min_size=1))
def test_nothing_that_was_given_out_is_part_of_a_stop_string(text, stop):
    said = "".join(speak(text, stop)[0])
    assert not any(each in said for each in stop)


@pytest.mark.parametrize("stop", [(), ("",)])
def test_without_a_stop_string_nothing_is_held_back(stop):
    stops = StopText(stop)
    assert [stops.feed("a"), stops.feed("b"), stops.finish()] == ["a", "b", ""]


def test_only_what_may_become_a_stop_string_is_held_back():
    stops = StopText(["\n\nUser"])
    assert [stops.feed(piece) for piece in ("hi\n", "\n", "U", "p", "!")] == [
        "hi",
        "",
        "",
        "\n\nUp",
        "!",
    ]
    assert [stops.feed("\n\nUs"), stops.finish()] == ["", "\n\nUs"]
