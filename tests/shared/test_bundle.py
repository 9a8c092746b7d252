"""The manifest: a bundle that does not match it is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.bundle import MANIFEST_NAME, file_sha256, fingerprint, read_manifest
from shared.errors import BundleError
from shared.tags import TAGS

HASH = "0" * 64


def write_bundle(directory: Path, **changes: Any) -> dict[str, Any]:
    (directory / "graph.onnx").write_bytes(b"graph")
    manifest: dict[str, Any] = {
        "name": "test",
        "created": "2026-01-01T00:00:00+00:00",
        "base": "tiny",
        "shadow_sha256": HASH,
        "tokenizer_sha256": HASH,
        "prompt_sha256": HASH,
        "fingerprint": fingerprint(HASH, HASH, HASH),
        "chat_format": "gemma",
        "precision": "int8",
        "coverage": "pruned",
        "graph": {
            "layers": 1,
            "key_value_heads": 1,
            "head_dimension": 2,
            "hidden_size": 4,
            "vocabulary_size": 9,
            "window_tokens": 16,
        },
        "prefix_token_ids": [1],
        "tags": [{"tag": tag, "token_ids": [1, number]} for number, tag in enumerate(TAGS)],
        "head_token_ids": [1],
        "thresholds": {"0": 0.5, "1": 0.5, "2": 0.5, "3": 0.9},
        "files": {"graph.onnx": {"sha256": file_sha256(directory / "graph.onnx"), "size_bytes": 5}},
        **changes,
    }
    (directory / MANIFEST_NAME).write_text(json.dumps(manifest))
    return manifest


def test_a_whole_bundle_is_read(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    assert read_manifest(tmp_path).name == "test"


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "1" * 64},
        {"tags": []},
        {"thresholds": {"0": 0.5}},
        {"thresholds": {"0": 0.5, "1": 0.5, "2": 0.5, "3": 1.9}},
        {"format_version": 1},
        {"surprise": 1},
        {"files": {"../graph.onnx": {"sha256": HASH, "size_bytes": 5}}},
        {"files": {"graph.onnx": {"sha256": HASH, "size_bytes": 5}}},
        {"files": {"other.bin": {"sha256": HASH, "size_bytes": 5}}},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_bundle(tmp_path, **changes)
    with pytest.raises(BundleError):
        read_manifest(tmp_path)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    (tmp_path / "graph.onnx").write_bytes(b"grapX")
    with pytest.raises(BundleError, match="hash"):
        read_manifest(tmp_path)
    (tmp_path / "graph.onnx").write_bytes(b"longer than before")
    with pytest.raises(BundleError, match="size"):
        read_manifest(tmp_path)


def test_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="export-edge"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / MANIFEST_NAME).write_text("{")
    with pytest.raises(BundleError, match="pull"):
        read_manifest(tmp_path)
