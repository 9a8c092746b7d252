"""`POST /v1/audio`: who may send what, what becomes of it, and that a stop never waits for it."""

import asyncio
import io
import threading
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest

from edge_agent import recordings
from edge_agent.agent import Agent
from edge_agent.api import create_app
from edge_agent.settings import EdgeSettings
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Heard, Samples, Wanted
from edge_agent.speech.recording import MAX_RECORDING_BYTES

pytest.importorskip("av", reason="PyAV (shadowdog[speech]) is not installed")

TIME_LIMIT_S = 20
WAV = {"Content-Type": "audio/wav"}
Test = Callable[[httpx.AsyncClient, Any], Awaitable[None]]


class Ears:
    name = "text"

    def __init__(self) -> None:
        self.says = Heard("sit", "en", 0.9)
        self.given: list[tuple[Samples, bool]] = []
        self.ahead: list[Samples] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def open(self) -> None: ...

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        self.given.append((samples, push_to_talk))
        assert self.go_on.wait(TIME_LIMIT_S)
        return self.says

    def anticipate(self, samples: Samples, wanted: Wanted) -> None:
        self.ahead.append(samples)


def record(seconds: float = 0.5) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(np.full(int(16_000 * seconds), 1000, "<i2").tobytes())
    return file.getvalue()


@pytest.fixture
def serve(make_parts: Any) -> Callable[..., None]:
    def run(test: Test, ears: bool = True, **given: Any) -> None:
        async def inside() -> None:
            parts = make_parts()
            parts.ears = Ears()
            agent: Agent = parts.agent
            agent._hearing = Hearing(parts.ears if ears else None)
            transport = httpx.ASGITransport(create_app(agent, EdgeSettings(**given)))
            url = "http://127.0.0.1:8080"
            async with httpx.AsyncClient(transport=transport, base_url=url) as http:
                await test(http, parts)

        asyncio.run(asyncio.wait_for(inside(), TIME_LIMIT_S))

    return run


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "request_id"}


