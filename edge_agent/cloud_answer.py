"""The cloud's answer as it comes off the wire: strict, bounded, and belonging to the question."""

from collections.abc import Callable
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from edge_agent.event_stream import EventParser, ServerSentEvent
from shared.errors import CloudProtocolError, CloudRefused
from shared.messages import ErrorBody, IntentReply, TokenEvent
from shared.skills import SKILL_NAMES

MAX_ANSWER_BYTES = 256 * 1024
MAX_ERROR_BYTES = 16 * 1024
MAX_REASON_CHARACTERS = 300
MAX_SAY_CHARACTERS = 16_384
MAX_SKILLS = 4
"""An answer that names more is no answer to what one person said."""

Body = TypeVar("Body", bound=BaseModel)


async def check_head(response: httpx.Response) -> None:
    """Raise CloudRefused for an error answer, CloudProtocolError for one that is no event stream."""
    if response.is_redirect:
        raise CloudProtocolError("the cloud's address redirects; set its final address")
    if response.is_error:
        raise CloudRefused(
            await _refusal(response),
            response.status_code,
            _retry_after_s(response.headers.get("retry-after", "")),
        )
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code != 200 or media_type != "text/event-stream":
        raise CloudProtocolError(
            f"the cloud answered {response.status_code} with {media_type or 'no type'}, "
            "not with an event stream"
        )
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise CloudProtocolError("the cloud's answer is compressed, which was not asked for")


def _retry_after_s(value: str) -> float | None:
    """Return the seconds of a Retry-After; None without one, or where it is a date."""
    return float(value) if value.isdecimal() and len(value) < 7 else None


async def _refusal(response: httpx.Response) -> str:
    """Return what an error answer says, as far as it is in CONTRACT.md's form."""
    text = b""
    async for chunk in response.aiter_raw():
        text += chunk
        if len(text) > MAX_ERROR_BYTES:
            break
    try:
        body = ErrorBody.model_validate_json(text)
    except ValidationError:
        return f"the cloud answered {response.status_code} without saying why"
    return f"the cloud answered {response.status_code} {_cut(body)}"


async def read_answer(
    response: httpx.Response, request_id: str, on_token: Callable[[str], None]
) -> IntentReply:
    """Return the reply at the end of a stream; `on_token` gets each spoken piece.

    CloudRefused where the cloud gives the answer up, CloudProtocolError for anything that is not what
    CONTRACT.md says, httpx.TransportError where the connection breaks.
    """
    parser = EventParser(max_bytes=MAX_ANSWER_BYTES)
    async for chunk in response.aiter_raw():
        for event in parser.feed(chunk):
            if event.name == "token":
                on_token(_parse(TokenEvent, event).text)
            elif event.name == "done":
                return check_reply(_parse(IntentReply, event), request_id)
            elif event.name == "error":
                body = _parse(ErrorBody, event)
                raise CloudRefused(f"the cloud gave the answer up: {_cut(body)}")
    raise CloudProtocolError("the cloud's answer ended before its `done`")


def _cut(body: ErrorBody) -> str:
    return f"{body.code}: {body.message}"[:MAX_REASON_CHARACTERS]


def _parse(body: type[Body], event: ServerSentEvent) -> Body:
    try:
        return body.model_validate_json(event.data)
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in each["loc"]) for each in error.errors())
        raise CloudProtocolError(
            f"the cloud's `{event.name}` event is wrong in: {fields}"
        ) from None


def check_reply(reply: IntentReply, request_id: str) -> IntentReply:
    """Return the reply if it belongs to the question and names only skills of the catalogue."""
    if reply.request_id != request_id:
        raise CloudProtocolError("the cloud answered another question")
    if not set(reply.skills) <= set(SKILL_NAMES):
        raise CloudProtocolError("the cloud named a skill that is not in the catalogue")
    if len(reply.skills) > MAX_SKILLS or len(reply.say) > MAX_SAY_CHARACTERS:
        raise CloudProtocolError("the cloud's answer is longer than any answer may be")
    return reply
