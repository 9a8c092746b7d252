"""The official `openai` client, as it comes, against a real server with a tiny model."""

import threading

import openai
import pytest
from openai import OpenAI

from cloud_server.app import create_app
from cloud_server.loading import make_tiny
from cloud_server.settings import CloudSettings

GUARD_S = 60
KEY = "a-key-of-the-openai-tests"
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]


@pytest.fixture(scope="module")
def url(serving):
    app = create_app(CloudSettings.from_environment(api_keys=(KEY,)), make_tiny)
    with serving(app) as address:
        app.state.engine.loaded.exception(GUARD_S)
        yield address


@pytest.fixture
def client(url):
    with OpenAI(api_key=KEY, base_url=f"{url}/v1", timeout=GUARD_S, max_retries=0) as client:
        yield client


def complete(client: OpenAI, **options):
    """Ask with a seed: greedily, a tiny random model says nothing that can be read."""
    asked = {"model": "tiny", "messages": ASK, "max_completion_tokens": 24}
    return client.chat.completions.create(**{**asked, "temperature": 2.0, "seed": 3, **options})


def test_models_are_listed_and_shown(client):
    names = [model.id for model in client.models.list()]
    assert names[0] == "tiny"
    assert client.models.retrieve("tiny").object == "model"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("gpt-4")
    assert refused.value.code == "not_found"


def test_a_whole_answer_and_its_usage(client):
    answer = complete(client)
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.finish_reason in ("stop", "length")
    assert choice.message.content
    assert 0 < answer.usage.completion_tokens <= 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


def test_a_stream_says_the_same_and_its_usage_last(client):
    whole = complete(client)
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))
    *spoken, last = chunks
    assert spoken[0].choices[0].delta.role == "assistant"
    told = "".join(chunk.choices[0].delta.content or "" for chunk in spoken)
    assert told == whole.choices[0].message.content
    assert spoken[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert last.choices == []
    assert last.usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in spoken)
    assert len({chunk.id for chunk in chunks}) == 1


def test_without_being_asked_for_no_usage_is_streamed(client):
    chunks = list(complete(client, stream=True))
    assert all(chunk.choices for chunk in chunks)


def test_fewer_tokens_are_a_beginning(client):
    long, short = complete(client), complete(client, max_completion_tokens=4)
    older = complete(client, max_completion_tokens=openai.omit, max_tokens=4)
    assert short.choices[0].finish_reason == "length"
    assert short.usage.completion_tokens == 4
    assert short.choices[0].message.content
    assert long.choices[0].message.content.startswith(short.choices[0].message.content)
    assert older.choices[0].message.content == short.choices[0].message.content


def test_a_stop_string_ends_the_answer_and_is_no_part_of_it(client):
    text = complete(client).choices[0].message.content
    stop = text[3:5]
    assert len(stop) == 2
    assert text.index(stop) > 0
    for stops in (stop, ["never said", stop]):
        answer = complete(client, stop=stops)
        assert answer.choices[0].message.content == text[: text.index(stop)]
        assert answer.choices[0].finish_reason == "stop"
    streamed = complete(client, stop=stop, stream=True)
    told = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
    assert told == text[: text.index(stop)]


def test_a_seed_is_kept_and_others_differ(client):
    texts = [complete(client, seed=seed).choices[0].message.content for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]
    greedy = [
        complete(client, temperature=temperature, seed=seed).choices
        for temperature, seed in ((0, 7), (0, 8), (openai.omit, openai.omit))
    ]
    assert greedy[0] == greedy[1] == greedy[2]


def test_errors_are_the_clients_own(client, url):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        complete(client, n=2)
    assert refused.value.code == "request_invalid"
    assert refused.value.body["request_id"] == refused.value.request_id
    with pytest.raises(openai.NotFoundError):
        complete(client, model="gpt-4")
    with (
        OpenAI(api_key="another-key", base_url=f"{url}/v1", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as unknown,
    ):
        complete(stranger)
    assert unknown.value.code == "unauthorized"


def test_a_prompt_beyond_the_limit_is_refused(client):
    with pytest.raises(openai.APIStatusError) as refused:
        complete(client, messages=[{"role": "user", "content": "word " * 50_000}])
    assert (refused.value.status_code, refused.value.code) == (413, "too_large")


def test_a_stream_that_is_closed_frees_its_place(scripted, serving, cancelled):
    served = scripted("a", endless=True)
    settings = CloudSettings.from_environment(
        api_keys=(KEY,), max_active=1, queue_size=0, max_concurrent_per_key=1
    )
    app = create_app(settings, lambda: served)
    held = threading.Event()

    def hold_after_two_tokens():
        if len(served.model.calls) == 2:
            held.set()
            cancelled.wait(GUARD_S)

    served.model.before_step = hold_after_two_tokens
    with serving(app) as url, OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        app.state.engine.loaded.exception(GUARD_S)
        endless = {"model": "scripted", "temperature": 0, "max_completion_tokens": 1024}
        stream = complete(client, **endless, stream=True)
        assert held.wait(GUARD_S)
        with pytest.raises(openai.RateLimitError) as busy:
            complete(client, **endless)
        assert busy.value.response.headers["retry-after"] == "1"
        stream.close()
        answer = complete_when_free(client, **{**endless, "max_completion_tokens": 1})
    assert answer.choices[0].message.content == "a"
    assert served.model.answers[0].steps == 3  # the one that was held was its last


def complete_when_free(client: OpenAI, **options):
    """Ask until it is let in: only the server knows when it has noticed that a client is gone."""
    for _ in range(10_000):
        try:
            return complete(client, **options)
        except (openai.RateLimitError, openai.InternalServerError):
            continue
    raise AssertionError("the place was never freed")
