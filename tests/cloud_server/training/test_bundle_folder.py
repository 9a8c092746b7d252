"""Only an older bundle gives way to a new one, and it does so whole or not at all."""

import json
from pathlib import Path

import pytest

from cloud_server.training.bundle_folder import refuse_folder, replaced
from cloud_server.training.export import export_bundle
from shared.bundle import MANIFEST_NAME
from shared.errors import ConfigurationError


def write_bundle(folder: Path) -> Path:
    """Write what a version before might have left: a manifest that this one cannot use."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_NAME).write_text(json.dumps({"format_version": 1, "fingerprint": "f" * 64}))
    (folder / "graph.onnx").write_text("old")
    return folder


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_is_not_there_or_empty_or_a_bundle_may_be_written(tmp_path: Path) -> None:
    adapter, empty = tmp_path / "adapter", tmp_path / "empty"
    empty.mkdir()
    for target in (tmp_path / "new", empty, write_bundle(tmp_path / "older")):
        refuse_folder(target, adapter)


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"name": "an extension of a browser"}'])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, manifest: str | None) -> None:
    target = tmp_path / "run"
    target.mkdir()
    (target / "log.jsonl").write_text("{}")
    if manifest is not None:
        (target / MANIFEST_NAME).write_text(manifest)
    with pytest.raises(ConfigurationError, match=r"run is not empty and holds no bundle.*--out"):
        refuse_folder(target, tmp_path / "adapter")


@pytest.mark.parametrize("target", ["", "run", "run/adapter", "run/x/../adapter"])
def test_a_folder_that_holds_the_adapter_is_refused(tmp_path: Path, target: str) -> None:
    adapter = tmp_path / "run" / "adapter"
    adapter.mkdir(parents=True)
    write_bundle(tmp_path / target)
    before = names(tmp_path)
    with pytest.raises(ConfigurationError, match=r"holds the shadow that is exported.*--out"):
        refuse_folder(tmp_path / target, adapter)
    assert names(tmp_path) == before


def test_an_export_into_its_own_run_deletes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "adapter").mkdir(parents=True)
    (run / "recipe.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="run holds the shadow"):
        export_bundle("tiny", run / "adapter", run)
    assert names(tmp_path) == {"run", "run/adapter", "run/recipe.json"}


def test_a_bundle_is_replaced_whole(tmp_path: Path) -> None:
    target = write_bundle(tmp_path / "bundle")
    with replaced(target) as made:
        (made / "new").write_text("new")
        assert (target / "graph.onnx").exists()
    assert names(tmp_path) == {"bundle", "bundle/new"}
    with replaced(tmp_path / "deep" / "other") as made:
        (made / "first").write_text("first")
    assert names(tmp_path / "deep") == {"other", "other/first"}


def test_where_a_link_leads_is_replaced(tmp_path: Path) -> None:
    real, link = write_bundle(tmp_path / "real"), tmp_path / "link"
    link.symlink_to(real)
    with replaced(link) as made:
        (made / "new").write_text("new")
    assert link.is_symlink()
    assert names(real) == {"new"}


def test_an_interruption_while_it_is_made_leaves_the_old_one(tmp_path: Path) -> None:
    target = write_bundle(tmp_path / "bundle")
    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt), replaced(target):
        raise KeyboardInterrupt
    assert names(tmp_path) == before


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("done", [False, True])
def test_an_interruption_of_the_replacement_leaves_the_old_or_the_new(
    at: int, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """at: of the two moves, aside and in; done: whether it was made when Ctrl-C came."""
    target = write_bundle(tmp_path / "bundle")
    before, rename, count = names(tmp_path), Path.rename, 0

    def interrupted(self: Path, to: Path) -> Path:
        nonlocal count
        count += 1
        if count != at:
            return rename(self, to)
        if done:
            rename(self, to)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replaced(target) as made:
        (made / "new").write_text("new")
    assert names(tmp_path) == ({"bundle", "bundle/new"} if (at, done) == (2, True) else before)
