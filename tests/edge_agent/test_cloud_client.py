"""The edge's client: each failure by its own name, and all of it within the deadline."""

import asyncio
import json
import socket

import httpx
import pytest

from edge_agent.cloud_answer import MAX_ANSWER_BYTES
from edge_agent.cloud_client import CloudClient
from edge_agent.routing import Patience
from shared.errors import (
    CloudError,
    CloudProtocolError,
    CloudRefused,
    CloudTimeout,
    CloudUnreachable,
    ConfigurationError,
)
from shared.messages import IntentRequest

GUARD_S = 30.0
SOON_S = 0.05
REQUEST = IntentRequest(request_id="q-1", robot_id="d", session_id="s", text="天气？", lang="zh")
REPLY = {
    "request_id": "q-1",
    "model": "m",
    "say": "晴天。",
    "skills": [],
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    "timings_ms": {"queue": 0.1, "first_token": 5.0, "total": 9.0},
    "a_newer_servers_key": 1,
}
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


ANSWER = event("token", {"text": "晴"}) + event("token", {"text": "天。"}) + event("done", REPLY)


class Chunks(httpx.AsyncByteStream):
    """A body that comes in pieces; an exception among them is raised, None waits for ever."""

    def __init__(self, *chunks: bytes | Exception | None) -> None:
        self.chunks = chunks

    async def __aiter__(self):
        for chunk in self.chunks:
            if chunk is None:
                await asyncio.Event().wait()
            elif isinstance(chunk, Exception):
                raise chunk
            else:
                yield chunk


ONCE = Patience(attempts=1)


def ask(answer, *, deadline_s=GUARD_S, on_token=lambda text: None, key=None, patience=ONCE):
    """Return what the client makes of `answer`: a response, an exception, or a function."""

    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    async def go():
        transport = httpx.MockTransport(handle)
        async with CloudClient(
            "http://cloud:8090", key, patience=patience, transport=transport
        ) as client:
            return await client.ask(REQUEST, deadline_s, on_token)

    return asyncio.run(go())


def streamed(*chunks: bytes | Exception | None, status=200, headers=None) -> httpx.Response:
    return httpx.Response(status, headers=headers or SSE, stream=Chunks(*chunks))


def test_an_answer_is_told_piece_by_piece_and_returned():
    heard: list[str] = []
    reply = ask(streamed(*(bytes([byte]) for byte in ANSWER)), on_token=heard.append)
    assert heard == ["晴", "天。"]
    assert (reply.say, reply.skills, reply.usage.completion_tokens) == ("晴天。", [], 3)


def test_what_is_sent_is_the_contracts_form():
    sent: list[httpx.Request] = []

    def answer(request):
        sent.append(request)
        return streamed(ANSWER)

    ask(answer, key="the-key", deadline_s=20)
    (request,) = sent
    assert (request.method, request.url) == ("POST", "http://cloud:8090/v1/intents")
    assert IntentRequest.model_validate_json(request.content) == REQUEST
    assert request.headers["authorization"] == "Bearer the-key"
    assert request.headers["accept"] == "text/event-stream"
    # Less than the edge's own 20 s, so that a "deadline" answer still arrives in time.
    assert 19_700 <= int(request.headers["shadowdog-deadline-ms"]) <= 19_750


def test_the_whole_is_bounded_by_the_deadline():
    async def stall(request):
        await asyncio.Event().wait()

    for answer in (stall, streamed(None), streamed(event("token", {"text": "晴"}), None)):
        with pytest.raises(CloudTimeout):
            ask(answer, deadline_s=SOON_S)


@pytest.mark.parametrize("deadline_s", [0, -1])
def test_without_time_left_nothing_is_sent(deadline_s):
    with pytest.raises(CloudTimeout, match="no time"):
        ask(AssertionError("it was asked"), deadline_s=deadline_s)


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.ReadError("x")],
)
def test_no_connection_is_unreachable(error):
    with pytest.raises(CloudUnreachable):
        ask(error)


def test_a_port_that_nobody_listens_on_is_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but it does not listen

        async def go():
            async with CloudClient(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
                await client.ask(REQUEST, GUARD_S)

        with pytest.raises(CloudUnreachable):
            asyncio.run(go())


def test_the_environments_proxy_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("NO_PROXY", "")

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + ANSWER)
        await writer.drain()
        writer.close()

    async def go():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, CloudClient(f"http://127.0.0.1:{port}") as client:
            return await client.ask(REQUEST, GUARD_S)

    assert asyncio.run(go()).say == "晴天。"


@pytest.mark.parametrize("status", [401, 404, 422, 500, 503])
def test_an_error_answer_is_a_refusal_that_says_why(status):
    body = {"code": "a_code", "message": "do this", "request_id": "q-1"}
    with pytest.raises(CloudRefused, match=f"{status} a_code: do this"):
        ask(streamed(json.dumps(body).encode(), status=status))


def test_an_error_answer_in_another_form_is_a_refusal_too():
    with pytest.raises(CloudRefused, match="502 without saying why"):
        ask(streamed(*[b"<html>"] * 10**4, status=502))


def test_an_error_event_is_a_refusal():
    body = {"code": "internal", "message": "failed", "request_id": "q-1"}
    with pytest.raises(CloudRefused, match="internal: failed"):
        ask(streamed(event("token", {"text": "晴"}), event("error", body)))


