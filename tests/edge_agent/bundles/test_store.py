"""Installed bundles are switched whole and remembered; a crash or a power cut leaves the old choice."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge_agent.bundles.store import CHOICE_NAME, BundleStore, bundle_name
from shared.bundle import MANIFEST_NAME, file_sha256, read_manifest
from shared.errors import BundleError, NotFound
from tests.shared.test_bundle import write_bundle


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "store")


CHEAPER = {"0": 0.5, "1": 0.5, "2": 0.5, "3": 0.5}


def gather(store: BundleStore, shadow: str, **changes: Any) -> Path:
    gathered = store.root / f".gathered-{shadow}"
    gathered.mkdir(parents=True)
    write_bundle(gathered, name=shadow, **changes)
    return gathered


def install(store: BundleStore, shadow: str, **changes: Any) -> str:
    return store.adopt(gather(store, shadow, **changes)).name


def test_nothing_is_installed_at_first(store: BundleStore) -> None:
    assert store.list() == []
    assert store.current() is None
    assert store.previous() is None


def test_a_bundle_is_installed_under_its_fingerprint_and_its_manifest(store: BundleStore) -> None:
    name = install(store, "one")
    (entry,) = store.list()
    assert entry.manifest is not None
    digest = file_sha256(entry.directory / MANIFEST_NAME)
    assert entry.name == name == bundle_name(entry.manifest, digest)
    assert name == f"one-int8-{entry.manifest.fingerprint[:12]}-{digest[:8]}"
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


def test_a_bundle_with_other_thresholds_leaves_the_one_to_go_back_to(store: BundleStore) -> None:
    first = install(store, "one")
    store.use(first)
    second = install(store, "one", thresholds=CHEAPER)
    store.use(second)
    assert [each.name for each in store.list()] == sorted([first, second])
    before, now = store.previous(), store.current()
    assert before is not None
    assert now is not None
    assert read_manifest(before).fingerprint == read_manifest(now).fingerprint
    assert (read_manifest(before).thresholds["3"], read_manifest(now).thresholds["3"]) == (0.9, 0.5)


def test_what_an_older_version_installed_is_listed_used_and_mended_where_it_is(
    store: BundleStore,
) -> None:
    name = install(store, "one")
    older = name.rpartition("-")[0]
    (store.root / name).rename(store.root / older)
    assert [each.name for each in store.list()] == [older]
    assert store.use(older) == store.current() == store.root / older
    (store.root / older / "graph.onnx").write_bytes(b"grapX")
    assert install(store, "one") == older
    assert read_manifest(store.root / older).name == "one"
    other = install(store, "one", thresholds=CHEAPER)
    assert [each.name for each in store.list()] == [older, other]


@pytest.mark.parametrize("at", [1, 2])
def test_an_end_in_the_middle_of_a_repair_leaves_the_current_bundle_whole(
    store: BundleStore, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    store.use(install(store, "one"))
    gathered = gather(store, "one")
    replace, calls = os.replace, []

    def end(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == at:
            raise OSError("the power is gone")
        replace(source, target)

    monkeypatch.setattr("os.replace", end)
    with pytest.raises(OSError, match="power"):
        store.adopt(gathered)
    current = store.current()
    assert current is not None
    assert read_manifest(current).name == "one"
    assert [each.name for each in store.list()] == [current.name]


def test_everything_is_on_the_disk_before_it_is_chosen(
    store: BundleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[int | str] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        happened.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        happened.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr("os.fsync", note_sync)
    monkeypatch.setattr("os.replace", note_replace)
    name = install(store, "one")
    store.use(name)
    folder, root = store.root / name, store.root.stat().st_ino
    moved, chosen = happened.index(name), happened.index(CHOICE_NAME)
    inside = {each.stat().st_ino for each in (folder, *folder.iterdir())}
    assert len(inside) == 3
    assert inside <= set(happened[:moved]), "what is in the folder, before it has its name"
    assert root in happened[moved:chosen], "its name, before it is chosen"
    assert root in happened[chosen:], "the choice itself"


def test_a_repair_is_on_the_disk_too(store: BundleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.root / install(store, "one")
    gathered = gather(store, "one")
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    assert store.adopt(gathered) == folder
    assert {each.stat().st_ino for each in (folder, *folder.iterdir())} <= set(synced)
