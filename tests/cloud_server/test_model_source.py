"""Where models come from: folders, and huggingface_hub's own cache; a wrong hash is refused."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from cloud_server.adapter_files import CHANGE_NAME
from cloud_server.loading import make_tiny
from cloud_server.model_source import ADAPTER_PATTERNS, ModelSource, weights_sha256
from cloud_server.modeling import ShadowModel
from shared.errors import CheckpointForeign, ConfigurationError, ModelError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    make_tiny().model.save_pretrained(tmp_path / "adapter")  # type: ignore[attr-defined]
    return tmp_path / "adapter"


@pytest.fixture
def hub(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """huggingface_hub's cache as a download leaves it, and no network: offline mode."""
    import huggingface_hub.constants as constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = cache / "models--owner--robot-dog-shadow"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "v2").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in adapter.iterdir():
        blob = repository / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(blob)
    return snapshot


def load(place: str | Path, **expected: Any) -> ShadowModel:
    base: Any = make_tiny().model
    return ShadowModel.from_pretrained(base.base, place, **expected)


def test_a_hub_id_loads_by_branch_and_by_commit(hub: Path, adapter: Path) -> None:
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        wanted = load(adapter)(ids).logits
        for place in ("owner/robot-dog-shadow@v2", f"owner/robot-dog-shadow@{COMMIT}"):
            assert torch.equal(load(place)(ids).logits, wanted)
        assert torch.equal(load("owner/robot-dog-shadow", revision="v2")(ids).logits, wanted)


def test_a_hash_is_checked(hub: Path, adapter: Path) -> None:
    right = hashlib.sha256((adapter / "shadow_adapter.safetensors").read_bytes()).hexdigest()
    wrong = right[::-1]
    load(f"owner/robot-dog-shadow@v2#{right}")
    load(adapter, sha256=right)
    load(f"{adapter}#{right}")
    for place, expected in (
        ("owner/robot-dog-shadow@v2", {"sha256": wrong}),
        (f"owner/robot-dog-shadow@v2#{wrong}", {}),
        (f"{adapter}#{wrong}", {}),
    ):
        with pytest.raises(ModelError, match=f"have SHA-256 {right}, expected {wrong}"):
            load(place, **expected)


def test_a_hash_covers_a_change_of_the_weights(adapter: Path) -> None:
    right = weights_sha256(adapter)
    (adapter / CHANGE_NAME).write_bytes(b"another's change")
    with pytest.raises(ModelError, match=f"expected {right}"):
        load(adapter, sha256=right)


def test_what_the_hub_does_not_give_is_named(hub: Path) -> None:
    with pytest.raises(ModelError, match="owner/robot-dog-shadow at v3 is no directory here"):
        load("owner/robot-dog-shadow@v3")
    with pytest.raises(ModelError, match="owner/nothing is no directory here"):
        load("owner/nothing")


@pytest.mark.parametrize("place", ["nowhere", "/no/such/folder", "./a/b", "a/b/c", "../up/there"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(CheckpointForeign, match="is no directory, nor a hub id"):
        ModelSource.parse(place).fetch(ADAPTER_PATTERNS)


def test_a_hash_that_is_none_is_refused(adapter: Path) -> None:
    with pytest.raises(ConfigurationError, match="no SHA-256"):
        ModelSource.parse(f"{adapter}#abc")


def test_a_folder_with_marks_in_its_name_is_a_folder(adapter: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a@b#c"
    shutil.copytree(adapter, odd)
    assert ModelSource.parse(odd).fetch(ADAPTER_PATTERNS) == odd


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (("model-2.safetensors", "model-1.safetensors", "Other.safetensors"), "*.safetensors"),
        (
            ("shadow.safetensors", "a_2.safetensors.xz", "a.safetensors.xz"),
            "*.safetensors *.safetensors.xz",
        ),
    ],
)
def test_several_weights_have_the_hash_that_sha256sum_gives(
    names: tuple[str, ...], patterns: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    said = subprocess.run(
        f"LC_ALL=C sha256sum {patterns} | sha256sum",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert weights_sha256(tmp_path) == said.stdout.split()[0]
    with pytest.raises(ModelError, match=r"no \.safetensors"):
        weights_sha256(tmp_path.parent)
