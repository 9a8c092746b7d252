"""One utterance on its way through the agent: what was said, by when, and how long each stage took."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from edge_agent.speech.interface import Heard
from shared.outcome import Call, Execution, Outcome, Route, Source, Timings, now_rfc3339
from shared.tags import REMOTE, print_tag
from shared.text import Language

POSTERIOR_SHOWN = 5


@dataclass
class Utterance:
    """What was said and what has come of it so far; times are seconds on `clock`.

    `stopped` is set by the first stop after the utterance arrived: nothing of it moves the dog
    from then on.
    """

    text: str
    lang: Language
    source: Source
    session_id: str
    clock: Callable[[], float]
    deadline_at: float
    stopped: asyncio.Event
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: str = field(default_factory=now_rfc3339)
    heard_probability: float | None = None
    written: str | None = None
    """What the recogniser of speech wrote, where `text` is that mended by sound."""
    own_line: str | None = None
    """What the dog itself was saying while an open microphone heard these words, which may be its own."""
    hear_again: Callable[[], Awaitable[Heard | None]] | None = None
    """Gives what the second ears make of its recording; None where there is none."""
    route: Route = "none"
    tag: str | None = None
    probability: float | None = None
    confidence: float | None = None
    seconded: float | None = None
    posterior: list[tuple[str, float]] = field(default_factory=list)
    say: str = ""
    actions: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict)
    arrived_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.arrived_at = self.clock()

    def elapsed_ms(self) -> float:
        """Milliseconds since the utterance arrived."""
        return round(1000 * (self.clock() - self.arrived_at), 3)

    def remaining_s(self) -> float:
        """Seconds until nothing of the utterance may start any more; negative afterwards."""
        return self.deadline_at - self.clock()

    def mark(self, stage: str) -> None:
        """Note when a stage was reached."""
        self.timings_ms[stage] = self.elapsed_ms()

    def mark_once(self, stage: str) -> None:
        """Note when a stage was first reached."""
        self.timings_ms.setdefault(stage, self.elapsed_ms())

    def describe(self) -> dict[str, Any]:
        """Return what the state shows of it on its way."""
        return {
            "request_id": self.request_id,
            "source": self.source,
            "text": self.text,
            "lang": self.lang,
            "heard_probability": self.heard_probability,
            "route": self.route,
            "tag": self.tag,
            "probability": self.probability,
            "confidence": self.confidence,
        }

    def hear(self, heard: Heard) -> None:
        """Note what the ears made of the recording."""
        self.text, self.lang, self.heard_probability = heard.text, heard.lang, heard.probability
        self.written = heard.written
        self.mark("asr")

    def decide(self, skill: str | None, probability: float | None = None) -> None:
        """Note the edge's decision; None stands for [REMOTE]."""
        self.tag = REMOTE if skill is None else print_tag(skill)
        self.probability = probability
        self.mark("intent")

    def next_key(self) -> str:
        """Return the key of the utterance's next action."""
        self.actions += 1
        return f"{self.request_id}/{self.actions}"

    def since_arrival(self, calls: list[Call], offset_ms: float) -> list[Call]:
        """Return the calls with `at_ms` counted from the arrival instead of the action's start."""
        return [
            call.model_copy(update={"at_ms": round(call.at_ms + offset_ms, 1)}) for call in calls
        ]

    def outcome(self, execution: Execution) -> Outcome:
        """Return what came of it; marks the total."""
        self.mark("total")
        values: dict[str, Any] = dict(self.timings_ms)
        return Outcome(
            request_id=self.request_id,
            time=self.time,
            source=self.source,
            text=self.text,
            lang=self.lang,
            heard_probability=self.heard_probability,
            route=self.route,
            tag=self.tag,
            probability=self.probability,
            posterior=self.posterior[:POSTERIOR_SHOWN],
            say=self.say,
            execution=execution,
            timings_ms=Timings(**values),
        )
