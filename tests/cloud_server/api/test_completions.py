"""`POST /v1/completions`: a replica's route, in token ids, for a front end alone."""

import json

import httpx
import pytest

BODY = {
    "model": "scripted",
    "prompt": [1, 2, 3],
    "max_tokens": 8,
    "request_id": "q-1",
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True},
    "return_token_ids": True,
}


def ask(**changes) -> httpx.Request:
    return httpx.Request("POST", "http://cloud/v1/completions", json={**BODY, **changes})


def chunks(response: httpx.Response) -> list[dict]:
    *events, end = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert end == "[DONE]"
    return [json.loads(event) for event in events]


def test_each_token_comes_with_its_id_and_usage_last(scripted, exchange):
    served = scripted("Hé!")
    (response,) = exchange(served, ask(), completions=True)
    *pieces, end, usage = chunks(response)
    ids = [token for piece in pieces for token in piece["choices"][0]["token_ids"]]
    assert ids == served.model.tokens[:-1]  # without the end mark
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == "Hé!"
    assert end["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["prompt_tokens"] == 3
    assert usage["usage"]["completion_tokens"] == 4  # é is two bytes, and so two tokens
    assert {piece["id"] for piece in pieces} == {"cmpl-q-1"}


def test_the_route_is_there_only_where_it_was_asked_for(scripted, exchange):
    (response,) = exchange(scripted("x"), ask())
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"stop_token_ids": [5]}, 422, "no end marks here"),
        ({"stream": False}, 422, "body.stream"),
        ({"prompt": "text"}, 422, "body.prompt"),
        ({"prompt": []}, 422, "body.prompt"),
        ({"prompt": [10**6]}, 422, "does not know"),
        ({"logprobs": 3}, 422, "body.logprobs"),
        ({"model": "another"}, 404, "serves scripted"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(scripted, exchange, changes, status, said):
    (response,) = exchange(scripted("x"), ask(**changes), completions=True)
    assert response.status_code == status
    assert said in response.json()["error"]["message"]


def test_a_key_is_wanted_as_everywhere(scripted, exchange):
    (response,) = exchange(scripted("x"), ask(), completions=True, api_keys=("a-long-enough-key",))
    assert response.status_code == 401
