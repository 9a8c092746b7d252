"""The edge's way to the cloud: one streamed question, bounded by its deadline, each failure named."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from typing_extensions import Self

from edge_agent.event_stream import EventParser, ServerSentEvent
from edge_agent.tracing import Tracing
from shared.errors import (
    CloudProtocolError,
    CloudRefused,
    CloudTimeout,
    CloudUnreachable,
    ConfigurationError,
)
from shared.messages import DEADLINE_HEADER, ErrorBody, IntentReply, IntentRequest, TokenEvent
from shared.skills import SKILL_NAMES

CONNECT_TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 256 * 1024
MAX_ERROR_BYTES = 16 * 1024
MAX_REASON_CHARACTERS = 300
MAX_ANSWER_MARGIN_S = 0.25
"""What the cloud is given less than the edge has, so that its "deadline" answer still arrives."""

Body = TypeVar("Body", bound=BaseModel)


class CloudClient:
    """Asks the cloud over HTTP; keeps connections between questions, so close it when done.

    Proxies and other settings of the environment are ignored, redirects are not followed, and
    nothing is tried twice. `transport` replaces the network in tests.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        tracing: Tracing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"the cloud's address {url!r} is no URL") from error
        if address.scheme not in ("http", "https") or not address.host:
            raise ConfigurationError(f"the cloud's address {url!r} must start with http(s)://host")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigurationError("the cloud's key may only hold printable ASCII characters")
        # identity: a compressed answer could unpack to any size.
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._tracing = tracing or Tracing()
        self._http = httpx.AsyncClient(
            base_url=address,
            headers=headers,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None] = lambda text: None,
    ) -> IntentReply:
        """Return the cloud's answer within `deadline_s` seconds; `on_token` gets each spoken piece.

        CloudUnreachable without a connection, CloudTimeout at the deadline, CloudRefused for an
        error answer, CloudProtocolError for anything that is not what CONTRACT.md says.
        """
        if deadline_s <= 0:
            raise CloudTimeout("no time was left to ask the cloud")
        with self._tracing.question() as headers:
            try:
                return await asyncio.wait_for(
                    self._ask(request, deadline_s, on_token, headers), deadline_s
                )
            except asyncio.TimeoutError:
                raise CloudTimeout(f"the cloud did not answer within {deadline_s:g} s") from None

    async def _ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None],
        headers: Mapping[str, str],
    ) -> IntentReply:
        left_s = deadline_s - min(MAX_ANSWER_MARGIN_S, deadline_s / 10)
        sent = self._http.build_request(
            "POST",
            "/v1/intents",
            content=request.model_dump_json(),
            headers={
                "Content-Type": "application/json",
                DEADLINE_HEADER: str(max(1, int(1000 * left_s))),
                **headers,
            },
        )
        response = await self._send(sent)
        try:
            await _check_head(response)
            return await _read_answer(response, request.request_id, on_token)
        except httpx.TransportError as error:
            raise CloudProtocolError(
                f"the cloud's answer broke off ({error.__class__.__name__})"
            ) from error
        finally:
            await response.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request, stream=True)
        except httpx.RemoteProtocolError as error:
            raise CloudProtocolError("what answers at the cloud's address is no HTTP") from error
        except httpx.TransportError as error:
            raise CloudUnreachable(
                f"no connection to the cloud at {self._http.base_url} ({error.__class__.__name__})"
            ) from error


async def _check_head(response: httpx.Response) -> None:
    """Raise CloudRefused for an error answer, CloudProtocolError for one that is no event stream."""
    if response.is_redirect:
        raise CloudProtocolError("the cloud's address redirects; set its final address")
    if response.is_error:
        raise CloudRefused(await _refusal(response))
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code != 200 or media_type != "text/event-stream":
        raise CloudProtocolError(
            f"the cloud answered {response.status_code} with {media_type or 'no type'}, "
            "not with an event stream"
        )
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise CloudProtocolError("the cloud's answer is compressed, which was not asked for")


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


async def _read_answer(
    response: httpx.Response, request_id: str, on_token: Callable[[str], None]
) -> IntentReply:
    parser = EventParser(max_bytes=MAX_ANSWER_BYTES)
    async for chunk in response.aiter_raw():
        for event in parser.feed(chunk):
            if event.name == "token":
                on_token(_parse(TokenEvent, event).text)
            elif event.name == "done":
                return _checked(_parse(IntentReply, event), request_id)
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


def _checked(reply: IntentReply, request_id: str) -> IntentReply:
    """Return the reply if it belongs to the question and names only skills of the catalogue."""
    if reply.request_id != request_id:
        raise CloudProtocolError("the cloud answered another question")
    if not set(reply.skills) <= set(SKILL_NAMES):
        raise CloudProtocolError("the cloud named a skill that is not in the catalogue")
    return reply