def test_a_recording_becomes_an_outcome(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        query = {"request_id": "mine-1", "session_id": "s"}
        answer = await http.post("/v1/audio", content=record(), headers=WAV, params=query)
        assert answer.status_code == 200
        outcome = answer.json()
        assert (outcome["text"], outcome["source"]) == ("sit", "audio")
        assert (outcome["request_id"], outcome["heard_probability"]) == ("mine-1", 0.9)
        assert outcome["execution"]["state"] == "confirmed"
        assert parts.robot.performed == ["Sit"]
        [(samples, push_to_talk)] = parts.ears.given
        assert (samples.shape, push_to_talk) == ((8000,), True)

        again = await http.post("/v1/audio", content=record(), headers=WAV, params=query)
        assert again.json()["request_id"] == "mine-1"
        assert parts.robot.performed == ["Sit"]  # a request sent again does not act again

    serve(test)


def test_an_open_microphone_needs_the_wake_phrase(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        query = {"source": "microphone", "push_to_talk": "false"}
        answer = await http.post("/v1/audio", content=record(), headers=WAV, params=query)
        assert (answer.json()["route"], answer.json()["source"]) == ("none", "microphone")
        assert parts.robot.performed == []
        assert parts.ears.given[0][1] is False

    serve(test)


def test_nothing_understood_moves_nothing(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.ears.says = Heard.nothing("noise")
        outcome = (await http.post("/v1/audio", content=record(), headers=WAV)).json()
        assert (outcome["route"], outcome["tag"], outcome["text"]) == ("none", None, "")
        assert outcome["execution"] == {
            "state": "none",
            "reason": "noise",
            "skill": None,
            "calls": [],
        }
        assert parts.recognizer.asked == []

    serve(test)


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("text/plain", record(), 415, "audio_unsupported"),  # what a form could send unasked
        ("multipart/form-data; boundary=x", record(), 415, "audio_unsupported"),
        ("application/x-www-form-urlencoded", record(), 415, "audio_unsupported"),
        ("audio/mpeg", record(), 415, "audio_unsupported"),
        ("", record(), 415, "audio_unsupported"),
        ("audio/wav", b"", 422, "audio_invalid"),
        ("audio/wav", b"RIFF and no more", 422, "audio_invalid"),
        ("audio/webm;codecs=opus", record(), 422, "audio_invalid"),
        ("audio/wav", record(15.2), 413, "audio_too_long"),
        ("audio/wav", record(100.0), 413, "too_large"),
    ],
)
def test_bad_audio_is_refused_with_a_code(
    serve: Any, kind: str, body: bytes, status: int, code: str
) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        answer = await http.post("/v1/audio", content=body, headers={"Content-Type": kind})
        assert_refused(answer, status, code)
        assert parts.ears.given == []

    serve(test)


@pytest.mark.parametrize(
    "query", [{"request_id": "a/b"}, {"source": "radio"}, {"push_to_talk": "maybe"}]
)
def test_a_wrong_query_is_refused(serve: Any, query: dict[str, str]) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        answer = await http.post("/v1/audio", content=record(), headers=WAV, params=query)
        assert_refused(answer, 422, "request_invalid")
        assert parts.ears.given == []

    serve(test)


def test_a_streamed_body_is_bounded_too(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(MAX_RECORDING_BYTES // 65536 + 1):
                yield bytes(65536)

        answer = await http.post("/v1/audio", content=chunks(), headers=WAV)
        assert_refused(answer, 413, "too_large")

    serve(test)


def test_only_the_agents_own_callers_get_in(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Origin": "https://evil.example"}, 403),
            ({"Host": "evil.example"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
        ):
            paired = {"Authorization": "Bearer a pairing token"} if status == 403 else {}
            answer = await http.post(
                "/v1/audio", content=record(), headers={**WAV, **paired, **headers}
            )
            assert answer.status_code == status
        assert parts.ears.given == []

    serve(test, pairing_token="a pairing token")


def test_an_agent_without_ears_says_so(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        answer = await http.post("/v1/audio", content=record(), headers=WAV)
        assert_refused(answer, 503, "speech_unavailable")

    serve(test, ears=False)


def test_a_stop_while_a_recording_arrives_keeps_it_from_moving_the_dog(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            whole = record()
            yield whole[:1000]
            begun.set()
            await go_on.wait()
            yield whole[1000:]

        sending = asyncio.create_task(http.post("/v1/audio", content=slowly(), headers=WAV))
        await begun.wait()
        stop = await http.post("/v1/stop", json={"level": "stop"})
        assert [call["api_id"] for call in stop.json()["calls"]] == [1003]
        go_on.set()
        outcome = (await sending).json()
        assert (outcome["text"], outcome["execution"]["state"]) == ("sit", "preempted")
        assert parts.robot.performed == []

    serve(test)


def test_a_stop_does_not_wait_for_what_is_being_understood(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.ears.go_on.clear()
        sending = asyncio.create_task(http.post("/v1/audio", content=record(), headers=WAV))
        while not parts.ears.given:
            await asyncio.sleep(0)
        assert (await http.post("/v1/stop", json={})).status_code == 200
        parts.ears.go_on.set()
        assert (await sending).json()["execution"]["state"] == "preempted"
        assert parts.robot.performed == []

    serve(test)


def test_the_state_shows_what_was_heard_while_the_dog_moves(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.robot.hold = True
        sending = asyncio.create_task(http.post("/v1/audio", content=record(), headers=WAV))
        await parts.robot.begun.wait()
        [news] = (await http.get("/v1/state")).json()["under_way"]
        assert (news["source"], news["text"], news["heard_probability"]) == ("audio", "sit", 0.9)
        assert (news["route"], news["tag"], news["probability"]) == ("edge", "[Sit()]", 0.9)
        parts.robot.release.set()
        await sending
        assert (await http.get("/v1/state")).json()["under_way"] == []

    serve(test)


def test_too_many_at_once_and_too_slow_ones(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        desk = recordings.Desk()
        async with desk.place(), desk.place(), desk.place(), desk.place():
            with pytest.raises(recordings.Busy):
                async with desk.place():
                    pass
        async with desk.place():  # all were given back
            pass

        async def never() -> AsyncIterator[bytes]:
            yield b"RIFF"
            await asyncio.Event().wait()

        monkeypatch.setattr(recordings, "RECEIVE_TIMEOUT_S", 0.01)
        app = create_app(parts.agent, EdgeSettings())
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as slow:
            answer = await slow.post("/v1/audio", content=never(), headers=WAV)
            assert_refused(answer, 504, "deadline_passed")

    serve(test)


@pytest.mark.parametrize("words", ["sit", "stop"])
def test_what_comes_early_is_understood_and_nothing_is_done(serve: Any, words: str) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.ears.says = Heard(words, "en", 0.9)
        early = await http.post("/v1/audio/early", content=record(), headers=WAV)
        assert (early.status_code, early.json()) == (202, {"begun": False})  # the ears are not open
        await http.post("/v1/audio", content=record(), headers=WAV)
        done, stops = list(parts.robot.performed), parts.robot.stops
        subscription = parts.agent.events.subscribe()
        early = await http.post("/v1/audio/early", content=record(), headers=WAV)
        assert (early.status_code, early.json()) == (202, {"begun": True})
        while not parts.ears.ahead:
            await asyncio.sleep(0)
        assert (len(parts.ears.given), parts.ears.ahead[0].shape) == (1, (8000,))
        assert (parts.robot.performed, parts.robot.stops) == (done, stops)
        assert subscription._queue.empty()
        assert (await http.get("/v1/state")).json()["under_way"] == []

    serve(test)


def test_what_comes_early_is_refused_like_a_whole_recording(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        for kind, body, status, code in (
            ("text/plain", record(), 415, "audio_unsupported"),
            ("audio/wav", b"RIFF and no more", 422, "audio_invalid"),
            ("audio/wav", record(15.2), 413, "audio_too_long"),
            ("audio/wav", record(100.0), 413, "too_large"),
        ):
            headers = {"Content-Type": kind}
            answer = await http.post("/v1/audio/early", content=body, headers=headers)
            assert_refused(answer, status, code)
        assert (parts.ears.ahead, parts.ears.given) == ([], [])

    serve(test)


def test_only_one_early_recording_arrives_at_once(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield record()[:1000]
            begun.set()
            await go_on.wait()
            yield record()[1000:]

        early = "/v1/audio/early"
        sending = asyncio.create_task(http.post(early, content=slowly(), headers=WAV))
        await begun.wait()
        assert_refused(await http.post(early, content=record(), headers=WAV), 503, "busy")
        whole = await http.post("/v1/audio", content=record(), headers=WAV)
        assert whole.status_code == 200  # and takes no place from a whole one
        go_on.set()
        assert (await sending).status_code == 202

    serve(test)
