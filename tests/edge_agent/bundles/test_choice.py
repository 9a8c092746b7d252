"""Which bundle runs: the pinned one alone, and whether the cloud serves one that decides the same."""

import functools
import hashlib
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.bundles import choice
from edge_agent.bundles.choice import check_pin, compare_with_cloud, load_recognizer
from edge_agent.bundles.pull import BundleSource
from edge_agent.settings import EdgeSettings
from shared.bundle import MANIFEST_NAME, read_manifest
from shared.errors import BundleError, ConfigurationError
from tests.shared.test_bundle import write_bundle

MANIFEST = b'{"format_version": 2}'
PIN = hashlib.sha256(MANIFEST).hexdigest()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / MANIFEST_NAME).write_bytes(MANIFEST)
    return tmp_path


def test_the_pinned_manifest_is_taken_in_either_case(bundle: Path) -> None:
    check_pin(bundle, PIN)
    check_pin(bundle, PIN.upper())


def test_another_manifest_is_refused_by_its_digest(bundle: Path) -> None:
    (bundle / MANIFEST_NAME).write_bytes(MANIFEST + b" ")
    with pytest.raises(BundleError, match="EDGE_BUNDLE_SHA256"):
        check_pin(bundle, PIN)
    (bundle / MANIFEST_NAME).unlink()
    with pytest.raises(BundleError, match="pull the bundle again"):
        check_pin(bundle, PIN)


def test_nothing_of_an_unpinned_bundle_is_read(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(choice, "load_checked", lambda folder, options: read.append(folder))
    load_recognizer(EdgeSettings(bundle=bundle, bundle_sha256=PIN))
    with pytest.raises(BundleError):
        load_recognizer(EdgeSettings(bundle=bundle, bundle_sha256="0" * 64))
    assert read == [bundle]


def test_a_pin_that_is_no_digest_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_BUNDLE_SHA256", "43960cc775e2")
    with pytest.raises(ConfigurationError, match="EDGE_BUNDLE_SHA256"):
        EdgeSettings.from_environment()


def compare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mismatch: str, **changes: Any
) -> httpx.Request | None:
    """Compare a bundle with what a cloud offers that exported it with `changes`; return what was asked."""
    asked: list[httpx.Request] = []
    (folder / "offered").mkdir()
    write_bundle(folder)
    write_bundle(folder / "offered", **changes)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=(folder / "offered" / MANIFEST_NAME).read_bytes())

    source = functools.partial(BundleSource, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(choice, "BundleSource", source)
    settings = EdgeSettings(bundle=folder, bundle_mismatch=mismatch)  # type: ignore[arg-type]
    compare_with_cloud(settings, read_manifest(folder))
    return asked[0] if asked else None


OTHER_THRESHOLDS = {"thresholds": {"0": 0.5, "1": 0.5, "2": 0.5, "3": 0.5}}


def test_other_thresholds_of_the_same_fingerprint_are_refused_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(BundleError, match="differ in thresholds; `edge-agent bundle pull test`"):
        compare(tmp_path / "one", monkeypatch, "refuse", **OTHER_THRESHOLDS)
    (tmp_path / "two").mkdir()
    compare(tmp_path / "two", monkeypatch, "warn", **OTHER_THRESHOLDS)
    assert "differ in thresholds" in caplog.text


def test_an_equal_bundle_exported_elsewhere_makes_no_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = compare(tmp_path, monkeypatch, "refuse", created="2026-02-02T00:00:00+00:00")
    assert asked is not None
    assert asked.url.path == "/v1/edge-bundles/test"
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_nothing_is_compared_where_nobody_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare(tmp_path, monkeypatch, "ignore", **OTHER_THRESHOLDS) is None
