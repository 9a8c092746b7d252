"""The front end on vLLM's own server: two ranks of tensor-parallel layers, HTTP, cancellations."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from cloud_server.app import create_app
from cloud_server.engine import Done, GenerationRequest, Sampling
from cloud_server.settings import CloudSettings
from cloud_server.upstream.client import UpstreamClient
from cloud_server.upstream.engine import UpstreamEngine
from cloud_server.upstream.vocabulary import Vocabulary

pytest.importorskip("vllm", reason="vLLM is not installed here: make test-vllm")

GUARD_S = 600
"""Ends a test that would hang: two ranks on a busy machine of two cores wait for each other."""
TOKENS = 24
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def pair(make_pair):
    return make_pair("explicit")


@pytest.fixture(scope="module")
def url(pair, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    places = ["--base", str(pair.base), "--adapter", str(pair.adapter)]
    more = ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    more += ["--max-model-len", "512", "--tensor-parallel-size", "2"]
    log = tmp_path_factory.mktemp("vllm") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cloud_server.vllm_plugin.serve", *places, "--", *more],
            env={**os.environ, **ENVIRONMENT},
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that its ranks end with it
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(address, process, log)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(GUARD_S)


def wait_until_ready(address: str, process: subprocess.Popen, log) -> None:
    until_s = time.monotonic() + GUARD_S
    while process.poll() is None and time.monotonic() < until_s:
        try:
            if httpx.get(f"{address}/health", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(f"vLLM did not start: {log.read_text()[-3000:]}")


def through(url: str, pair, work):
    """Run `work(engine)` on an engine whose upstream is vLLM."""
    served = pair.served()
    vocabulary = Vocabulary(served, served.model.base.config.vocab_size, 1024)

    async def go():
        client = UpstreamClient(url, silence_s=GUARD_S)
        engine = UpstreamEngine(lambda: vocabulary, client)
        engine.start()
        try:
            await asyncio.wrap_future(engine.loaded)
            return await work(engine)
        finally:
            await engine.shut_down()

    return asyncio.run(asyncio.wait_for(go(), GUARD_S))


def request(prompt, count=TOKENS, **options) -> GenerationRequest:
    return GenerationRequest("r", tuple(prompt), count, GUARD_S, **options)


async def finish(stream) -> Done:
    return [event async for event in stream][-1]


def test_two_ranks_give_the_embedded_engines_tokens(url, pair, prompts, embedded):
    asked = prompts(5, 40, 70, 150)

    async def everyone(engine):
        return await asyncio.gather(*(finish(engine.submit(request(each))) for each in asked))

    ours = [[int(word) for word in done.text.split()] for done in through(url, pair, everyone)]
    assert ours == embedded(pair.served(), [(prompt, TOKENS) for prompt in asked])


def test_stop_strings_and_chance_have_no_say_of_the_upstreams(url, pair, prompts, embedded):
    (prompt,) = prompts(30, seed=4)
    (tokens,) = embedded(pair.served(), [(prompt, TOKENS)])
    stop = f" {tokens[10]} "

    async def both(engine):
        stopped = await finish(engine.submit(request(prompt, stop=(stop,))))
        sampling = Sampling(temperature=1.0, top_p=0.8, seed=5)
        drawn = [await finish(engine.submit(request(prompt, sampling=sampling))) for _ in "ab"]
        return stopped, drawn

    stopped, (first, second) = through(url, pair, both)
    whole = "".join(f"{token} " for token in tokens)
    assert stopped.text == whole[: whole.index(stop)]
    assert stopped.finish_reason == "stop"
    assert first.text == second.text
    assert first.completion_tokens == TOKENS


def test_who_goes_away_is_given_up_at_once(url, pair, prompts, embedded):
    (prompt,) = prompts(12, seed=5)

    async def leave(engine):
        streams = [engine.submit(request(prompt, 480)) for _ in range(4)]
        for stream in streams:
            assert (await stream.__anext__()).text
        stays = engine.submit(request(prompt))
        for stream in streams:
            stream.cancel()
        return await finish(stays)

    before = ended(url)
    done = through(url, pair, leave)
    assert [int(word) for word in done.text.split()] == embedded(pair.served(), [(prompt, TOKENS)])[
        0
    ]
    assert running(url) == 0
    assert ended(url) == before + 1  # the others were given up, not decoded to their end


def running(url: str) -> float:
    """Return how many requests vLLM still decodes, once it has had the time to hear of it."""
    until_s = time.monotonic() + GUARD_S
    while (count := figure(url, "num_requests_running")) and time.monotonic() < until_s:
        time.sleep(0.2)
    return count


def ended(url: str) -> float:
    """Return how many requests have got a whole answer."""
    return figure(url, "request_success_total", "length") + figure(
        url, "request_success_total", "stop"
    )


def figure(url: str, name: str, label: str = "") -> float:
    text = httpx.get(f"{url}/metrics", timeout=GUARD_S).text
    lines = re.findall(rf"^vllm:{name}\{{(.*)\}} (\S+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in lines if label in labels)


def test_a_dog_is_answered_as_by_the_embedded_engine(url, pair):
    """The whole front end, which reads the base's tokenizer from its directory and no weights."""
    profile = {"profile": "qwen3-8b", "base_directory": pair.base}
    front = CloudSettings.from_environment(
        **profile, upstream_url=url, upstream_silence_s=GUARD_S, max_deadline_s=GUARD_S
    )
    whole = CloudSettings.from_environment(**profile, max_deadline_s=GUARD_S)
    answered = converse(create_app(front))
    assert answered == converse(create_app(whole, lambda: pair.served(words=True)))
    first, second = (answer["say"] for answer in answered)
    assert first
    assert first != second  # what it says depends on what it was asked


def converse(app) -> list[dict]:
    """Return an app's answers in one session, the second asked about the first."""

    async def ask():
        transport = httpx.ASGITransport(app)
        headers = {"Shadowdog-Deadline-Ms": str(1000 * GUARD_S)}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://cloud") as client,
        ):
            await asyncio.wrap_future(app.state.engine.loaded)
            assert (await client.get("/readyz")).json() == {"status": "ready", "model": "qwen3-8b"}
            said = []
            for name, text in (("first", "hi"), ("second", "what did I say?")):
                body = {"robot_id": "d", "session_id": "s", "lang": "en", "max_tokens": 16}
                body |= {"request_id": name, "text": text}
                answer = await client.post("/v1/intents", json=body, headers=headers)
                assert answer.status_code == 200, answer.text
                said.append({k: v for k, v in answer.json().items() if k != "timings_ms"})
            return said

    return asyncio.run(asyncio.wait_for(ask(), GUARD_S))
