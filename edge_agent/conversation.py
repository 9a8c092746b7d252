"""The simulation's prompt: lines of a person in, what was decided, done and said out.

On a terminal a line may be typed while the dog still moves, so that it can be told to stop: Enter
alone does so at once, and Ctrl-C before it ends everything. Every line has a thread of its own, so
that a stop queues behind no line that waits for its answer.
"""

import codecs
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from edge_agent.rendering import BOLD, RESET, printable, render
from edge_agent.simulation import Simulation
from edge_agent.speaking import STOP_FAILED
from shared.errors import ShadowdogError
from shared.outcome import Outcome

PROMPT = "🐕 > "
CHECK_S = 0.5
EXAMPLES = ("hey dog, sit down please", "狗哥，转一圈", "what is the weather like today?", "停！")
STOPPED = "  stopped 停下了"

Answer = Outcome | dict[str, Any] | ShadowdogError
"""What comes of a line: an outcome, a stop's calls, or why there is neither."""
Item = str | None | Answer
"""What the prompt waits for: a line, the end of the input, or an answer."""


def hello(simulation: Simulation) -> str:
    """Return what the prompt starts with."""
    examples = "\n".join(f"    {example}" for example in EXAMPLES)
    return (
        "\nShadowdog is ready: talk to the dog in English or Chinese. 狗哥准备好了，用中文或英文跟它说话。\n"
        f"{examples}\n"
        f"  watch the dog 看它动   {simulation.mock_url}/\n"
        f"  the agent's page 网页  {simulation.agent_url}/\n"
        f"  logs 日志              {simulation.logs}\n"
        "Enter alone stops the dog; Ctrl-C stops it and ends everything. "
        "直接按回车：狗立刻停下；按 Ctrl-C：停下并全部结束。\n"
    )


class Conversation:
    """Reads lines of a file descriptor until its end and prints outcomes to `output`."""

    def __init__(self, simulation: Simulation, input_descriptor: int, output: TextIO) -> None:
        self._simulation = simulation
        self._input = input_descriptor
        self._output = output
        self._terminal = os.isatty(input_descriptor)
        self._colours = output.isatty() and "NO_COLOR" not in os.environ
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._read_on = threading.Semaphore(0)

    def run(self) -> None:
        """Talk until the input ends or a signal comes."""
        self._print(hello(self._simulation))
        threading.Thread(target=self._read, daemon=True, name="prompt").start()
        self._ask_for_line()
        try:
            while (item := self._next()) is not None:
                if isinstance(item, str):
                    self._take(item)
                else:
                    self._show(item)
        except KeyboardInterrupt:
            self._answer(self._simulation.agent.stop)  # before anything else ends
            raise

    def _next(self) -> Item:
        while True:
            try:
                return self._items.get(timeout=CHECK_S)
            except queue.Empty:
                self._simulation.check()

    def _read(self) -> None:
        # Bytes, not sys.stdin: a thread that waits inside it would hold its lock when Python ends.
        for line in read_lines(self._input):
            self._read_on.acquire()
            self._items.put(line)
        self._read_on.acquire()
        self._items.put(None)

    def _take(self, line: str) -> None:
        agent = self._simulation.agent
        if line.strip():
            if not self._terminal:
                self._print(f"{PROMPT}{printable(line)}")
            self._begin(lambda: agent.say(line, None, "prompt"))
        elif self._terminal:
            self._begin(agent.stop)
        else:  # an empty line of a pipe: nothing moves, since each line has settled
            self._ask_for_line()
        if self._terminal:
            self._ask_for_line()

    def _begin(self, call: Callable[[], Outcome | dict[str, Any]]) -> None:
        threading.Thread(
            target=lambda: self._items.put(self._answer(call)), daemon=True, name="utterance"
        ).start()

    def _answer(self, call: Callable[[], Outcome | dict[str, Any]]) -> Answer:
        try:
            return call()
        except ShadowdogError as error:
            return error

    def _show(self, answer: Answer) -> None:
        if self._terminal:
            self._print("\r\x1b[K" if self._colours else "\r", end="")
        if isinstance(answer, ShadowdogError):
            self._simulation.check()
            self._print(f"  {answer.message}")
        elif isinstance(answer, Outcome):
            self._print(render(answer, self._colours))
            if not self._terminal:
                self._simulation.settle()
        else:
            codes = [call["code"] for call in answer["calls"]]
            self._print(STOPPED if codes == [0] else f"  {STOP_FAILED.english} {codes}")
        if self._terminal:
            self._print(self._styled(), end="")
        else:
            self._ask_for_line()

    def _ask_for_line(self) -> None:
        if self._terminal:
            self._print(self._styled(), end="")
        self._read_on.release()

    def _styled(self) -> str:
        return f"{BOLD}{PROMPT}{RESET}" if self._colours else PROMPT

    def _print(self, text: str, end: str = "\n") -> None:
        print(text, end=end, file=self._output, flush=True)


def read_lines(descriptor: int) -> Iterator[str]:
    """Yield the lines that arrive at a file descriptor, without their ends; bad UTF-8 is replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while block := os.read(descriptor, 4096):
        *lines, rest = (rest + decoder.decode(block)).split("\n")
        yield from lines
    rest += decoder.decode(b"", True)
    if rest:
        yield rest


def talk(simulation: Simulation) -> None:
    """Run the prompt on this process's own input and output."""
    Conversation(simulation, sys.stdin.fileno(), sys.stdout).run()
