"""Fetching a model: whole, gone on with, believed by its digest, from a hub that is played by httpx."""

import hashlib
from pathlib import Path

import httpx
import pytest

from edge_agent.speech.fetching import Hub, fetch_model
from edge_agent.speech.model_files import ModelFile, SpeechModel
from shared.errors import SpeechUnavailable

DATA = bytes(range(256)) * 40
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path))
    return tmp_path / "speech"


def model(sha256: str | None = DIGEST) -> SpeechModel:
    return SpeechModel(
        "small", "some/where", "main", "MIT", (ModelFile("model.bin", None, sha256),)
    )


class PlayedHub:
    """Serves DATA at the hub's path, in ranges; `cut` ends the first answers early."""

    def __init__(self, data: bytes = DATA, cut: int = 0, linked: str | None = DIGEST) -> None:
        self.data, self.cut, self.linked = data, cut, linked
        self.asked: list[tuple[str, str, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        wanted = request.headers.get("Range")
        self.asked.append((request.method, request.url.path, wanted))
        if request.method == "HEAD":
            headers = {"X-Linked-Etag": f'"{self.linked}"'} if self.linked else {}
            return httpx.Response(302, headers=headers)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(self.data):
            return httpx.Response(416)
        body = self.data[start:]
        sent = body[: self.cut] if self.cut and not wanted else body
        headers = {"Content-Length": str(len(body))}
        stream = httpx.ByteStream(sent)
        return httpx.Response(206 if wanted else 200, headers=headers, stream=stream)

    def hub(self) -> Hub:
        return Hub("http://hub", transport=httpx.MockTransport(self))


def test_a_model_comes_whole_and_with_progress(cache: Path) -> None:
    played = PlayedHub()
    told: list[tuple[str, int, int | None]] = []
    folder = fetch_model(played.hub(), model(), lambda *each: told.append(each))
    assert (folder / "model.bin").read_bytes() == DATA
    assert told[-1] == ("model.bin", len(DATA), len(DATA))
    assert played.asked == [("GET", "/some/where/resolve/main/model.bin", None)]
    assert sorted(each.name for each in cache.iterdir()) == ["small"]


def test_a_broken_fetch_goes_on_where_it_ended() -> None:
    played = PlayedHub(cut=1000)
    with pytest.raises(SpeechUnavailable, match="broke off"):
        fetch_model(played.hub(), model(), lambda *_: None)
    folder = fetch_model(played.hub(), model(), lambda *_: None)
    assert (folder / "model.bin").read_bytes() == DATA
    assert played.asked[-1][2] == "bytes=1000-"


def test_wrong_bytes_are_thrown_away(cache: Path) -> None:
    played = PlayedHub(data=b"something else")
    with pytest.raises(SpeechUnavailable, match="wrong digest"):
        fetch_model(played.hub(), model(), lambda *_: None)
    assert list((cache / ".small.partial").iterdir()) == []
    assert not (cache / "small").exists()


def test_an_unknown_digest_is_the_hubs_own() -> None:
    fetch_model(PlayedHub().hub(), model(None), lambda *_: None)
    with pytest.raises(SpeechUnavailable, match="wrong digest"):
        fetch_model(PlayedHub(data=b"changed on the way").hub(), model(None), lambda *_: None)
    fetch_model(PlayedHub(linked=None).hub(), model(None), lambda *_: None)


def test_no_connection_says_what_to_do() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way")

    hub = Hub("http://hub", transport=httpx.MockTransport(refuse))
    with pytest.raises(SpeechUnavailable, match="HF_ENDPOINT"):
        fetch_model(hub, model(), lambda *_: None)


def test_a_refusal_is_told() -> None:
    hub = Hub("http://hub", transport=httpx.MockTransport(lambda _: httpx.Response(404)))
    with pytest.raises(SpeechUnavailable, match="answers 404"):
        fetch_model(hub, model(), lambda *_: None)
