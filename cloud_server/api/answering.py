"""One deferred utterance on its way through the engine: spoken pieces, then the reply."""

from collections.abc import AsyncIterator

from cloud_server.api.repeating import skill_to_repeat
from cloud_server.api.service import Service
from cloud_server.api.sessions import SessionKey, acted_exchange, answered_exchange
from cloud_server.engine import Done, GenerationRequest, SpokenAnswer, Token
from shared.errors import RequestError
from shared.messages import (
    EdgeDecision,
    IntentReply,
    IntentRequest,
    IntentTimings,
    TokenEvent,
    Usage,
)
from shared.repeat_phrases import is_repeat
from shared.skills import Tier, skill
from shared.tags import parse_tag, print_tag
from shared.text import clean_utterance

LEAST_BELIEF = 0.5
"""The probability on the edge below which a skill of the attached model's is not passed on.

Of the calibration rows that the edge defers, 0.5 lets 8 commands through, all rightly, and 5 rows that ask for
nothing; 0.05 let through 11, one wrongly, and 14.
"""

LEAST_CONFIDENCE = 0.9
"""The same for the confidence of both of the edge's readers, where it sends one.

Above what the shipped bundle itself acts on up to tier 2, so that the cloud lets back in nothing that both readers
doubt. Of 525 calibration rows that the edge defers with some doubt the attached model names the right skill for 62 of 162
commands; where both readers give that skill 0.7 at least it would act rightly on 15 and wrongly on 14, with 0.8 on 7 and 6.
"""

LEAST_SUPPOSITION = 0.1
"""The probability on the edge from which a doubted skill is named to the speaker; never one that leaves the ground."""


def may_be_meant(
    name: str,
    text: str,
    edge: EdgeDecision | None,
    repeated: str | None,
    least: float = LEAST_BELIEF,
) -> bool:
    """Return whether a skill was asked for again, or is likely to the edge's own readers.

    least: the probability from which it is. repeated: the skill that "again" stands for in the session.
    The edge knows commands better than the attached base does, so a skill that it rules out is a
    mistake of the base's and must not move a dog. Neither knows what "again" means: there the session
    alone decides.
    """
    if is_repeat(text):
        return name == repeated
    if edge is None:
        return True
    doubted = edge.confidence is not None and edge.confidence < LEAST_CONFIDENCE
    return not doubted and _belief(name, edge) >= least


def may_be_named(name: str, edge: EdgeDecision | None) -> bool:
    """Return whether a skill that is not passed on is worth telling the speaker how to ask for."""
    if edge is None or skill(name).tier >= Tier.DANGEROUS:
        return False
    return _belief(name, edge) >= LEAST_SUPPOSITION


def _belief(name: str, edge: EdgeDecision) -> float:
    return dict(edge.posterior).get(print_tag(name), 0.0)


class Answering:
    """Submits the utterance when made; iterate once for TokenEvents and the IntentReply.

    The pieces' text, joined, is the reply's `say`. What "again" means comes from what its session
    remembers and what the dog did alone since; the prompt holds as much of both as the model can
    take. Both are remembered once the answer is whole. Raises, when made: Busy, NotFound for a model that is not served, RequestError for a
    text of nothing but control characters.
    """

    def __init__(
        self, service: Service, caller: str, request: IntentRequest, deadline_s: float
    ) -> None:
        served = service.engine.served
        if not clean_utterance(request.text):
            raise RequestError("body.text: there is nothing to read in it")
        self._request = request
        self._service = service
        self._encoder = served.encoder
        self._model_name = request.model or served.name
        self._session = SessionKey(caller, request.robot_id, request.session_id)
        self._alone = [acted_exchange(each.text, parse_tag(each.tag)) for each in request.recent]
        history = service.sessions.bound(
            [*service.sessions.recall(self._session), *self._alone], self._encoder
        )
        self._repeated = skill_to_repeat(request.text, history)
        in_prompt = history[-service.prompt_turns :] if service.prompt_turns else []
        turns = [turn for exchange in in_prompt for turn in exchange.turns]
        tag = self._encoder.encode_plain(print_tag(self._repeated)) if self._repeated else ()
        self._generation = service.generate(
            GenerationRequest(
                request_id=request.request_id,
                prompt_ids=tuple(self._encoder.encode_prompt(request.text, turns)),
                max_tokens=max(request.max_tokens, len(tag)),
                deadline_s=deadline_s,
                model=request.model,
                owner=caller,
                robot=request.robot_id,
                session_id=request.session_id if service.prompt_turns else None,
                ends_loops=True,
                forced_ids=tuple(tag),
            )
        )

    def cancel(self) -> None:
        """Free the utterance's place in the engine; harmless after the end."""
        self._generation.cancel()

    async def events(self) -> AsyncIterator[TokenEvent | IntentReply]:
        """Yield what may be spoken and then the reply; nothing more after `cancel`."""
        spoken = SpokenAnswer(self._request.lang, self._may_be_meant, self._may_be_named)
        async for event in self._generation.events():
            if isinstance(event, Token):
                if piece := spoken.feed(event.text):
                    yield TokenEvent(text=piece)
                continue
            ending = spoken.finish(event.finish_reason)
            if ending.rest:
                yield TokenEvent(text=ending.rest)
            if (
                event.finish_reason != "deadline" or ending.skills
            ):  # those the dog does all the same
                self._remember(ending.say, ending.skills)
            self._service.metrics.named(ending.skills)
            yield self._reply(event, ending.say, ending.skills)

    def _may_be_meant(self, name: str) -> bool:
        return may_be_meant(name, self._request.text, self._request.edge, self._repeated)

    def _may_be_named(self, name: str) -> bool:
        return may_be_named(name, self._request.edge)

    def _remember(self, say: str, skills: list[str]) -> None:
        exchange = answered_exchange(self._request.text, say, skills[0] if skills else None)
        self._service.sessions.remember(self._session, [*self._alone, exchange], self._encoder)

    def _reply(self, done: Done, say: str, skills: list[str]) -> IntentReply:
        return IntentReply(
            request_id=self._request.request_id,
            model=self._model_name,
            say=say,
            skills=skills,
            finish_reason=done.finish_reason,
            usage=Usage(prompt_tokens=done.prompt_tokens, completion_tokens=done.completion_tokens),
            timings_ms=IntentTimings(
                queue=done.queue_ms, first_token=done.first_token_ms, total=done.total_ms
            ),
        )
