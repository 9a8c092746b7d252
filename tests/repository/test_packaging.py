"""The package: one version, every folder of code and every file beside it in the wheel."""

import re
import sys
from pathlib import Path

import shared

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
PACKAGES = ("shared", "edge_agent", "cloud_server")


def test_the_version_stands_in_one_place_and_in_the_changelog() -> None:
    assert "version" not in PROJECT["project"]
    assert SETUPTOOLS["dynamic"]["version"] == {"attr": "shared.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", shared.__version__)
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert shared.__version__ in headings


def test_every_folder_with_code_is_packaged() -> None:
    found = {
        ".".join(folder.relative_to(ROOT).parts)
        for package in PACKAGES
        for folder in [ROOT / package, *(ROOT / package).rglob("*")]
        if folder.is_dir() and list(folder.glob("*.py"))
    }
    assert set(SETUPTOOLS["packages"]) == found


def test_every_file_beside_the_code_is_packaged() -> None:
    packaged = {
        file
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for file in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and file.suffix not in (".py", ".pyc"):
                assert file in packaged, file.relative_to(ROOT)


def test_the_trained_shadow_is_packaged_where_it_is_looked_for() -> None:
    from cloud_server.profiles import PROFILES, SHIPPED

    for place, patterns in SETUPTOOLS["data-files"].items():
        assert Path(place) == SHIPPED / PROFILES["gemma-270m"].adapter
        files = [file for pattern in patterns for file in ROOT.glob(pattern)]
        assert {"NOTICE", "shadow_adapter.safetensors"} <= {file.name for file in files}
