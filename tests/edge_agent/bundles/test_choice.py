"""A pinned bundle: nothing else is read, and what was pinned is told apart by its manifest alone."""

import hashlib
from pathlib import Path

import pytest

from edge_agent.bundles import choice
from edge_agent.bundles.choice import check_pin, load_recognizer
from edge_agent.settings import EdgeSettings
from shared.bundle import MANIFEST_NAME
from shared.errors import BundleError, ConfigurationError

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
