"""A skill's line: the shadow's where it is fit to be spoken, else the reviewed one."""

import asyncio
from collections.abc import Iterator

import pytest

from edge_agent.lines import Lines, is_fit
from shared.skills import skill


class FakeWriter:
    able = True

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces

    def pieces(self, text: str, tag: str, language: str) -> Iterator[str]:
        assert (text, tag[0]) == ("sit", "[")
        yield from self._pieces


def say(lines: Lines, name: str = "Sit", language: str = "en") -> tuple[str, list[str]]:
    grown: list[str] = []
    line = asyncio.run(lines.say(skill(name), "sit", language, grown.append))  # type: ignore[arg-type]
    return line, grown


def test_without_a_writer_the_reviewed_line_is_said() -> None:
    assert say(Lines()) == ("Sitting down.", [])
    assert say(Lines(), language="zh") == ("我坐下啦。", [])


def test_the_shadows_line_grows_piece_by_piece() -> None:
    assert say(Lines(FakeWriter("Taking", " a seat."))) == (
        "Taking a seat.",
        ["Taking", "Taking a seat."],
    )


def test_a_line_that_is_not_fit_gives_way_to_the_reviewed_one() -> None:
    assert say(Lines(FakeWriter("Taking a")))[0] == "Sitting down."
    assert say(Lines(FakeWriter("我坐下啦。")))[0] == "Sitting down."
    assert say(Lines(FakeWriter()))[0] == "Sitting down."


def test_a_dangerous_skill_keeps_its_warning() -> None:
    assert say(Lines(FakeWriter("Whee!")), "FrontFlip")[0] == "Front flip, stand clear!"


@pytest.mark.parametrize(
    ("line", "language", "fit"),
    [
        ("Taking a seat.", "en", True),
        ("坐好了。", "zh", True),
        ("Taking a seat.", "zh", False),
        ("[Sit()] yes.", "en", False),
        ("no end", "en", False),
        ("  ", "en", False),
        ("!", "en", False),
        ("is.", "en", False),
        ("Woof!", "en", True),
        ("汪！", "zh", True),
        ("！", "zh", False),
        ("<b>hi!", "en", False),
    ],
)
def test_what_is_fit_to_be_spoken(line: str, language: str, fit: bool) -> None:
    assert is_fit(line, language) is fit  # type: ignore[arg-type]
