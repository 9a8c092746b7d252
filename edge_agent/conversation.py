"""The simulation's prompt: lines of a person in, what was decided, done and said out.

On a terminal a line may be typed while the dog still moves, so that it can be told to stop.
"""

import codecs
import os
import queue
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

from edge_agent.rendering import BOLD, RESET, printable, render
from edge_agent.simulation import Simulation
from shared.errors import ShadowdogError
from shared.outcome import Outcome

PROMPT = "🐕 > "
CHECK_S = 0.5
AT_ONCE = 8
EXAMPLES = ("hey dog, sit down please", "狗哥，转一圈", "what is the weather like today?", "停！")
YES = frozenset({"y", "yes", "ok", "好", "好的", "是", "是的", "要", "可以"})
NO = frozenset({"n", "no", "不", "不要", "不用", "别"})

Item = str | None | Future[Outcome]
"""What the prompt waits for: a line, the end of the input, or an outcome."""


def hello(simulation: Simulation) -> str:
    """Return what the prompt starts with."""
    examples = "\n".join(f"    {example}" for example in EXAMPLES)
    return (
        "\nShadowdog is ready: talk to the dog in English or Chinese. 狗哥准备好了，用中文或英文跟它说话。\n"
        f"{examples}\n"
        f"  watch the dog 看它动   {simulation.mock_url}/\n"
        f"  the agent's page 网页  {simulation.agent_url}/\n"
        f"  logs 日志              {simulation.logs}\n"
        "Ctrl-C ends everything. 按 Ctrl-C 全部结束。\n"
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
        self._question: str | None = None

    def run(self) -> None:
        """Talk until the input ends or a signal comes."""
        self._print(hello(self._simulation))
        threading.Thread(target=self._read, daemon=True, name="prompt").start()
        self._ask_for_line()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="utterance")
        try:
            while (item := self._next()) is not None:
                if isinstance(item, str):
                    self._take(item, pool)
                else:
                    self._show(item)
        finally:  # what is under way ends with the agent, a moment later
            pool.shutdown(wait=False, cancel_futures=True)

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

    def _take(self, line: str, pool: ThreadPoolExecutor) -> None:
        if not line.strip():
            self._ask_for_line()
            return
        if not self._terminal:
            self._print(f"{PROMPT}{printable(line)}")
        question, self._question = self._question, None
        answer = line.strip().rstrip(".!。！").lower()
        if question is not None and answer in YES | NO:
            future = pool.submit(self._simulation.agent.confirm, question, answer in YES)
        else:  # anything else is a new utterance; the question lapses by itself
            future = pool.submit(self._simulation.agent.say, line, None, "prompt")
        future.add_done_callback(self._items.put)
        if self._terminal:
            self._ask_for_line()

    def _show(self, future: "Future[Outcome]") -> None:
        if self._terminal:
            self._print("\r\x1b[K" if self._colours else "\r", end="")
        try:
            outcome = future.result()
        except ShadowdogError as error:
            self._simulation.check()
            self._print(f"  {error.message}")
        else:
            self._print(render(outcome, self._colours))
            if outcome.execution.state == "needs_confirmation":
                self._question = outcome.request_id
                self._print("  yes? 好吗？")
            if not self._terminal:
                self._simulation.settle()
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
