"""The locks: hashed, complete, within pyproject.toml's ranges; the edge's without torch."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    "edge": ("edge", "speech", "speech-model", "simulation", "telemetry"),
    "robot": ("edge", "speech", "speech-model", "telemetry"),
    "cloud": ("cloud", "telemetry"),
}
PYTHONS = ("3.10", "3.11", "3.12")
TOO_HEAVY = {"torch", "transformers", "triton", "accelerate", "onnx", "safetensors"}


def entries(lock: str) -> list[tuple[Requirement, int]]:
    """Return each pinned requirement with the number of its hashes."""
    text = (ROOT / "requirements/locks" / f"{lock}.txt").read_text(encoding="utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found = []
    for entry in re.split(r"\n(?=\S)", text.strip()):
        head, *hashes = entry.replace("\\\n", " ").split("--hash=")
        found.append((Requirement(head.strip()), len(hashes)))
    return found


def environment(python: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "extra": "",
    }


@pytest.mark.parametrize("lock", EXTRAS)
def test_every_line_is_one_version_with_hashes(lock: str) -> None:
    found = entries(lock)
    assert len(found) > 20
    for requirement, hashes in found:
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes, requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", EXTRAS)
def test_it_holds_what_the_extras_ask_for_within_their_ranges(lock: str, python: str) -> None:
    pinned = {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement, _ in entries(lock)
        if requirement.marker is None or requirement.marker.evaluate(environment(python))
    }
    lines = [*PROJECT["dependencies"]]
    for extra in EXTRAS[lock]:
        lines += PROJECT["optional-dependencies"][extra]
    for wanted in map(Requirement, lines):
        if wanted.marker is not None and not wanted.marker.evaluate(environment(python)):
            continue
        if wanted.name == "torch":  # in a step of its own: requirements/README.md
            assert "torch" not in pinned
            continue
        version = pinned.get(canonicalize_name(wanted.name))
        assert version is not None, f"{wanted.name}: run `make lock`"
        assert wanted.specifier.contains(version, prereleases=True), f"{wanted}: {version}"


@pytest.mark.parametrize("lock", ["edge", "robot"])
def test_the_edges_have_no_torch(lock: str) -> None:
    names = {canonicalize_name(requirement.name) for requirement, _ in entries(lock)}
    assert not names & TOO_HEAVY
    assert not any(each.startswith("nvidia-") for each in names)


def test_a_real_dogs_lock_has_no_dds_of_the_simulation() -> None:
    assert "cyclonedds" not in {requirement.name for requirement, _ in entries("robot")}
    assert "cyclonedds" in {requirement.name for requirement, _ in entries("edge")}
