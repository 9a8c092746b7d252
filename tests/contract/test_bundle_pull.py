"""The edge pulls a real bundle from the cloud's real routes, whatever happens on the way."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cloud_server.api.edge_bundles import edge_bundles_router
from cloud_server.api.errors import install_error_handlers, remember_request_id
from edge_agent.bundles.pull import BundleSource, pull_bundle
from edge_agent.bundles.self_test import load_checked
from edge_agent.bundles.store import BundleStore
from shared.bundle import MANIFEST_NAME, bytes_sha256
from shared.errors import BundleError, CloudProtocolError, CloudRefused, CloudUnreachable

Change = Callable[[httpx.Request, httpx.Response], httpx.Response]


class CloudRoutes(httpx.BaseTransport):
    """The cloud's own routes without a socket; `change` stands for what a network does to answers."""

    def __init__(self, bundles: Path) -> None:
        app = FastAPI()
        app.include_router(edge_bundles_router(bundles))
        install_error_handlers(app)

        @app.middleware("http")
        async def name_requests(request, call_next):  # type: ignore[no-untyped-def]
            remember_request_id(request.scope, "test")
            return await call_next(request)

        self._client = TestClient(app)
        self.change: Change = lambda request, response: response
        self.asked: list[tuple[str, str | None]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.url.path, request.headers.get("range")))
        answer = self._client.get(str(request.url.path), headers=dict(request.headers))
        response = httpx.Response(
            answer.status_code, headers=dict(answer.headers), content=answer.content
        )
        return self.change(request, response)


@pytest.fixture
def offered(bundles: dict[str, Path], tmp_path: Path) -> Path:
    """The cloud's folder of bundles, with one of the shadow "tiny"."""
    shutil.copytree(bundles["int8"], tmp_path / "offered" / "tiny")
    return tmp_path / "offered"


@pytest.fixture
def routes(offered: Path) -> CloudRoutes:
    return CloudRoutes(offered)


@pytest.fixture
def source(routes: CloudRoutes) -> Iterator[BundleSource]:
    made = BundleSource("http://cloud", transport=routes)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "store")


def test_a_pulled_bundle_is_the_offered_one(
    source: BundleSource, store: BundleStore, offered: Path
) -> None:
    folder = pull_bundle(source, "tiny", store)
    for file in (offered / "tiny").iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()
    assert load_checked(folder).decide("sit").tag
    assert store.current() is None, "pulling is not using"


def test_pulling_again_fetches_no_file(
    source: BundleSource, store: BundleStore, routes: CloudRoutes
) -> None:
    pull_bundle(source, "tiny", store)
    routes.asked.clear()
    pull_bundle(source, "tiny", store)
    assert routes.asked == [("/v1/edge-bundles/tiny", None)]


def test_a_broken_connection_is_gone_on_from(
    source: BundleSource, store: BundleStore, routes: CloudRoutes
) -> None:
    def cut(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if "graph" not in request.url.path or response.status_code == 206:
            return response
        return httpx.Response(200, content=response.content[:1000])

    routes.change = cut
    pull_bundle(source, "tiny", store)
    assert ("/v1/edge-bundles/tiny/files/graph.onnx", "bytes=1000-") in routes.asked


def test_a_pull_that_was_broken_off_is_gone_on_from_later(
    source: BundleSource, store: BundleStore, routes: CloudRoutes
) -> None:
    def away(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if "graph" in request.url.path:
            raise httpx.ConnectError("away")
        return response

    routes.change = away
    with pytest.raises(CloudUnreachable):
        pull_bundle(source, "tiny", store)
    assert store.list() == []
    routes.change = lambda request, response: response
    routes.asked.clear()
    pull_bundle(source, "tiny", store)
    assert ("/v1/edge-bundles/tiny/files/embeddings.int8", None) not in routes.asked


def test_a_server_without_ranges_starts_over(
    source: BundleSource, store: BundleStore, routes: CloudRoutes
) -> None:
    offer = source.offer("tiny")
    partial = store.partial(offer.manifest)
    (partial / "graph.onnx").write_bytes(b"not the beginning")

    def whole(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.headers.get("range"):
            return routes.handle_request(httpx.Request("GET", request.url))
        return response

    routes.change = whole
    pull_bundle(source, "tiny", store)


def test_a_changed_file_is_thrown_away(
    source: BundleSource, store: BundleStore, routes: CloudRoutes
) -> None:
    def damage(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if "graph" not in request.url.path:
            return response
        content = bytes([response.content[0] ^ 1]) + response.content[1:]
        return httpx.Response(response.status_code, content=content)

    routes.change = damage
    with pytest.raises(BundleError, match="wrong digest"):
        pull_bundle(source, "tiny", store)
    assert store.list() == []
    routes.change = lambda request, response: response
    pull_bundle(source, "tiny", store)


def test_more_than_was_stated_is_refused(
    source: BundleSource, store: BundleStore, routes: CloudRoutes
) -> None:
    def swell(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if "graph" not in request.url.path:
            return response
        return httpx.Response(200, content=response.content + b"more")

    routes.change = swell
    with pytest.raises(CloudProtocolError, match="more of graph"):
        pull_bundle(source, "tiny", store)


def test_a_pinned_manifest_is_the_only_one_taken(
    source: BundleSource, store: BundleStore, offered: Path
) -> None:
    digest = bytes_sha256((offered / "tiny" / MANIFEST_NAME).read_bytes())
    pull_bundle(source, "tiny", store, manifest_sha256=digest)
    with pytest.raises(BundleError, match="not the one asked for"):
        pull_bundle(source, "tiny", store, manifest_sha256="0" * 64)


@pytest.mark.parametrize("shadow", ["none", ".hidden", "..%2Ftiny", "a" * 300, "狗" * 100])
def test_a_shadow_that_is_not_offered_is_refused(source: BundleSource, shadow: str) -> None:
    with pytest.raises(CloudRefused, match="404"):
        source.offer(shadow)


def test_only_files_of_the_manifest_are_sent(routes: CloudRoutes) -> None:
    for name in ("manifest.json", "..%2F..%2Fsecret", "other"):
        request = httpx.Request("GET", f"http://cloud/v1/edge-bundles/tiny/files/{name}")
        assert routes.handle_request(request).status_code == 404


def test_a_bundle_that_computes_otherwise_fails_its_self_test(
    source: BundleSource, store: BundleStore, offered: Path
) -> None:
    path = offered / "tiny" / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["checks"][0]["probability"] = 0.99
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="where it was made"):
        pull_bundle(source, "tiny", store)
    assert store.list() == []
