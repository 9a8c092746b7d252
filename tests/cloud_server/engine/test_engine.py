"""The engine with a scripted model: order, limits, ends and faults."""

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from cloud_server.engine import (
    Done,
    Engine,
    EngineLimits,
    EventStream,
    GenerationRequest,
    ServedBase,
    Token,
)
from shared.errors import (
    Busy,
    CheckpointForeign,
    Conflict,
    ModelError,
    NotFound,
    ShadowdogError,
)

GUARD_S = 30
"""Ends a test that would hang; no test is measured by it."""

LONG = 10_000
"""Tokens of an answer that does not end by itself while a test runs."""


def ask(prompt=(1, 2, 3), *, max_tokens=64, deadline_s=1000.0, name="r") -> GenerationRequest:
    return GenerationRequest(name, tuple(prompt), max_tokens, deadline_s)


async def read(stream: EventStream) -> tuple[list[str], Done | None]:
    """Return the pieces and the end of a stream; None where it was cancelled."""
    pieces: list[str] = []
    async for event in stream:
        if isinstance(event, Done):
            return pieces, event
        pieces.append(event.text)
    return pieces, None


@contextmanager
def running(served: ServedBase | Callable[[], ServedBase], **options):
    engine = Engine(served if callable(served) else lambda: served, **options)
    engine.start()
    engine.loaded.exception(GUARD_S)
    try:
        yield engine
    finally:
        engine.close()


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, GUARD_S))


def test_an_answer_ends_at_the_end_mark(scripted):
    async def go(engine):
        return await read(engine.submit(ask()))

    with running(scripted("Hi!")) as engine:
        pieces, done = run(go(engine))
    assert pieces == ["H", "i", "!"]
    assert (done.text, done.finish_reason) == ("Hi!", "stop")
    assert (done.prompt_tokens, done.completion_tokens) == (3, 3)


def test_an_answer_ends_at_max_tokens(scripted):
    async def go(engine):
        return await read(engine.submit(ask(max_tokens=5)))

    with running(scripted("ab", endless=True)) as engine:
        _, done = run(go(engine))
    assert (done.text, done.finish_reason, done.completion_tokens) == ("ababa", "length", 5)


def test_no_event_holds_half_a_character(scripted):
    async def go(engine):
        return await read(engine.submit(ask()))

    with running(scripted("狗哥 says 汪🐕!")) as engine:
        pieces, done = run(go(engine))
    assert pieces == list("狗哥 says 汪🐕!")
    assert done.text == "狗哥 says 汪🐕!"


def test_the_deadline_ends_an_answer_with_the_text_so_far(scripted, clock):
    served = scripted("abcdefg", endless=True)
    served.model.before_step = clock.pass_one_second

    async def go(engine):
        return await read(engine.submit(ask(deadline_s=3.5)))

    with running(served, clock=clock) as engine:
        _, done = run(go(engine))
    assert (done.text, done.finish_reason) == ("abcd", "deadline")
    assert (done.queue_ms, done.first_token_ms, done.total_ms) == (0, 1000, 4000)


def test_the_deadline_also_ends_a_request_that_waits(scripted, clock):
    served = scripted("a", endless=True)
    served.model.before_step = clock.pass_one_second

    async def go(engine):
        first = engine.submit(ask(max_tokens=LONG, deadline_s=10**9))
        assert await anext(first) == Token("a")
        _, done = await read(engine.submit(ask(deadline_s=2)))
        first.cancel()
        return done

    with running(served, limits=EngineLimits(max_active=1, queue_size=1), clock=clock) as engine:
        done = run(go(engine))
    assert (done.text, done.finish_reason, done.first_token_ms) == ("", "deadline", None)


def test_a_full_queue_refuses_and_a_cancelled_waiter_makes_room(scripted):
    served = scripted("a", endless=True)
    go_on = threading.Event()
    served.model.before_step = lambda: go_on.wait(GUARD_S)

    async def go(engine):
        first = engine.submit(ask())
        second = engine.submit(ask())
        with pytest.raises(Busy):
            engine.submit(ask())
        second.cancel()
        assert await read(second) == ([], None)
        third = engine.submit(ask(max_tokens=2))
        go_on.set()
        first.cancel()
        return await read(third)

    with running(served, limits=EngineLimits(max_active=1, queue_size=1)) as engine:
        _, done = run(go(engine))
    assert done.text == "aa"


def test_a_cancelled_request_is_decoded_no_further(scripted):
    served = scripted("a", endless=True)
    permits = threading.Semaphore(1)
    served.model.before_step = lambda: permits.acquire(timeout=GUARD_S)

    async def go(engine):
        first = engine.submit(ask(max_tokens=LONG))
        assert await anext(first) == Token("a")  # it now waits before or inside its second step
        first.cancel()
        second = engine.submit(ask(max_tokens=3))
        permits.release(100)
        return await read(second)

    with running(served, limits=EngineLimits(max_active=1, queue_size=1)) as engine:
        _, done = run(go(engine))
    assert done.text == "aaa"
    assert [answer.steps for answer in served.model.answers] in ([1, 3], [2, 3])


