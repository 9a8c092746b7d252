"""An installed bundle that got damaged is brought anew, and stays as it is where that fails."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edge_agent.bundles import pull
from edge_agent.bundles.pull import BundleSource, pull_bundle
from edge_agent.bundles.store import BundleStore
from edge_agent.provider import ProviderOptions
from shared.bundle import MANIFEST_NAME, BundleManifest, read_manifest
from shared.errors import BundleError, CloudUnreachable, ConfigurationError
from tests.shared.test_bundle import write_bundle

GRAPH = "graph.onnx"


class Cloud(httpx.BaseTransport):
    """Offers the bundle of a folder; `away`: its files cannot be had, `damages`: they come changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.away = False
        self.damages = False
        self.fetched: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        _, _, name = request.url.path.partition("/files/")
        if not name:
            return httpx.Response(200, content=(self._folder / MANIFEST_NAME).read_bytes())
        if self.away:
            raise httpx.ConnectError("away")
        self.fetched.append(name)
        content = (self._folder / name).read_bytes()
        return httpx.Response(200, content=content[::-1] if self.damages else content)


@pytest.fixture(autouse=True)
def tested(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was loaded and tested; these bundles hold nothing that could run."""
    folders: list[Path] = []

    def load_checked(folder: Path, options: ProviderOptions | None) -> BundleManifest:
        folders.append(folder)
        return read_manifest(folder)

    monkeypatch.setattr(pull, "load_checked", load_checked)
    return folders


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    (tmp_path / "offered").mkdir()
    write_bundle(tmp_path / "offered")
    return Cloud(tmp_path / "offered")


@pytest.fixture
def source(cloud: Cloud) -> Iterator[BundleSource]:
    made = BundleSource("http://cloud", transport=cloud)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "store")


@pytest.mark.parametrize("content", [b"grapX", b"gra", None], ids=["changed", "short", "gone"])
def test_a_damaged_file_is_brought_anew(
    source: BundleSource, store: BundleStore, cloud: Cloud, content: bytes | None
) -> None:
    folder = pull_bundle(source, "test", store)
    store.use(folder.name)
    (folder / GRAPH).unlink()
    if content is not None:
        (folder / GRAPH).write_bytes(content)
    cloud.fetched.clear()
    assert pull_bundle(source, "test", store) == store.current() == folder
    assert (folder / GRAPH).read_bytes() == b"graph"
    assert cloud.fetched == [GRAPH]
    assert [each.name for each in store.root.iterdir() if each.is_dir()] == [folder.name]


def test_a_whole_bundle_is_not_brought_again(
    source: BundleSource, store: BundleStore, cloud: Cloud, tested: list[Path]
) -> None:
    folder = pull_bundle(source, "test", store)
    assert pull_bundle(source, "test", store) == folder
    assert cloud.fetched == [GRAPH]
    assert tested[-1] == folder, "it is tested again"


def test_a_fetch_that_fails_leaves_what_is_there(
    source: BundleSource, store: BundleStore, cloud: Cloud
) -> None:
    folder = pull_bundle(source, "test", store)
    (folder / GRAPH).write_bytes(b"grapX")
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    cloud.away = True
    with pytest.raises(CloudUnreachable):
        pull_bundle(source, "test", store)
    cloud.away, cloud.damages = False, True
    with pytest.raises(BundleError, match="wrong digest"):
        pull_bundle(source, "test", store)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
    cloud.damages = False
    pull_bundle(source, "test", store)
    assert (folder / GRAPH).read_bytes() == b"graph"


def test_a_whole_bundle_that_fails_its_test_is_not_brought_again(
    source: BundleSource, store: BundleStore, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, options: ProviderOptions | None) -> None:
        raise BundleError("it computes otherwise here")

    folder = pull_bundle(source, "test", store)
    monkeypatch.setattr(pull, "load_checked", fail)
    with pytest.raises(BundleError, match="otherwise"):
        pull_bundle(source, "test", store)
    assert cloud.fetched == [GRAPH]
    assert (folder / GRAPH).read_bytes() == b"graph"


def test_a_bundle_that_an_older_version_pulled_is_not_brought_again(
    source: BundleSource, store: BundleStore, cloud: Cloud
) -> None:
    folder = pull_bundle(source, "test", store)
    older = folder.rename(folder.with_name(folder.name.rpartition("-")[0]))
    store.use(older.name)
    cloud.fetched.clear()
    assert pull_bundle(source, "test", store) == store.current() == older
    assert cloud.fetched == []


def test_a_changed_manifest_is_a_bundle_of_its_own(
    source: BundleSource, store: BundleStore, cloud: Cloud, tmp_path: Path
) -> None:
    first = pull_bundle(source, "test", store)
    store.use(first.name)
    write_bundle(tmp_path / "offered", thresholds={"0": 0.5, "1": 0.5, "2": 0.5, "3": 0.5})
    second = pull_bundle(source, "test", store)
    store.use(second.name)
    assert (store.previous(), store.current()) == (first, second)
    assert read_manifest(first).thresholds["3"] == 0.9


def test_what_an_ended_pull_left_is_cleared_away(source: BundleSource, store: BundleStore) -> None:
    folder = pull_bundle(source, "test", store)
    left = store.partial(read_manifest(folder))
    (left / GRAPH).write_bytes(b"gra")
    pull_bundle(source, "test", store)
    assert not left.exists()


@pytest.mark.parametrize(
    ("url", "key"), [("http://cloud", "schlüssel"), ("http://cloud", "a\nb"), ("http://", "key")]
)
def test_a_key_or_an_address_that_cannot_be_sent_is_a_wrong_setting(url: str, key: str) -> None:
    with pytest.raises(ConfigurationError):
        BundleSource(url, key)
