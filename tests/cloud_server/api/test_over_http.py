"""The service behind a real server: streaming, clients that go away, readiness, and the edge's client."""

import asyncio
import contextlib
import json
import socket
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from cloud_server.app import create_app
from cloud_server.loading import make_tiny
from cloud_server.settings import CloudSettings
from edge_agent.cloud_client import CloudClient
from shared.errors import CloudRefused, ModelError
from shared.messages import IntentRequest, RecentCommand

GUARD_S = 30
SSE = {"Accept": "text/event-stream"}


@pytest.fixture
def client():
    with httpx.Client(timeout=GUARD_S, trust_env=False) as client:
        yield client


def app_of(served, **settings):
    return create_app(CloudSettings.from_environment(**settings), lambda: served)


def wait_until_loaded(app) -> None:
    app.state.engine.loaded.exception(GUARD_S)


def test_tokens_arrive_before_the_answer_is_finished(scripted, serving, intent, client):
    served = scripted("[Sit()] ab")
    heard_first = threading.Event()
    served.model.before_step = lambda: (
        heard_first.wait(GUARD_S) if served.model.calls and served.model.answers[0].steps > 8 else 0
    )
    app = app_of(served)
    with serving(app) as url:
        wait_until_loaded(app)
        response = client.send(intent(SSE, url), stream=True)
        lines = response.iter_lines()
        assert next(lines) == "event: token"
        assert next(lines) == 'data: {"text":"a"}'
        heard_first.set()  # only now can the second letter be made
        rest = list(lines)
    assert rest.count("event: token") == 1
    assert json.loads(rest[-2].removeprefix("data: "))["skills"] == ["Sit"]


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_a_client_that_goes_away_frees_its_place(
    scripted, serving, intent, client, cancelled, accept
):
    served = scripted("a", endless=True)
    two_steps_made, go_on = threading.Event(), threading.Event()

    def hold_after_two_steps():
        if len(served.model.calls) == 2:
            two_steps_made.set()
            go_on.wait(GUARD_S)

    served.model.before_step = hold_after_two_steps
    app = app_of(served, max_active=1, queue_size=1)
    with serving(app) as url:
        wait_until_loaded(app)
        gone = raw_request(url, intent({"Accept": accept}, url, max_tokens=512))
        assert two_steps_made.wait(GUARD_S)
        gone.close()
        assert cancelled.wait(GUARD_S)
        go_on.set()
        reply = client.send(intent(url=url, max_tokens=3))
    assert reply.json()["say"] == "aaa"
    assert [answer.steps for answer in served.model.answers] == [3, 3]  # never 512


def raw_request(url: str, request: httpx.Request) -> socket.socket:
    """Send a request over a bare socket, which can be closed like a dog that loses its network."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port))
    head = [f"{request.method} {request.url.path} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in request.headers.items()]
    connection.sendall("\r\n".join([*head, "", ""]).encode() + request.read())
    return connection


def test_a_full_queue_is_busy(scripted, serving, intent, client):
    served = scripted("a", endless=True)
    started, go_on = threading.Event(), threading.Event()
    served.model.before_step = lambda: (started.set(), go_on.wait(GUARD_S))
    app = app_of(served, max_active=1, queue_size=0)
    with serving(app) as url:
        wait_until_loaded(app)
        first = client.send(intent(SSE, url, max_tokens=1), stream=True)
        assert started.wait(GUARD_S)
        refused = client.send(intent(url=url))
        go_on.set()
        first.read()
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert refused.headers["retry-after"] == "1"


def test_alive_at_once_and_ready_when_the_model_is_there(scripted, serving, intent, client):
    go_on = threading.Event()

    def load():
        go_on.wait(GUARD_S)
        return scripted("x")

    app = create_app(CloudSettings.from_environment(), load)
    with serving(app) as url:
        assert client.get(f"{url}/healthz").status_code == 200
        assert client.get(f"{url}/readyz").status_code == 503
        early = client.send(intent(url=url))
        assert (early.status_code, early.json()["code"]) == (503, "busy")
        go_on.set()
        wait_until_loaded(app)
        assert client.get(f"{url}/readyz").json() == {"status": "ready", "model": "scripted"}
        assert client.send(intent(url=url)).status_code == 200


def test_a_model_that_cannot_be_loaded_is_told_and_never_ready(serving, client):
    def load():
        raise ModelError("no such shadow")

    told = threading.Event()
    app = create_app(CloudSettings.from_environment(), load, on_load_failure=told.set)
    with serving(app) as url:
        assert told.wait(GUARD_S)
        answer = client.get(f"{url}/readyz")
    assert answer.status_code == 503
    assert "no such shadow" in answer.json()["message"]


def test_the_edges_client_hears_what_the_cloud_says(scripted, serving):
    app = app_of(scripted("[Sit()] 坐下啦。"), api_keys=("the-dogs-key",))
    request = IntentRequest(request_id="q", robot_id="d", session_id="s", text="坐", lang="zh")

    async def go(url):
        heard: list[str] = []
        async with CloudClient(url, "the-dogs-key") as cloud:
            reply = await cloud.ask(request, GUARD_S, heard.append)
        async with CloudClient(url, "another-key") as cloud:
            with pytest.raises(CloudRefused, match="401 unauthorized"):
                await cloud.ask(request, GUARD_S)
        return heard, reply

    with serving(app) as url:
        wait_until_loaded(app)
        heard, reply = asyncio.run(go(url))
    assert reply.skills == ["Sit"]
    assert "".join(heard) == reply.say == "坐下啦。"


def test_the_edge_has_the_last_thing_done_again(serving):
    app = app_of(make_tiny())  # a random model, which would never name a skill by itself
    asked = IntentRequest(
        request_id="q",
        robot_id="d",
        session_id="s",
        text="狗哥，再来一次",
        lang="zh",
        recent=[RecentCommand(text="转个圈", tag="[TurnAround()]")],
        max_tokens=40,
    )
    older_edge = IntentRequest(
        request_id="r", robot_id="d", session_id="s", text="again", lang="en"
    )

    async def go(url):
        async with CloudClient(url) as cloud:
            return [await cloud.ask(each, GUARD_S) for each in (asked, older_edge)]

    with serving(app) as url:
        wait_until_loaded(app)
        first, second = asyncio.run(go(url))
    assert first.skills == ["TurnAround"]
    assert second.skills == ["TurnAround"]  # the session remembers


def refuses_newcomers(url: str) -> bool:
    address = urlsplit(url)
    for _ in range(100_000):
        try:
            socket.create_connection((address.hostname, address.port)).close()
        except OSError:
            return True
    return False


def test_a_graceful_stop_lets_an_answer_under_way_finish(scripted, serving, intent, client):
    served = scripted("[Sit()] abcdef")
    begun, go_on = threading.Event(), threading.Event()

    def hold_in_the_middle():
        if served.model.calls and served.model.answers[0].steps > 8:
            begun.set()
            go_on.wait(GUARD_S)

    served.model.before_step = hold_in_the_middle
    app = app_of(served)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(serving(app, GUARD_S))
        wait_until_loaded(app)
        response = client.send(intent(SSE, url), stream=True)
        lines = response.iter_lines()
        assert next(lines) == "event: token"
        assert begun.wait(GUARD_S)
        stopping = threading.Thread(target=stack.pop_all().close)
        stopping.start()  # as SIGTERM does
        assert refuses_newcomers(url)
        go_on.set()
        rest = list(lines)
        stopping.join(GUARD_S)
    assert json.loads(rest[-2].removeprefix("data: "))["finish_reason"] == "stop"