def test_active_requests_take_turns_so_that_a_long_answer_starves_nobody(scripted):
    served = scripted("a", endless=True)
    go_on = threading.Event()
    served.model.before_step = lambda: go_on.wait(GUARD_S)

    async def go(engine):
        streams = [engine.submit(ask(max_tokens=count)) for count in (50, 3)]
        go_on.set()
        return [await read(stream) for stream in streams]

    with running(served, limits=EngineLimits(max_active=2)) as engine:
        run(go(engine))
    long, short = served.model.answers
    last_of_short = max(i for i, answer in enumerate(served.model.calls) if answer is short)
    assert last_of_short <= 7
    assert (long.steps, short.steps) == (50, 3)


def test_one_requests_fault_ends_that_request_alone(scripted):
    served = scripted("ok")
    model, threads = served.model, set()

    def stumble():
        threads.add(threading.current_thread().name)
        if len(model.calls) == 1:
            raise RuntimeError("a fault on purpose")

    model.before_step = stumble

    async def go(engine):
        with pytest.raises(ShadowdogError, match="failed on this request"):
            await read(engine.submit(ask()))
        model.before_step = lambda: None
        return await read(engine.submit(ask()))

    with running(served) as engine:
        _, done = run(go(engine))
    assert done.text == "ok"
    assert threads == {"engine-owner"}


def test_closing_ends_what_is_under_way(scripted):
    served = scripted("a", endless=True)

    async def go(engine):
        stream = engine.submit(ask(max_tokens=LONG))
        assert await anext(stream) == Token("a")
        await asyncio.to_thread(engine.close)
        with pytest.raises(Busy, match="stopping"):
            await read(stream)
        with pytest.raises(Busy):
            engine.submit(ask())

    with running(served) as engine:
        run(go(engine))


def test_draining_lets_answers_finish_and_takes_no_more(scripted):
    served = scripted("ab", endless=True)
    started, go_on = threading.Event(), threading.Event()
    served.model.before_step = lambda: (started.set(), go_on.wait(GUARD_S))

    async def go(engine):
        stream = engine.submit(ask(max_tokens=3))
        await asyncio.to_thread(started.wait, GUARD_S)
        assert engine.drain(0) is False
        with pytest.raises(Busy):
            engine.submit(ask())
        go_on.set()
        assert await asyncio.to_thread(engine.drain, GUARD_S)
        return await read(stream)

    with running(served) as engine:
        _, done = run(go(engine))
    assert (done.text, done.finish_reason) == ("aba", "length")


def test_shadows_come_and_go_while_an_answer_is_made(scripted, tmp_path):
    served = scripted("a", endless=True)

    async def go(engine):
        stream = engine.submit(ask(max_tokens=LONG))
        assert await anext(stream) == Token("a")
        await asyncio.wrap_future(engine.load_shadow("other", tmp_path))
        assert served.model.shadows == {"other": tmp_path}
        _, done = await read(engine.submit(dataclasses.replace(ask(max_tokens=2), model="other")))
        assert done.text == "aa"
        names = [(each.name, each.kind, each.default, each.in_use) for each in engine.models()]
        with pytest.raises(Conflict, match="served already"):
            await asyncio.wrap_future(engine.load_shadow("other", tmp_path))
        await asyncio.wrap_future(engine.unload_shadow("other"))
        with pytest.raises(NotFound):
            engine.submit(dataclasses.replace(ask(), model="other"))
        stream.cancel()
        return names

    with running(served) as engine:
        names = run(go(engine))
    assert names == [
        ("scripted", "shadow", True, 1),
        ("scripted-base", "base", False, 0),
        ("other", "shadow", False, 0),
    ]
    assert served.model.shadows == {}


def test_what_cannot_be_read_as_a_shadow_is_the_callers_to_know(scripted, tmp_path):
    class Unreadable(type(scripted("x"))):
        def read_shadow(self, directory):
            raise CheckpointForeign(f"{directory} is something else")

    served = scripted("x")
    with running(Unreadable(**vars(served))) as engine:
        with pytest.raises(CheckpointForeign):
            engine.load_shadow("other", tmp_path).result(GUARD_S)
        engine.close()
        with pytest.raises(Busy):
            engine.load_shadow("other", tmp_path).result(GUARD_S)


def test_before_and_without_a_model_requests_are_refused(scripted):
    go_on = threading.Event()

    def load():
        go_on.wait(GUARD_S)
        raise ModelError("no such shadow")

    engine = Engine(load)
    engine.start()
    with pytest.raises(Busy):
        engine.submit(ask())
    go_on.set()
    assert isinstance(engine.loaded.exception(GUARD_S), ModelError)
    with pytest.raises(ModelError, match="no such shadow"):
        engine.submit(ask())
    engine.close()
