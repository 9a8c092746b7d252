"""The engine without a model against real servers of the tiny one: the same events as the embedded engine's."""

import asyncio
import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable

import pytest

from cloud_server.app import create_app
from cloud_server.engine import Done, Engine, EngineLimits, GenerationRequest, Sampling, Token
from cloud_server.loading import make_tiny
from cloud_server.settings import CloudSettings
from cloud_server.upstream.client import UpstreamClient
from cloud_server.upstream.engine import UpstreamEngine
from cloud_server.upstream.vocabulary import Vocabulary
from shared.errors import Busy, Forbidden, ModelError, NotFound, UpstreamError, UpstreamLost

GUARD_S = 60
"""Ends a test that would hang; no test is measured by it."""
KEY = "a-key-of-the-upstream-tests"


TINY = make_tiny()
"""Made once: neither torch's seed nor transformers' lazy imports are safe in two threads at once."""


class NumberTokenizer:
    """Prints token ids as numbers, so that an answer's text is its tokens."""

    def decode(self, ids, skip_special_tokens=True):
        return "".join(f"{token} " for token in ids)


class Flaky:
    """The replica's app, which breaks off the first answers: `pieces` events each, None for all."""

    def __init__(self, app, *pieces: int | None) -> None:
        self.app = app
        self.pieces = list(pieces)
        self.prompts: list[int] = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/v1/completions":
            await self.app(scope, receive, send)
            return
        left = self.pieces.pop(0) if self.pieces else None

        async def noting():
            message = await receive()
            if body := message.get("body"):
                self.prompts.append(len(json.loads(body)["prompt"]))
            return message

        async def counting(message):
            nonlocal left
            if left is not None and message["type"] == "http.response.body":
                left -= 1
                if left < 0:
                    raise ConnectionAbortedError
            await send(message)

        with contextlib.suppress(ConnectionAbortedError):
            await self.app(scope, noting, counting)


def replica(load=lambda: TINY, **settings):
    return create_app(
        CloudSettings.from_environment(profile="tiny", completions=True, **settings), load
    )


def vocabulary(**changes) -> Vocabulary:
    served = dataclasses.replace(TINY, tokenizer=NumberTokenizer(), **changes)
    return Vocabulary(served, served.model.base.config.vocab_size, 4096)


def ask(prompt=(1, 2, 3), max_tokens=12, **options) -> GenerationRequest:
    return GenerationRequest("r", tuple(prompt), max_tokens, **{"deadline_s": GUARD_S, **options})


async def read(stream) -> tuple[list[str], Done | None]:
    pieces: list[str] = []
    async for event in stream:
        if isinstance(event, Done):
            return pieces, event
        assert isinstance(event, Token)
        pieces.append(event.text)
    return pieces, None


def embedded(*requests: GenerationRequest) -> list[tuple[list[str], Done | None]]:
    """Return what the embedded engine answers."""
    served = dataclasses.replace(TINY, tokenizer=NumberTokenizer())
    engine = Engine(lambda: served)
    engine.start()
    engine.loaded.result(GUARD_S)

    async def go():
        return await asyncio.gather(*(read(engine.submit(each)) for each in requests))

    try:
        return asyncio.run(asyncio.wait_for(go(), GUARD_S))
    finally:
        engine.close()


def through(url: str, work: Callable, key=None, load=vocabulary, **options):
    """Run `work(engine)` on an engine whose upstream is at `url`."""

    async def go():
        engine = UpstreamEngine(load, UpstreamClient(url, key), **options)
        engine.start()
        try:
            await asyncio.wrap_future(engine.loaded)
            return await work(engine)
        finally:
            await engine.shut_down()

    return asyncio.run(asyncio.wait_for(go(), GUARD_S))


def answers(url: str, *requests: GenerationRequest, **options):
    async def work(engine):
        return await asyncio.gather(*(read(engine.submit(each)) for each in requests))

    return through(url, work, **options)


def same(ours, theirs) -> None:
    for (pieces, done), (wanted_pieces, wanted) in zip(ours, theirs, strict=True):
        assert pieces == wanted_pieces
        assert done.text == wanted.text
        assert done.finish_reason == wanted.finish_reason
        assert done.prompt_tokens == wanted.prompt_tokens
        assert done.completion_tokens == wanted.completion_tokens


