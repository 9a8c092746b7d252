"""The prompt, fed through a pipe: each line is said in turn and its outcome printed."""

import io
import os
from typing import Any

from edge_agent.conversation import Conversation, read_lines
from edge_agent.rendering import render


def talk(simulation: Any, text: str) -> str:
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    output = io.StringIO()
    try:
        Conversation(simulation, reader, output).run()
    finally:
        os.close(reader)
    return output.getvalue()


def test_lines_are_said_in_turn_until_the_end_of_the_input(simulation: Any) -> None:
    printed = talk(simulation, "sit\n\n  \n请坐下\nwhy")
    assert [text for text, _ in simulation.agent.said] == ["sit", "请坐下", "why"]
    assert simulation.settled == 3
    assert printed.index("> sit") < printed.index("did ") < printed.index("> 请坐下")
    assert "http://mock" in printed
    assert "Ctrl-C" in printed
    assert "\x1b" not in printed  # no colours where nobody looks


def test_a_dangerous_skill_is_asked_about(simulation: Any) -> None:
    talk(simulation, "flip\nyes\nflip\n不要\nflip\nsit\nyes\n")
    assert simulation.agent.confirmed == [("id-flip", True), ("id-flip", False)]
    assert [text for text, _ in simulation.agent.said] == ["flip", "flip", "flip", "sit", "yes"]


def test_bytes_become_lines_wherever_they_are_cut() -> None:
    reader, writer = os.pipe()
    for piece in (b"si", b"t\n\xe5\x9d", b"\x90\xff\n", b"end"):
        os.write(writer, piece)
    os.close(writer)
    assert list(read_lines(reader)) == ["sit", "坐\ufffd", "end"]
    os.close(reader)


def test_an_outcome_is_told_in_its_language(outcomes: Any) -> None:
    english = render(outcomes.make("sit"))
    assert english.splitlines() == [
        "  decided  [Sit()] · 0.900 · on the dog · 1.0 ms",
        "  did      Sit · confirmed by the robot's state · Sit · 1.5 s",
        "  said     Sitting down.",
    ]
    assert "机器狗状态已证实" in render(outcomes.make("坐下"))
    assert "\x1b[" in render(outcomes.make("sit"), colours=True)


def test_an_answer_cannot_steer_the_terminal(outcomes: Any) -> None:
    outcome = outcomes.make("why").model_copy(update={"say": "a\x1b[2Jb\r\nc"})
    assert "a [2Jb  c" in render(outcome)
