"""One deferred utterance on its way through the engine: spoken pieces, then the reply."""

from collections.abc import AsyncIterator

from cloud_server.engine import Done, Engine, GenerationRequest, SpokenAnswer, Token
from shared.errors import NotFound, RequestError
from shared.messages import IntentReply, IntentRequest, IntentTimings, TokenEvent, Usage
from shared.tags import print_tag
from shared.text import clean_utterance

LEAST_BELIEF = 0.05
"""The probability on the edge below which a skill of the attached model's is not passed on."""


class Answering:
    """Submits the utterance when made; iterate once for TokenEvents and the IntentReply.

    The pieces' text, joined, is the reply's `say`. Raises, when made: Busy, NotFound for a model
    that is not served, RequestError for a text of nothing but control characters.
    """

    def __init__(self, engine: Engine, request: IntentRequest, deadline_s: float) -> None:
        served = engine.served
        if request.model not in (None, served.name):
            raise NotFound(f"this service serves {served.name} and no other model")
        if not clean_utterance(request.text):
            raise RequestError("body.text: there is nothing to read in it")
        self._request = request
        self._model_name = served.name
        self._stream = engine.submit(
            GenerationRequest(
                request_id=request.request_id,
                prompt_ids=tuple(served.encoder.encode_prompt(request.text)),
                max_tokens=request.max_tokens,
                deadline_s=deadline_s,
            )
        )

    def cancel(self) -> None:
        """Free the utterance's place in the engine; harmless after the end."""
        self._stream.cancel()

    async def events(self) -> AsyncIterator[TokenEvent | IntentReply]:
        """Yield what may be spoken and then the reply; nothing more after `cancel`."""
        spoken = SpokenAnswer(self._request.lang, self._edge_believes)
        async for event in self._stream:
            if isinstance(event, Token):
                if piece := spoken.feed(event.text):
                    yield TokenEvent(text=piece)
                continue
            ending = spoken.finish(event.finish_reason)
            if ending.rest:
                yield TokenEvent(text=ending.rest)
            yield self._reply(event, ending.say, ending.skills)

    def _edge_believes(self, name: str) -> bool:
        """Return whether the detached shadow, if it was asked, holds the skill possible at all.

        The shadow knows commands better than the attached base does, so a skill that it rules out
        is a mistake of the base's and must not move a dog.
        """
        edge = self._request.edge
        return edge is None or dict(edge.posterior).get(print_tag(name), 0.0) >= LEAST_BELIEF

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