@pytest.fixture(scope="module")
def url(serving):
    with serving(replica()) as address:
        yield address


def test_the_same_events_as_the_embedded_engine(url):
    alone = embedded(ask())[0][1].text.split()
    requests = [
        ask(),
        ask(prompt=range(40), max_tokens=30),
        ask(model="tiny-base"),
        ask(forced_ids=(65, 66, 67)),
        ask(forced_ids=(65, 66, 67), max_tokens=3),
        ask(stop=(f" {alone[4]} ",), max_tokens=30),
        ask(sampling=Sampling(temperature=1.0, top_p=0.9, seed=7)),
        ask(sampling=Sampling(temperature=2.0, seed=-1)),
        ask(ends_loops=True, max_tokens=80),
    ]
    same(answers(url, *requests), embedded(*requests))
    assert embedded(requests[-1])[0][1].completion_tokens < 80


def test_kept_tokens_are_counted(url):
    prompt = tuple(TINY.system_ids)
    ((_, done),) = answers(url, ask(prompt=(*prompt, 5, 6)))
    assert done.cached_tokens == len(prompt)


def test_a_sessions_earlier_turns_are_used_again_by_nobody_else(url):
    async def talk(engine):
        mine = {"session_id": "s", "owner": "a", "robot": "r"}
        first = await finish(engine, prompt=range(40), **mine)
        said = [int(word) for word in first.text.split()]
        further = (*range(40), *said, 7, 8, 9)
        others = [
            await finish(engine, prompt=further, **{**mine, name: "other"})
            for name in ("owner", "robot")
        ]
        return others, await finish(engine, prompt=further, **mine)

    async def finish(engine, **options):
        return (await read(engine.submit(ask(**options))))[1]

    others, own = through(url, talk)
    assert [other.cached_tokens for other in others] == [0, 0]
    assert own.cached_tokens >= 40
    assert {other.text for other in others} == {own.text}


@pytest.mark.parametrize("broken", [(3,), (0, 1), (1, 5, 2), (0, 0, 0)])
def test_a_broken_answer_goes_on_where_it_was(serving, broken):
    flaky = Flaky(replica(), *broken)
    with serving(flaky) as address:
        same(answers(address, ask(max_tokens=20)), embedded(ask(max_tokens=20)))
    assert len(flaky.prompts) == len(broken) + 1
    assert flaky.prompts == sorted(flaky.prompts)
    assert flaky.prompts[-1] == 3 + sum(broken)


def test_what_was_said_before_an_answer_broke_counts_as_said(serving):
    looping = ask(ends_loops=True, max_tokens=80)
    ends_at = embedded(looping)[0][1].completion_tokens
    with serving(Flaky(replica(), ends_at - 4)) as address:
        same(answers(address, looping), embedded(looping))


def test_after_enough_tries_without_a_token_it_is_lost(serving):
    flaky = Flaky(replica(), 2, 0, 0, 0)
    with serving(flaky) as address, pytest.raises(UpstreamLost, match=r"broke off|does not answer"):
        answers(address, ask(max_tokens=20), attempts=3)
    assert flaky.prompts == [3, 5, 5, 5]  # three in a row without a token


def test_going_away_frees_the_place_upstream(serving, scripted):
    app = replica(lambda: scripted("abc", endless=True))
    options = {"load": lambda: vocabulary(name="scripted"), "limits": EngineLimits(max_active=1)}

    async def leave_and_ask(engine):
        endless = engine.submit(ask(max_tokens=3000))
        async for _ in endless:
            break
        endless.cancel()
        assert (await read(endless))[1] is None
        return await read(engine.submit(ask(max_tokens=5)))

    with serving(app) as address:
        _, done = through(address, leave_and_ask, **options)
        assert done.completion_tokens == 5
        assert app.state.engine._schedule.wait_until_idle(GUARD_S)


