"""What an upstream's bytes are read as, and what its refusals become."""

import asyncio
import json

import httpx
import pytest

from cloud_server.upstream.client import UpstreamClient
from cloud_server.upstream.messages import CompletionRequest
from shared.errors import TooLarge


def texts(*pieces: bytes, status: int = 200) -> list[str]:
    """Return the texts of the chunks that an upstream of these pieces gives."""

    async def stream():
        for piece in pieces:
            yield piece

    async def go() -> list[str]:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, content=stream()))
        client = UpstreamClient("http://upstream", transport=transport)
        request = CompletionRequest(
            model="m",
            prompt=[1],
            max_tokens=1,
            temperature=0.0,
            top_p=1.0,
            stop_token_ids=(),
            request_id="r",
        )
        return [each.text async for chunk in client.complete(request) for each in chunk.choices]

    return asyncio.run(go())


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_may_hold_what_ends_lines_elsewhere(end: bytes, size: int) -> None:
    said = ["a\u2028b", "c\x85\u2029d", "\u5750\u4e0b"]
    chunks = [
        json.dumps({"choices": [{"text": each, "token_ids": [1]}]}, ensure_ascii=False)
        for each in said
    ]
    body = b"".join(b"data: " + each.encode() + end for each in (*chunks, "[DONE]"))
    assert texts(*(body[at : at + size] for at in range(0, len(body), size))) == said


def test_a_request_that_is_too_long_for_it_is_the_callers_to_shorten() -> None:
    with pytest.raises(TooLarge, match="shorten it") as caught:
        texts(b"too long at http://10.0.0.7", status=413)
    assert "10.0.0.7" not in caught.value.message
