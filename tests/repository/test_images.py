"""The Dockerfiles: hadolint's rules, what they copy, what ends up in the edge's image."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = [*sorted((ROOT / "deploy").glob("*.Dockerfile")), ROOT / "deploy/tls/Dockerfile"]
CONTEXTS = {"deploy/tls/Dockerfile": ROOT / "deploy/tls"}


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", DOCKERFILES, ids=name)
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, "--config", ROOT / ".hadolint.yaml", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", DOCKERFILES, ids=name)
def test_what_it_copies_exists_and_is_sent_to_the_builder(file: Path) -> None:
    context = CONTEXTS.get(name(file), ROOT)
    sent = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for line in file.read_text().splitlines():
        if not line.startswith("COPY ") or "--from=" in line:
            continue
        for source in line.split()[1:-1]:
            assert (context / source).exists(), source
            assert context != ROOT or source.removeprefix("./").split("/")[0] in sent, source


@pytest.mark.parametrize("file", DOCKERFILES, ids=name)
def test_it_runs_as_nobody_in_particular(file: Path) -> None:
    stages = re.split(r"^FROM ", file.read_text(), flags=re.MULTILINE)[1:]
    for stage in stages:
        if "ENTRYPOINT" in stage:
            assert "USER 1000:1000\n" in stage


@pytest.mark.parametrize("file", DOCKERFILES, ids=name)
def test_its_make_targets_exist(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = re.findall(r"^RUN make ([a-z-]+)", file.read_text(), re.MULTILINE)
    assert set(used) <= targets
    assert used or "edge" not in file.name
