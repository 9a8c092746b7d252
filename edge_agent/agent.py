"""The agent: hear, reflex, recognise, decide, gate, act; one outcome an utterance."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from edge_agent import reflex
from edge_agent.acting import Actor
from edge_agent.audio.delivery import Delivery
from edge_agent.audio.voice import Voice
from edge_agent.conduct import Conduct
from edge_agent.confirmation import Answer, Question, read_answer
from edge_agent.consulting import CloudWay
from edge_agent.events import EventHub
from edge_agent.gate import Gate
from edge_agent.journal import Journal
from edge_agent.lines import Lines, Writer
from edge_agent.metrics import AgentMetrics
from edge_agent.outbox import Outbox
from edge_agent.recognition import Recognition
from edge_agent.records import Records
from edge_agent.repeats import Repeats
from edge_agent.robot.interface import Robot
from edge_agent.speech.attention import Attention, Situation
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import SAMPLE_RATE_HZ, Heard, Samples
from edge_agent.speech.second_hearing import SecondHearing
from edge_agent.status import Status
from edge_agent.tracing import Span, Tracing
from edge_agent.under_way import UnderWay
from edge_agent.utterance import Utterance
from edge_agent.verdict import Refusal
from shared.bundle import BundleManifest
from shared.errors import Busy, NotFound
from shared.outcome import Call, Execution, Outcome, Source
from shared.text import Language, clean_utterance, encodable, guess_main_language

MAX_WAITING = 16
"""Utterances under way at once; a stop is let through above it."""

_DONE = ("accepted", "moving", "confirmed")
"""The ends of a command that "again" may mean; a stop is no such command."""

PASSED_OVER = ("not_addressed", "own_voice")
"""Words of an open microphone that were not meant for the dog."""


@dataclass(frozen=True)
class AgentOptions:
    """What the agent is told of its settings."""

    robot_id: str = "go2"
    deadline_s: float = 20.0
    simulation: bool = False


class Agent:
    """Owns what becomes of an utterance; lives on one event loop between `start` and `close`."""

    def __init__(
        self,
        robot: Robot,
        gate: Gate,
        recognizer: Recognition,
        cloud: CloudWay,
        options: AgentOptions | None = None,
        *,
        journal: Journal | None = None,
        outbox: Outbox | None = None,
        events: EventHub | None = None,
        tracing: Tracing | None = None,
        voice: Voice | None = None,
        writer: Writer | None = None,
        hearing: Hearing | None = None,
        second_hearing: SecondHearing | None = None,
        attention: Attention | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.options = options or AgentOptions()
        self.events = events or EventHub()
        self.metrics = AgentMetrics()
        self._actor = Actor(robot, gate, clock=clock, sleep=sleep, on_change=self._tell_action)
        self._delivery = Delivery(voice)
        self._hearing = hearing or Hearing()
        self._second_hearing = second_hearing or SecondHearing()
        self._attention = attention or Attention(clock=clock)
        self._gate = gate
        self._recognizer = recognizer
        self._cloud = cloud
        self.records = Records(journal, outbox)
        self._tracing = tracing or Tracing()
        self._clock = clock
        self._under_way = UnderWay(lambda: self.status.publish())
        self._repeats = Repeats()
        self._arrived = 0
        self._watching: asyncio.Task[None] | None = None
        # One thread: the recogniser's passes never compete.
        self._recognition = ThreadPoolExecutor(1, thread_name_prefix="recognition")
        self.status = Status(
            robot_id=self.options.robot_id,
            simulation=self.options.simulation,
            manifest=recognizer.manifest,
            events=self.events,
            actor=self._actor,
            gate=gate,
            delivery=self._delivery,
            hearing=self._hearing,
            second_hearing=self._second_hearing,
            cloud=cloud,
            records=self.records,
            under_way=self._under_way,
        )
        self._conduct = Conduct(
            self._actor,
            gate,
            recognizer,
            cloud,
            lines=Lines(writer, self._recognition),
            delivery=self._delivery,
            executor=self._recognition,
            tell_action=self._tell_action,
        )

    async def start(self) -> None:
        """Open the records and connect to the robot; errors of both pass through."""
        await self.records.open()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._recognition, reflex.warm_up)
        await self._actor.robot.start()
        self._hearing.start()
        self._second_hearing.start()
        self._actor.dead_man.start()
        self._watching = asyncio.create_task(self.status.watch())

    async def close(self) -> None:
        """Stop the dog, end the event streams and let go of everything."""
        self.events.close()
        if self._watching is not None:
            self._watching.cancel()
        await self._actor.close()
        await self._delivery.close()
        await self._cloud.close()
        self._hearing.close()
        self._second_hearing.close()
        self._recognition.shutdown(wait=False, cancel_futures=True)
        self.records.close()
        await asyncio.to_thread(self._tracing.close)

    def trouble(self) -> str | None:
        """Return what keeps the dog from being served safely, for a watchdog; None where nothing does."""
        return self._actor.dead_man.trouble

    # --- what callers ask ------------------------------------------------------------------------

    async def handle(
        self,
        text: str,
        lang: Language | None = None,
        source: Source = "text",
        session_id: str | None = None,
        request_id: str | None = None,
    ) -> Outcome:
        """Do what an utterance asks and return its outcome; Busy where too many are under way.

        The same `request_id` again gets the same outcome and does nothing again, except that a
        stop always stops; Conflict where the id came with other words.
        """
        with self._tracing.span("utterance") as span:
            utterance = self._arrive(source, session_id, request_id)
            # A lone surrogate, from a command line in another encoding, would make the outcome unwritable.
            utterance.text = encodable(text)
            utterance.lang = lang or guess_main_language(text)
            with self._under_way.follow(utterance):
                outcome = await self._settle(utterance, self._is_busy(), request_id is not None)
            return _note(span, outcome)

    async def hear(
        self,
        samples: Samples,
        source: Literal["audio", "microphone"] = "audio",
        *,
        push_to_talk: bool = True,
        session_id: str | None = None,
        request_id: str | None = None,
        stopped: asyncio.Event | None = None,
    ) -> Outcome:
        """Do what a recording asks and return its outcome, as `handle` does for words.

        samples: float32 of shape (n,) at 16 kHz. Where nothing was understood, or the words do not
        count (`Attention`; with `push_to_talk` nearly all do), the route is none and the execution's
        reason says why (`speech.interface.Reason`). `stopped`: what `self.stopped` was when the first
        of it arrived. SpeechUnavailable where the agent has no ears.
        """
        with self._tracing.span("utterance") as span:
            utterance = self._arrive(source, session_id, request_id)
            utterance.stopped = stopped or utterance.stopped
            utterance.hear_again = partial(self._hear_again, samples, self._arrived)
            began_at = utterance.arrived_at - len(samples) / SAMPLE_RATE_HZ
            # The recording ends some time after its words: the dog may have ended its line meanwhile.
            own_line = self._delivery.line_since(began_at)
            was_busy = self._is_busy() or own_line is not None
            heard = await self._hearing.understand(samples, push_to_talk=push_to_talk)
            busy = was_busy or self._is_busy()
            if heard.doubt is not None and not reflex.is_stop(heard.text, busy):
                heard = Heard.nothing(heard.doubt, heard.lang, heard.probability)
            answered = self._read_answer(heard.written or heard.text)
            own_line = own_line or self._delivery.line_since(began_at)
            answer = answered and answered[1]
            situation = Situation(began_at, busy, own_line, answer, addressed=push_to_talk)
            heard = self._attention.admit(heard, situation)
            utterance.hear(heard)
            utterance.own_line = None if push_to_talk else own_line
            # What people say among themselves is not recorded.
            if heard.reason in PASSED_OVER and not push_to_talk:
                return _note(span, utterance.outcome(Execution(reason=heard.reason)))
            if heard.reason is not None:
                return _note(span, await self._conclude(utterance, Execution(reason=heard.reason)))
            with self._under_way.follow(utterance):
                outcome = await self._settle(utterance, busy, request_id is not None)
            return _note(span, outcome)

    def anticipate(self, samples: Samples) -> bool:
        """Begin to understand a recording that may go on; nothing is done or noted because of it.

        Whether it has begun: where the ears have other work it has not, and nothing is lost.
        """
        return self._hearing.anticipate(samples)

    def _arrive(self, source: Source, session_id: str | None, request_id: str | None) -> Utterance:
        """Return the record of an utterance that arrives now, its words still unknown."""
        self._arrived += 1
        utterance = Utterance(
            text="",
            lang="other",
            source=source,
            session_id=session_id or "default",
            clock=self._clock,
            deadline_at=self._clock() + self.options.deadline_s,
            stopped=self._actor.stopped,
        )
        if request_id is not None:
            utterance.request_id = request_id
        return utterance

    async def _hear_again(self, samples: Samples, arrived: int) -> Heard | None:
        """Return what the second ears make of a recording; once others came after it, in doubt: a stop at most."""
        heard = await self._second_hearing.understand(samples)
        if heard is None or self._arrived == arrived:
            return heard
        return replace(heard, doubt=heard.doubt or "unsure")

    def _is_busy(self) -> bool:
        return self._conduct.is_busy()

    async def _settle(self, utterance: Utterance, busy: bool, once: bool) -> Outcome:
        """Do what the words ask; `once`: the caller gave the id, so that it must not act twice."""
        text = utterance.text
        if reflex.is_stop(text, busy):
            return await self._conclude(utterance, await self._conduct.react(utterance))
        if not any(character.isalnum() for character in clean_utterance(text)):
            return await self._conclude(utterance, Execution())
        if not once:
            return await self._attend(utterance)
        said = (text, utterance.lang, utterance.source, utterance.session_id)
        return await self._repeats.once(utterance.request_id, said, lambda: self._attend(utterance))

    def _read_answer(self, text: str) -> tuple[Question, Answer] | None:
        question = self._gate.confirmations.question()
        answer = read_answer(text, question.skill) if question else None
        return (question, answer) if question and answer else None

    async def _attend(self, utterance: Utterance) -> Outcome:
        """Take an utterance that is no stop: an answer to the open question, or a wish."""
        answered = self._read_answer(utterance.written or utterance.text)  # no yes by sound
        if answered is not None:
            question, answer = answered
            return await self._conclude(
                utterance, await self._conduct.hear(answer, question, utterance)
            )
        return await self._conclude(utterance, await self._count(self._conduct.think, utterance))

    async def _count(
        self, work: Callable[[Utterance], Awaitable[Execution]], utterance: Utterance
    ) -> Execution:
        """Do what takes its time, unless there is too much of it; Busy then."""
        if self.status.busy_with >= MAX_WAITING:
            raise Busy("too many utterances are under way; try again in a moment")
        self.status.busy_with += 1
        try:
            return await work(utterance)
        finally:
            self.status.busy_with -= 1

    async def stop(self, level: Literal["stop", "damp"] = "stop") -> list[Call]:
        """Stop all motion, or make the motors soft at once; never waits for an utterance."""
        self._delivery.hush()
        return await (self._actor.stop() if level == "stop" else self._actor.damp())

    async def confirm(self, request_id: str, accept: bool) -> Outcome:
        """Finish an utterance that needed a person's yes; NotFound where none waits by that id."""
        utterance, skill_name = self._conduct.asked, self._gate.confirmations.skill_of(request_id)
        if utterance is None or utterance.request_id != request_id or skill_name is None:
            raise NotFound("no action waits for this confirmation")
        self._conduct.asked = None
        answer = self._gate.confirmations.answer(request_id, accept)
        if isinstance(answer, Refusal):
            execution = self._conduct.decline(answer, skill_name, utterance)
            return await self._conclude(utterance, execution)
        # The yes is a fresh wish: it has its own time, and only a stop after it overtakes it.
        utterance.deadline_at = self._clock() + self.options.deadline_s
        utterance.stopped = self._actor.stopped
        utterance.say = ""  # the question has been said
        return await self._conclude(utterance, await self._conduct.act(answer, utterance))

    async def answer_late(self, request_id: str) -> Outcome:
        """Ask the cloud again what an utterance of the outbox got no answer to.

        The answer is spoken and moves nothing, whatever it names. NotFound where none waits by that id.
        """
        entry = await self.records.find(request_id)
        utterance = Utterance(
            text=entry.text,
            lang=entry.lang,
            source="text",
            session_id=entry.session_id,
            clock=self._clock,
            deadline_at=self._clock() + self.options.deadline_s,
            stopped=self._actor.stopped,
            request_id=entry.request_id,
        )
        execution = await self._count(self._conduct.answer_late, utterance)
        outcome = await self._conclude(utterance, execution)
        if outcome.route == "cloud" and outcome.execution.state != "preempted":
            with contextlib.suppress(NotFound):  # the person has cleared it meanwhile
                await self.records.drop(request_id)
        return outcome

    @property
    def stopped(self) -> asyncio.Event:
        """Set by the next stop; what arrived before that does not move the dog after it."""
        return self._actor.stopped

    @property
    def manifest(self) -> BundleManifest:
        """The manifest of the bundle that decides."""
        return self._recognizer.manifest

    def _tell_action(self) -> None:
        active = self._actor.active
        if active is not None and active.say_is_whole:
            self._delivery.begin(active.wish.request_id, active.wish.skill.name, active.say)
        self.status.publish()

    async def _conclude(self, utterance: Utterance, execution: Execution) -> Outcome:
        if utterance.route == "edge" and execution.state in _DONE and execution.skill != "StopMove":
            self._cloud.note_done(utterance)
        outcome = utterance.outcome(execution)
        self.metrics.concluded(outcome)
        self.events.publish("outcome", outcome.model_dump_json())
        self._delivery.conclude(outcome)
        self.status.publish()
        await self.records.note(utterance, outcome)
        self.status.publish()  # the outbox may have grown
        return outcome


def _note(span: Span, outcome: Outcome) -> Outcome:
    span.note("request_id", outcome.request_id)
    span.note("route", outcome.route)
    span.note("execution", outcome.execution.state)
    span.note("asr_ms", outcome.timings_ms.asr)
    span.note("intent_ms", outcome.timings_ms.intent)
    span.note("cloud_ms", outcome.timings_ms.cloud)
    return outcome
