"""The agent over HTTP: the contract's bodies, and that only the agent's own callers get in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.api import create_app, stream
from edge_agent.gate import GatePolicy
from edge_agent.guard import MAX_BODY_BYTES
from edge_agent.settings import EdgeSettings
from shared.errors import CloudTimeout

TOKEN = "a pairing token"
TIME_LIMIT_S = 20
Test = Callable[[httpx.AsyncClient, Any], Awaitable[None]]


@pytest.fixture
def serve(make_parts: Any) -> Callable[..., None]:
    def run(
        test: Test, policy: GatePolicy | None = None, outbox: Path | None = None, **given: Any
    ) -> None:
        async def inside() -> None:
            parts = make_parts(policy, outbox=outbox)
            await parts.agent.records.open()
            app = create_app(parts.agent, EdgeSettings(**given))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            url = "http://127.0.0.1:8080"
            async with httpx.AsyncClient(transport=transport, base_url=url) as http:
                await test(http, parts)

        asyncio.run(asyncio.wait_for(inside(), TIME_LIMIT_S))

    return run


def assert_error(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"code", "message", "request_id"}
    assert body["code"] == code
    assert body["message"]
    assert body["request_id"]


def test_an_utterance_becomes_an_outcome(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        answer = await http.post("/v1/utterances", json={"text": "坐下", "session_id": "s"})
        assert answer.status_code == 200
        outcome = answer.json()
        assert (outcome["route"], outcome["tag"]) == ("edge", "[Sit()]")
        assert outcome["execution"]["state"] == "confirmed"
        assert outcome["source"] == "text"

    serve(test)


def test_stop_and_damp_answer_with_their_calls(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        for body, api_id in (({}, 1003), ({"level": "stop"}, 1003), ({"level": "damp"}, 1001)):
            answer = await http.post("/v1/stop", json=body)
            assert answer.status_code == 200
            assert [call["api_id"] for call in answer.json()["calls"]] == [api_id]
        assert (await http.post("/v1/stop")).status_code == 200

    serve(test)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b'{"level": "stop"}'),
        (None, b'{"level": "damp"}'),
        ("application/x-www-form-urlencoded", b'{"level": "damp"}'),
        ("text/plain", b'{"level": "damp"}'),
        ("application/json", b'{"level": "damp"'),
        ("application/json", b'{"level": "no"}'),
        ("application/json", b'{"level": "damp", "x": 1}'),
        ("application/json", b"[" * 100_000),
        ("application/json", b"\xff"),
        ("application/json", b"null"),
    ],
)
def test_a_stop_that_is_not_understood_stops_and_is_no_damp(
    serve: Any, content_type: str | None, body: bytes
) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await http.post("/v1/stop", content=body, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["level"] == "stop"
        assert [call["api_id"] for call in answer.json()["calls"]] == [1003]

    serve(test)


def test_a_damp_may_name_the_charset(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        headers = {"Content-Type": "Application/JSON; charset=utf-8"}
        answer = await http.post("/v1/stop", content=b'{"level": "damp"}', headers=headers)
        assert [call["api_id"] for call in answer.json()["calls"]] == [1001]

    serve(test)


def test_a_body_without_its_content_type_is_told_so(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        for content_type in (None, "application/x-www-form-urlencoded"):
            headers = {"Content-Type": content_type} if content_type else {}
            body = b'{"text": "sit"}'
            answer = await http.post("/v1/utterances", content=body, headers=headers)
            assert_error(answer, 422, "request_invalid")
            assert "send `Content-Type: application/json`" in answer.json()["message"]
        wrong = await http.post("/v1/utterances", json=[])
        assert "Content-Type" not in wrong.json()["message"]

    serve(test)


def test_stop_does_not_wait_behind_an_utterance(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.robot.hold = True
        dancing = asyncio.create_task(http.post("/v1/utterances", json={"text": "dance"}))
        await parts.robot.begun.wait()
        assert (await http.post("/v1/stop", json={"level": "stop"})).status_code == 200
        assert (await dancing).json()["execution"]["state"] == "preempted"

    serve(test)


def test_a_confirmation_finishes_the_utterance(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        asked = (await http.post("/v1/utterances", json={"text": "flip"})).json()
        assert asked["execution"]["state"] == "needs_confirmation"
        path = f"/v1/confirmations/{asked['request_id']}"
        done = (await http.post(path, json={"accept": True})).json()
        assert done["execution"]["state"] == "confirmed"
        assert_error(await http.post(path, json={"accept": True}), 404, "not_found")

    serve(test, GatePolicy(allow_dangerous=True))


def test_an_utterance_sent_again_with_its_id_is_not_done_again(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        body = {"text": "sit", "request_id": "mine-1"}
        answers = [await http.post("/v1/utterances", json=body) for _ in range(2)]
        assert answers[0].json()["request_id"] == "mine-1"
        assert answers[0].json() == answers[1].json()
        assert parts.robot.performed == ["Sit"]
        other = await http.post("/v1/utterances", json={**body, "text": "dance"})
        assert_error(other, 409, "conflict")
        bad = await http.post("/v1/utterances", json={**body, "request_id": "a/b"})
        assert_error(bad, 422, "request_invalid")

    serve(test)


def test_the_outbox_is_shown_cleared_and_asked_again(serve: Any, tmp_path: Path) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.cloud.error = CloudTimeout("late")
        ids = []
        for text in ("why is the sky blue", "how far is the moon", "who are you"):
            ids.append(
                (await http.post("/v1/utterances", json={"text": text})).json()["request_id"]
            )
        shown = (await http.get("/v1/outbox")).json()["unanswered"]
        assert [each["request_id"] for each in shown] == ids
        assert shown[0]["text"] == "why is the sky blue"
        assert [each["reason"] for each in shown] == ["cloud_timeout"] * 2 + ["cloud_skipped"]

        parts.cloud.error = None
        parts.clock.now += 60.0
        late = (await http.post(f"/v1/outbox/{ids[0]}")).json()
        assert (late["route"], late["say"]) == ("cloud", "It is sunny.")
        assert_error(await http.post(f"/v1/outbox/{ids[0]}"), 404, "not_found")
        assert (await http.delete(f"/v1/outbox/{ids[1]}")).json() == {"cleared": 1}
        assert_error(await http.delete(f"/v1/outbox/{ids[1]}"), 404, "not_found")
        assert (await http.delete("/v1/outbox")).json() == {"cleared": 1}
        assert (await http.get("/v1/outbox")).json() == {"unanswered": []}

    serve(test, outbox=tmp_path / "outbox.sqlite3")


def test_state_health_and_page(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        state = (await http.get("/v1/state")).json()
        assert state["robot"]["posture"] == "standing"
        assert state["bundle"] == {"name": "fake", "fingerprint": "f" * 64}
        assert state["action"] is None
        assert (await http.get("/healthz")).json() == {"status": "alive"}
        page = await http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "http://" not in page.text  # self-contained: nothing from elsewhere
        assert "https://" not in page.text

    serve(test)


def test_events_begin_with_the_state_and_end_with_the_agent(make_parts: Any) -> None:
    async def inside() -> None:
        parts = make_parts()
        chunks = stream(parts.agent.events.subscribe(), parts.agent.status.event())
        assert (await chunks.__anext__()).startswith(b"event: state\ndata: {")
        await parts.agent.handle("坐下")
        parts.agent.events.close()
        rest = [chunk.decode() async for chunk in chunks]
        [outcome] = [chunk for chunk in rest if chunk.startswith("event: outcome\n")]
        assert outcome.endswith("\n\n")
        assert json.loads(outcome.split("data: ", 1)[1])["text"] == "坐下"
        assert parts.agent.events.listeners == 0

    asyncio.run(asyncio.wait_for(inside(), TIME_LIMIT_S))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"text": 1}',
        b"{}",
        b'{"text": "sit", "x": 1}',
        b'{"text": "sit", "lang": "fr"}',
        b'{"text": "\\ud83d"}',
        b'{"text": "' + b"a" * 100_001 + b'"}',
    ],
)
def test_a_wrong_body_is_refused_without_being_repeated(serve: Any, body: bytes) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await http.post("/v1/utterances", content=body, headers=headers)
        assert_error(answer, 422, "request_invalid")
        assert parts.recognizer.asked == []

    serve(test)


def test_unknown_paths_and_methods(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        assert_error(await http.get("/v2/state"), 404, "not_found")
        assert_error(await http.get("/openapi.json"), 404, "not_found")
        answer = await http.get("/v1/utterances")
        assert_error(answer, 405, "request_invalid")
        assert answer.headers["allow"] == "POST"

    serve(test)


def test_a_body_that_is_too_large(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        large = b" " * (MAX_BODY_BYTES + 1)
        headers = {"Content-Type": "application/json"}
        declared = await http.post("/v1/utterances", content=large, headers=headers)
        assert_error(declared, 413, "too_large")

        async def chunks() -> Any:
            for _ in range(MAX_BODY_BYTES // 65536 + 1):
                yield b" " * 65536

        streamed = await http.post("/v1/utterances", content=chunks(), headers=headers)
        assert_error(streamed, 413, "too_large")

    serve(test)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.1.5", "a@b", ""],
)
def test_a_foreign_host_is_refused(serve: Any, host: str) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        for path in ("/", "/v1/state", "/healthz"):
            assert_error(await http.get(path, headers={"Host": host}), 403, "forbidden")

    serve(test)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "dog.lan:8080"])
def test_an_own_host_is_let_in(serve: Any, host: str) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        assert (await http.get("/v1/state", headers={"Host": host})).status_code == 200

    serve(test, allowed_hosts=("dog.lan",))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_sites_page_is_refused(serve: Any, headers: dict[str, str]) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        assert_error(await http.post("/v1/stop", json={}, headers=headers), 403, "forbidden")
        assert parts.robot.stops == 0

    serve(test)


def test_the_own_page_may_call(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        headers = {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}
        assert (await http.post("/v1/stop", json={}, headers=headers)).status_code == 200

    serve(test)


def test_the_own_page_may_call_through_a_proxy_with_tls(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        headers = {"Host": "dog.lan:8443", "Sec-Fetch-Site": "same-origin"}
        for origin, status in (("https://dog.lan:8443", 200), ("https://dog.lan", 403)):
            answer = await http.post("/v1/stop", json={}, headers={**headers, "Origin": origin})
            assert answer.status_code == status

    serve(test, allowed_hosts=("dog.lan",))


def test_a_pairing_token_is_asked_for_where_one_is_set(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        for given in (None, "Bearer wrong", "Basic " + TOKEN, "Bearer"):
            headers = {"Authorization": given} if given else {}
            for path in ("/v1/stop", "/v1/utterances", "/v1/unknown"):
                answer = await http.post(path, json={"text": "sit"}, headers=headers)
                assert_error(answer, 401, "unauthorized")
            assert_error(await http.get("/v1/events", headers=headers), 401, "unauthorized")
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/")).status_code == 200
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert (await http.post("/v1/stop", json={}, headers=headers)).status_code == 200
        lan = {**headers, "Host": "192.168.1.5:8080"}
        assert (await http.get("/v1/state", headers=lan)).status_code == 200
        rebound = {**headers, "Host": "evil.example"}
        assert_error(await http.get("/v1/state", headers=rebound), 403, "forbidden")

    serve(test, host="0.0.0.0", pairing_token=TOKEN)


def test_an_unexpected_error_tells_nothing_but_its_form(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        parts.robot.error = ZeroDivisionError("inside")
        answer = await http.post("/v1/utterances", json={"text": "sit"})
        assert_error(answer, 500, "internal")
        assert "inside" not in answer.text

    serve(test)


def test_prometheus_reads_figures_and_no_words(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        await http.post("/v1/utterances", json={"text": "坐下"})
        answer = await http.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        counted = 'shadowdog_edge_outcomes_total{route="edge",source="text",state="confirmed"} 1.0'
        assert counted in answer.text
        assert "shadowdog_edge_robot_connected 1.0" in answer.text
        assert "坐下" not in answer.text

    serve(test)


def test_the_figures_need_the_token_where_there_is_one(serve: Any) -> None:
    async def test(http: httpx.AsyncClient, parts: Any) -> None:
        assert_error(await http.get("/metrics"), 401, "unauthorized")
        paired = {"Authorization": f"Bearer {TOKEN}"}
        assert (await http.get("/metrics", headers=paired)).status_code == 200

    serve(test, pairing_token=TOKEN)