BROKEN = {
    "cut before done": streamed(event("token", {"text": "晴"})),
    "cut within done": streamed(ANSWER[:-10]),
    "empty": streamed(b""),
    "connection lost": streamed(event("token", {"text": "晴"}), httpx.ReadError("gone")),
    "chunks broken off": streamed(httpx.RemoteProtocolError("incomplete chunked read")),
    "another type": httpx.Response(200, json=REPLY),
    "no type": httpx.Response(200, stream=Chunks(ANSWER)),
    "no content": httpx.Response(204),
    "redirect": httpx.Response(307, headers={"Location": "http://elsewhere/v1/intents"}),
    "compressed": streamed(ANSWER, headers={**SSE, "Content-Encoding": "gzip"}),
    "oversize": streamed(*[b"data: " + b"x" * 65_536] * (MAX_ANSWER_BYTES // 65_536 + 1)),
    "endless remarks": streamed(*[b": x\n" * 16_384] * (MAX_ANSWER_BYTES // 65_536 + 1)),
    "not utf-8": streamed(b"data: \xff\xfe\n\n"),
    "not json": streamed(b"event: token\ndata: {\n\n"),
    "token without text": streamed(event("token", {})),
    "done without say": streamed(event("done", {"request_id": "q-1"})),
    "another request's id": streamed(event("done", {**REPLY, "request_id": "q-2"})),
    "a skill that is none": streamed(event("done", {**REPLY, "skills": ["Fly"]})),
    "more skills than anybody asked for": streamed(event("done", {**REPLY, "skills": ["Sit"] * 5})),
    "a sermon": streamed(event("done", {**REPLY, "say": "x" * 20_000})),
    "a lone surrogate": streamed(b'event: token\ndata: {"text": "\\ud800"}\n\n'),
    "skills of a wrong type": streamed(event("done", {**REPLY, "skills": "Sit"})),
    "an unknown finish": streamed(event("done", {**REPLY, "finish_reason": "bored"})),
}


@pytest.mark.parametrize("name", BROKEN)
def test_anything_but_the_contract_is_a_protocol_error(name):
    with pytest.raises(CloudProtocolError):
        ask(BROKEN[name])


def test_something_that_is_no_http_is_a_protocol_error():
    with pytest.raises(CloudProtocolError):
        ask(httpx.RemoteProtocolError("illegal status line"))


def test_a_callers_own_fault_in_on_token_is_not_renamed():
    def stumble(text):
        raise KeyError("the caller's fault")

    with pytest.raises(KeyError):
        ask(streamed(ANSWER), on_token=stumble)


@pytest.mark.parametrize("url", ["cloud:8090", "ftp://cloud", "http://", "", "http://[::1"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigurationError):
        CloudClient(url)


@pytest.mark.parametrize("key", ["钥匙", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_refused(key):
    with pytest.raises(ConfigurationError, match="ASCII"):
        CloudClient("http://cloud", key)


def refusal(status, **headers):
    return lambda: streamed(b"{}", status=status, headers=headers)


PASSING = {
    "no connection": lambda: httpx.ConnectError("refused"),
    "closed before any answer": lambda: httpx.RemoteProtocolError(
        "Server disconnected without sending a response."
    ),
    "broken before any answer": lambda: httpx.ReadError("reset"),
    "busy": refusal(503),
    "too many": refusal(429, **{"Retry-After": "0"}),
    "a gateway without its cloud": refusal(502),
}
LASTING = {
    "a connection that takes too long": lambda: httpx.ConnectTimeout("x"),
    "a key that is none": refusal(401),
    "a fault of the cloud's": refusal(500),
    "more patience than there is": refusal(503, **{"Retry-After": "60"}),
    "an answer that has begun": lambda: streamed(event("token", {"text": "晴"})),
    "no http": lambda: httpx.RemoteProtocolError("illegal status line"),
}


class Sequence:
    """Answers one after the other; notes what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0)()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def patience() -> Patience:
    return Patience(chance=lambda: 0.0)


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again_with_what_is_left_of_the_deadline(name, patience):
    answers = Sequence(PASSING[name], lambda: streamed(ANSWER))
    assert ask(answers, deadline_s=20, patience=patience).say == "晴天。"
    first, second = (int(each.headers["shadowdog-deadline-ms"]) for each in answers.asked)
    assert second <= first - 100  # the pause
    assert answers.asked[0].content == answers.asked[1].content  # the same request_id


@pytest.mark.parametrize("name", LASTING)
def test_what_does_not_pass_is_not_asked_again(name, patience):
    answers = Sequence(LASTING[name])
    with pytest.raises(CloudError):
        ask(answers, patience=patience)
    assert len(answers.asked) == 1


def test_patience_ends_after_three_attempts(patience):
    answers = Sequence(*[PASSING["no connection"]] * 3)
    with pytest.raises(CloudUnreachable):
        ask(answers, patience=patience)
    assert len(answers.asked) == 3


@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_certificates_that_are_none_are_refused(tmp_path, content):
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="EDGE_CLOUD_CERTIFICATES"):
        CloudClient("https://cloud", certificates=path)
