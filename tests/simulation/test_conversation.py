"""The prompt, fed through a pipe: each line is said in turn and its outcome printed."""

import io
import os
import pty
import threading
from typing import Any

import pytest

from edge_agent.conversation import Conversation, read_lines
from edge_agent.rendering import render
from shared.errors import ConfigurationError
from shared.outcome import Execution


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


def test_an_answer_to_a_question_is_said_like_any_line(simulation: Any) -> None:
    talk(simulation, "flip\nyes, flip\n")  # the agent knows what it has asked
    assert [text for text, _ in simulation.agent.said] == ["flip", "yes, flip"]


def test_enter_alone_stops_the_dog_behind_no_line_that_waits(simulation: Any) -> None:
    simulation.agent.hold = threading.Event()
    person, terminal = pty.openpty()
    output = io.StringIO()
    talking = threading.Thread(target=Conversation(simulation, terminal, output).run, daemon=True)
    talking.start()
    os.write(person, b"dance\n" * 40 + b"\n")
    assert simulation.agent.stopped.wait(30)  # while forty lines wait for their outcomes
    simulation.agent.hold.set()
    os.write(person, b"\x04")
    talking.join(30)
    assert not talking.is_alive()
    assert simulation.agent.stops == 1
    os.close(person)
    os.close(terminal)


def test_ctrl_c_stops_the_dog_before_anything_ends(simulation: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    simulation.settle = interrupt  # as a signal does, while a line's outcome is awaited
    with pytest.raises(KeyboardInterrupt):
        talk(simulation, "dance\n")
    assert simulation.agent.stops == 1


def test_an_agent_that_is_gone_does_not_hide_ctrl_c(simulation: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    def fail() -> None:
        raise ConfigurationError("no agent answers")

    simulation.settle, simulation.agent.stop = interrupt, fail
    with pytest.raises(KeyboardInterrupt):
        talk(simulation, "dance\n")


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


def test_a_spoken_answer_to_the_dogs_question_is_told_whole(outcomes: Any) -> None:
    execution = Execution(state="needs_confirmation", reason="skill_not_named", skill="FrontFlip")
    spoken = {"source": "microphone", "tag": None, "probability": None, "execution": execution}
    outcome = outcomes.make("yes").model_copy(
        update={**spoken, "say": "Please name it: say yes, front flip."}
    )
    assert render(outcome).splitlines() == [
        "  heard    yes",
        "  decided  – · on the dog · 1.0 ms",
        "  did      FrontFlip · waits for a yes · skill_not_named · 1.5 s",
        "  said     Please name it: say yes, front flip.",
    ]


def test_nothing_understood_is_told_with_its_reason(outcomes: Any) -> None:
    nothing = {"route": "none", "tag": None, "probability": None, "say": "", "text": ""}
    made = outcomes.make("", "none", None).model_copy(update=nothing)

    def told(source: str, reason: str) -> list[str]:
        execution = Execution(reason=reason)
        return render(
            made.model_copy(update={"source": source, "execution": execution})
        ).splitlines()

    assert told("audio", "noise") == ["  heard    no voice in it 没有人声"]
    assert told("audio", "audio_invalid") == ["  heard    audio_invalid"]
    assert told("text", "too_large") == [
        "  decided  – · nothing understood · too_large · 1.0 ms",
        "  did      (nothing)",
        "  said     (nothing)",
    ]