def test_a_deadline_ends_the_answer_with_what_there_is(serving, scripted):
    served, over = scripted("abc", endless=True), threading.Event()
    served.model.before_step = lambda: len(served.model.calls) < 30 or over.wait(GUARD_S)
    with serving(replica(lambda: served)) as address:
        try:
            ((pieces, done),) = answers(
                address,
                ask(max_tokens=3000, deadline_s=0.5),
                load=lambda: vocabulary(name="scripted"),
            )
        finally:
            over.set()
    assert done.finish_reason == "deadline"
    assert done.text == "".join(pieces)


def test_who_waits_is_refused_when_the_queue_is_full(serving, scripted):
    async def fill(engine):
        streams = [engine.submit(ask(max_tokens=3000)) for _ in range(2)]
        with pytest.raises(Busy, match="as many requests as may wait"):
            engine.submit(ask())
        for stream in streams:
            stream.cancel()

    with serving(replica(lambda: scripted("abc", endless=True))) as address:
        through(
            address,
            fill,
            load=lambda: vocabulary(name="scripted"),
            limits=EngineLimits(max_active=1, queue_size=1),
        )


def test_stopping_refuses_what_is_under_way(serving, scripted):
    async def stop(engine):
        stream = engine.submit(ask(max_tokens=3000))
        await engine.shut_down()
        with pytest.raises(Busy, match="stopping"):
            await read(stream)

    with serving(replica(lambda: scripted("abc", endless=True))) as address:
        through(address, stop, load=lambda: vocabulary(name="scripted"))


def test_models_are_the_upstreams(url):
    async def look(engine):
        with pytest.raises(NotFound):
            engine.submit(ask(model="another"))
        with pytest.raises(Forbidden, match="where the model runs"):
            engine.load_shadow("b", None).result()
        return engine.models()

    names = through(url, look)
    assert [(each.name, each.kind, each.default) for each in names] == [
        ("tiny", "shadow", True),
        ("tiny-base", "base", False),
    ]


def test_an_upstream_with_another_model_is_refused_at_the_start(url):
    with pytest.raises(ModelError, match="serves tiny, tiny-base and not qwen3-8b"):
        answers(url, load=lambda: vocabulary(name="qwen3-8b"))


def test_a_key_that_it_does_not_know_is_said(serving):
    with (
        serving(replica(api_keys=(KEY,))) as address,
        pytest.raises(UpstreamError, match=r"401.*CLOUD_UPSTREAM_KEY"),
    ):
        answers(address)


def test_it_waits_for_an_upstream_that_starts_late(serving):
    async def go():
        import socket

        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        engine = UpstreamEngine(
            vocabulary, UpstreamClient(f"http://127.0.0.1:{port}"), probe_s=0.05
        )
        engine.start()
        with pytest.raises(Busy, match="has not answered yet"):
            engine.submit(ask())
        import uvicorn

        server = uvicorn.Server(uvicorn.Config(replica(), port=port, log_config=None))
        task = asyncio.create_task(server.serve())
        await asyncio.wrap_future(engine.loaded)
        _, done = await read(engine.submit(ask()))
        server.should_exit = True
        await task
        await until_busy(engine)
        with pytest.raises(Busy, match="does not answer"):
            engine.submit(ask())
        await engine.shut_down()
        return done

    done = asyncio.run(asyncio.wait_for(go(), GUARD_S))
    assert done.completion_tokens == 12


async def until_busy(engine) -> None:
    """Wait until the probes have seen that the upstream is gone."""
    while True:
        try:
            assert engine.served is not None
        except Busy:
            return
        await asyncio.sleep(0.02)


def test_a_server_that_returns_no_ids_is_refused_by_name(serving):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        body = b'{"data": [{"id": "tiny"}]}'
        kind = b"application/json"
        if scope["path"] == "/v1/completions":
            body, kind = (
                b'data: {"choices": [{"text": "hello"}]}\n\ndata: [DONE]\n\n',
                b"text/event-stream",
            )
        headers = [(b"content-type", kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with serving(app) as address, pytest.raises(UpstreamError, match="returns no token ids"):
        answers(address, ask())


@pytest.mark.parametrize("body", [b"hello", b'{"models": []}'])
def test_what_is_no_such_server_is_refused_by_name(serving, body):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with serving(app) as address, pytest.raises(UpstreamError, match="no OpenAI-compatible server"):
        answers(address)
