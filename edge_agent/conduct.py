"""What the dog does about one utterance: recognise, decide, act here or ask the cloud."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from edge_agent import reflex, speaking
from edge_agent.acting import Actor
from edge_agent.audio.delivery import Delivery
from edge_agent.confirmation import Question
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate
from edge_agent.lines import Lines
from edge_agent.mending.by_name import Called
from edge_agent.mending.second_try import may_be_guessed
from edge_agent.recognition import Decision, Recognition
from edge_agent.speech.interface import Heard
from edge_agent.utterance import Utterance
from edge_agent.verdict import Refusal
from shared.messages import IntentReply
from shared.outcome import Execution
from shared.repeat_phrases import is_repeat
from shared.skills import Skill, Tier, skill
from shared.tags import REMOTE, parse_tag, print_tag
from shared.text import clean_answer

_UNHEARD = Refusal("name_not_heard", "its name was not heard as such; say it again")


def decide(recognizer: Recognition, text: str, written: str | None) -> tuple[Decision, str]:
    """Return the decision on an utterance and its tag.

    written: what was heard, where `text` is that mended by sound. Going soft and what leaves the ground need that
    to say so, too: a guess at what was meant is not enough for them, nor for a name that is all the reason.
    """
    decision = recognizer.decide(text)
    is_enough = may_be_guessed(decision.tag) and not isinstance(decision, Called)
    if written is None or is_enough:
        return decision, decision.tag
    as_written = recognizer.decide(written)
    return as_written, decision.tag if as_written.tag == decision.tag else REMOTE


Deciding = Callable[[Recognition, str, str | None], tuple[Decision, str]]


def decide_again(recognizer: Recognition, text: str, written: str | None) -> tuple[Decision, str]:
    """Return the decision on what second ears heard where the first gave nothing to act on, and its tag.

    They neither go soft nor leave the ground: that has to be heard the first time.
    """
    decision, tag = decide(recognizer, text, written)
    return decision, tag if may_be_guessed(tag) else REMOTE


def _may_be_an_echo(stop: Utterance, execution: Execution) -> bool:
    """Return whether a stop may be the dog's own answer to a stop, heard a little wrongly.

    It stops the dog like any other, but its line would be heard as the next one, without end. That a stop
    did not get through is said, unless that is the very line.
    """
    own = stop.own_line
    if own is None or not reflex.is_stop(own, moving=True):
        return False
    return execution.state != "failed" or stop.say == own


class Conduct:
    """Settles for each utterance what is done and what is said; `asked` waits for a person's yes.

    `executor` is the one thread that owns the recogniser; `tell_action` is called when the line of
    the action under way has grown.
    """

    def __init__(
        self,
        actor: Actor,
        gate: Gate,
        recognizer: Recognition,
        cloud: CloudWay,
        *,
        lines: Lines,
        delivery: Delivery,
        executor: Executor,
        tell_action: Callable[[], None],
    ) -> None:
        self.asked: Utterance | None = None
        self._actor = actor
        self._gate = gate
        self._recognizer = recognizer
        self._cloud = cloud
        self._lines = lines
        self._delivery = delivery
        self._executor = executor
        self._tell_action = tell_action

    def is_busy(self) -> bool:
        """Whether the dog moves or speaks, so that a stop counts wherever it is said."""
        return self._actor.in_motion() or self._delivery.speaking

    async def react(self, utterance: Utterance) -> Execution:
        """Stop, by reflex."""
        utterance.route = "reflex"
        utterance.decide("StopMove")
        execution = await self.act(skill("StopMove"), utterance)
        if _may_be_an_echo(utterance, execution):
            utterance.say = ""
        return execution

    async def think(self, utterance: Utterance) -> Execution:
        """Recognise and decide; act here or ask the cloud."""
        wanted, heard = await self._decide(utterance), None
        if wanted is None and (heard := await self._hear_again(utterance)):
            utterance.hear(heard)
            if reflex.is_stop(heard.text, self.is_busy()):
                return await self.react(utterance)
            wanted = await self._decide(utterance, decide_again)
        if wanted is None:
            return await self._ask_cloud(utterance, heard_again=heard is not None)
        utterance.route = "edge"
        return await self.act(wanted, utterance)

    async def _decide(self, utterance: Utterance, way: Deciding = decide) -> Skill | None:
        """Return the skill that the words ask for, None where they are deferred, and note the decision."""
        loop = asyncio.get_running_loop()
        decision, tag = await loop.run_in_executor(
            self._executor, way, self._recognizer, utterance.text, utterance.written
        )
        name = parse_tag(tag)
        # "Again" names nothing by itself; the cloud's session knows what it means.
        is_deferred = name is None or name == "REMOTE" or is_repeat(utterance.text)
        wanted = None if is_deferred else skill(str(name))
        utterance.posterior = list(decision.posterior.ranked)
        utterance.confidence, utterance.seconded = decision.confidence, decision.seconded
        utterance.decide(wanted.name if wanted else None, decision.probability)
        return wanted

    async def _hear_again(self, utterance: Utterance) -> Heard | None:
        """Return what the second ears make of a Chinese recording, None where that is nothing to go by."""
        again, utterance.hear_again = utterance.hear_again, None  # the recording is kept no longer
        if again is None or utterance.lang != "zh" or is_repeat(utterance.text):
            return None
        heard = await again()
        if heard is None or heard.reason is not None:
            return None
        # Doubtful words can stop the dog and nothing else.
        counts = heard.doubt is None or reflex.is_stop(heard.text, self.is_busy())
        return heard if counts else None

    async def hear(self, answer: str, question: Question, utterance: Utterance) -> Execution:
        """Settle the open question by a spoken answer; only a yes that names the skill moves."""
        utterance.route = "edge"
        name = question.skill.name
        if answer == "unnamed":
            utterance.say = speaking.say_name_it(question.skill, utterance.lang)
            return Execution(state="needs_confirmation", reason="skill_not_named", skill=name)
        settled = self._gate.confirmations.answer(
            question.request_id, answer == "yes", by=utterance.request_id
        )
        if isinstance(settled, Refusal):
            return self.decline(settled, name, utterance)
        utterance.decide(name)
        return await self.act(settled, utterance)

    def decline(self, refusal: Refusal, skill_name: str, utterance: Utterance) -> Execution:
        """Return the outcome of a wish or yes that does not count, and settle what is said to it."""
        execution = Execution(state="refused", reason=refusal.reason, skill=skill_name)
        utterance.say = speaking.say_trouble(execution, utterance.lang) or ""
        return execution

    async def act(self, wanted: Skill, utterance: Utterance) -> Execution:
        """Perform a skill and settle what the dog says to it."""
        if wanted.tier is Tier.SAFE:
            self._delivery.hush()
        writing = None
        if utterance.route == "edge" and self._lines.writes(wanted):
            writing = asyncio.create_task(self._write_line(wanted, utterance))
        elif utterance.route != "cloud" or not utterance.say:
            utterance.say = wanted.say(utterance.lang)
        execution = await self._actor.perform(wanted, utterance)
        if writing is not None:
            utterance.say = await writing
        if execution.state == "needs_confirmation":
            self.asked = utterance
            utterance.say = speaking.say_question(wanted, utterance.lang)
        elif execution.state == "preempted" and not execution.calls:
            utterance.say = ""  # it was stopped before it began, so nothing is announced
        elif not (execution.state == "expired" and utterance.route == "cloud"):
            utterance.say = speaking.say_trouble(execution, utterance.lang) or utterance.say
        return execution

    async def _write_line(self, wanted: Skill, utterance: Utterance) -> str:
        """Let the shadow word the line while the dog moves already; its pieces show in the state."""

        def show(line: str, whole: bool = False) -> None:
            active = self._actor.active
            if active is not None and active.wish.request_id == utterance.request_id:
                active.say, active.say_is_whole = line, whole
                self._tell_action()

        line = await self._lines.say(wanted, utterance.text, utterance.lang, show)
        show(line, whole=True)
        return line

    async def _ask_cloud(self, utterance: Utterance, *, heard_again: bool) -> Execution:
        """Defer the utterance; what comes back is said, and done only through the gate.

        heard_again: the words are second ears'. As where they were mended by sound, the cloud's skill is a guess
        at them, too.
        """
        guessed = heard_again or utterance.written is not None
        answer = await self._consult(utterance)
        if isinstance(answer, Execution):
            return answer
        execution = Execution()
        for name in answer.skills:
            before = execution.calls
            if guessed and not may_be_guessed(print_tag(name)):
                execution = self.decline(_UNHEARD, name, utterance)
            else:
                execution = await self.act(skill(name), utterance)
            execution = execution.model_copy(update={"calls": [*before, *execution.calls]})
            if execution.state != "confirmed":
                break
        if not utterance.say and execution.skill is None:
            utterance.say = speaking.CLOUD_SILENT.say(utterance.lang)
        return execution

    async def answer_late(self, utterance: Utterance) -> Execution:
        """Ask the cloud about an utterance whose time is over: the answer is said and moves nothing."""
        utterance.decide(None)
        answer = await self._consult(utterance)
        if isinstance(answer, Execution):
            return answer
        utterance.say = utterance.say or speaking.CLOUD_SILENT.say(utterance.lang)
        if answer.skills:
            return Execution(state="expired", reason="late_answer", skill=answer.skills[0])
        return Execution()

    async def _consult(self, utterance: Utterance) -> IntentReply | Execution:
        """Return the cloud's answer with `say` settled, or what the utterance ends in without one."""
        utterance.route = "cloud"
        state = self._actor.robot.state()
        answer = await self._cloud.ask(utterance, state, self._recognizer.manifest.fingerprint)
        if answer is None:
            return Execution(state="preempted", reason="stopped")
        if not isinstance(answer, IntentReply):
            utterance.route = "offline"
            utterance.say = speaking.say_absent(answer.error, utterance.lang)
            return Execution(reason=answer.code)
        utterance.say = clean_answer(answer.say)
        return answer
