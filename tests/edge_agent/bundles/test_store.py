"""Installed bundles are switched whole and remembered; a crash leaves the old choice."""

import json
from pathlib import Path

import pytest

from edge_agent.bundles.store import CHOICE_NAME, BundleStore, bundle_name
from shared.bundle import MANIFEST_NAME, read_manifest
from shared.errors import BundleError, NotFound
from tests.shared.test_bundle import write_bundle


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "store")


def install(store: BundleStore, shadow: str) -> str:
    gathered = store.root / f".partial-{shadow}"
    gathered.mkdir(parents=True)
    write_bundle(gathered, name=shadow)
    return store.adopt(gathered, read_manifest(gathered)).name


def test_nothing_is_installed_at_first(store: BundleStore) -> None:
    assert store.list() == []
    assert store.current() is None
    assert store.previous() is None


def test_a_bundle_is_installed_under_its_fingerprint(store: BundleStore) -> None:
    name = install(store, "one")
    (entry,) = store.list()
    assert entry.manifest is not None
    assert entry.name == name == bundle_name(entry.manifest)
    assert not entry.current


def test_use_switches_and_remembers_the_one_before(store: BundleStore) -> None:
    first, second = install(store, "one"), install(store, "two")
    store.use(first)
    store.use(second)
    assert store.current() == store.root / second
    assert store.previous() == store.root / first
    store.use(second)  # again: the one before stays the one before
    assert store.previous() == store.root / first
    assert [each.current for each in store.list()] == [False, True]


@pytest.mark.parametrize("name", ["none", "../elsewhere", ".partial-x", ""])
def test_what_is_not_installed_cannot_be_used(store: BundleStore, name: str) -> None:
    install(store, "one")
    with pytest.raises(NotFound, match="installed: one-"):
        store.use(name)


def test_a_damaged_bundle_is_not_used_and_the_choice_stays(store: BundleStore) -> None:
    first, second = install(store, "one"), install(store, "two")
    store.use(first)
    (store.root / second / "graph.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError):
        store.use(second)
    assert store.current() == store.root / first


def test_an_unreadable_choice_says_what_to_do(store: BundleStore) -> None:
    install(store, "one")
    (store.root / CHOICE_NAME).write_text("{")
    with pytest.raises(BundleError, match="bundle use"):
        store.current()


def test_a_damaged_manifest_is_listed_as_such(store: BundleStore) -> None:
    name = install(store, "one")
    (store.root / name / MANIFEST_NAME).write_text(json.dumps({"name": "one"}))
    (entry,) = store.list()
    assert entry.manifest is None
