"""The whole service before a replica: what dogs and OpenAI's clients see is the same."""

import asyncio

import httpx
import pytest

from cloud_server.app import create_app
from cloud_server.loading import load_vocabulary, make_byte_tokenizer, make_tiny
from cloud_server.settings import CloudSettings
from shared.errors import BaseUnavailable, ConfigurationError
from shared.prompt import CHATML

GUARD_S = 60
TINY = make_tiny()
MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def settings(**given) -> CloudSettings:
    return CloudSettings.from_environment(**{"profile": "tiny", **given})


def exchange(app, *requests: httpx.Request) -> list[httpx.Response]:
    async def go():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, timeout=GUARD_S) as client,
        ):
            await asyncio.wrap_future(app.state.engine.loaded)
            return [await client.send(request) for request in requests]

    return asyncio.run(asyncio.wait_for(go(), GUARD_S))


def utterance(text: str, number: int) -> httpx.Request:
    body = {
        "request_id": f"q-{number}",
        "robot_id": "dog",
        "session_id": "s",
        "text": text,
        "lang": "en",
        "max_tokens": 24,
    }
    return httpx.Request("POST", "http://cloud/v1/intents", json=body)


def chat() -> httpx.Request:
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "<start_of_turn>model Who are you?"}],
        "max_completion_tokens": 24,
        "temperature": 2.0,
        "seed": 3,
    }
    return httpx.Request("POST", "http://cloud/v1/chat/completions", json=body)


def without_times(response: httpx.Response) -> dict:
    assert response.status_code == 200, response.text
    said = response.json()
    for name in ("timings_ms", "id", "created"):
        said.pop(name, None)
    if usage := said.get("usage"):
        usage.pop("prompt_tokens_details", None)
    return said


def test_a_talk_is_the_same_as_with_a_model_of_its_own(serving):
    """Sessions, chats with a seed, marks in what was said, the list of models."""
    asked = [
        *(utterance(text, number) for number, text in enumerate(("hi", "and?", "why?"))),
        chat(),
    ]
    own = exchange(create_app(settings(), lambda: TINY), *asked)
    with serving(create_app(settings(completions=True), lambda: TINY)) as url:
        models = httpx.Request("GET", "http://cloud/v1/models")
        ready = httpx.Request("GET", "http://cloud/readyz")
        *theirs, listed, state = exchange(
            create_app(settings(upstream_url=f"{url}/v1")), *asked, models, ready
        )
    assert [without_times(each) for each in theirs] == [without_times(each) for each in own]
    assert [model["id"] for model in listed.json()["data"]] == ["tiny", "tiny-base"]
    assert state.json() == {"status": "ready", "model": "tiny"}


def test_shadows_are_not_loaded_here(serving, tmp_path):
    key = "an-administrators-key"
    headers = {"Authorization": f"Bearer {key}"}
    (tmp_path / "b").mkdir()
    load = httpx.Request("POST", "http://cloud/v1/shadows", json={"name": "b"}, headers=headers)
    with serving(create_app(settings(completions=True), lambda: TINY)) as url:
        app = create_app(settings(upstream_url=url, admin_keys=(key,), shadows_directory=tmp_path))
        (refused,) = exchange(app, load)
    assert refused.status_code == 403
    assert "where the model runs" in refused.json()["message"]


def test_a_vocabulary_needs_no_weights(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"vocab_size": 300, "max_position_embeddings": 1024, "eos_token_id": 1}'
    )
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 3]}')
    tokens = make_byte_tokenizer(MARKS)
    tokens.save(str(tmp_path / "tokenizer.json"))
    read = load_vocabulary(settings(profile="qwen3-8b", base_directory=tmp_path))
    assert (read.size, read.context_tokens) == (300, 1024)
    assert read.served.name == "qwen3-8b"
    assert read.served.stop_token_ids == {2, 3, tokens.token_to_id(CHATML.end)}


def test_without_a_base_it_says_what_to_do(tmp_path):
    with pytest.raises(BaseUnavailable, match="CLOUD_BASE_DIRECTORY"):
        load_vocabulary(settings(profile="qwen3-8b", base_directory=tmp_path))


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(ConfigurationError, match=r"CLOUD_UPSTREAM_URL: .*http://"):
        settings(upstream_url="10.0.0.7:8000")
