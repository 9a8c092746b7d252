"""Programs that stand in for espeak-ng, piper and a player, alone on the PATH."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_agent.audio.sound import Sound

SHELL = "#!/bin/sh\n"
MakeProgram = Callable[[str, str], Path]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH of what is looked up and started."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def make_program(programs: Path) -> MakeProgram:
    """Make a program of a name from shell lines; `$0.log` is its own log."""

    def make(name: str, lines: str) -> Path:
        file = programs / name
        file.write_text(f"{SHELL}PATH=/usr/bin:/bin\n{lines}\n")
        file.chmod(0o755)
        return file

    return make


@pytest.fixture
def tone() -> Sound:
    """A tenth of a second at 22,050 Hz, as espeak-ng makes."""
    time_s = np.arange(2205) / 22_050
    return Sound((8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16), 22_050)


@pytest.fixture
def espeak(make_program: MakeProgram, tone: Sound, programs: Path) -> Path:
    """An espeak-ng that notes its arguments and its text, and says a tone."""
    (programs / "tone.wav").write_bytes(tone.to_wav())
    return make_program("espeak-ng", f'echo "$@ :: $(cat)" >> "$0.log"; cat "{programs}/tone.wav"')


def log_of(program: Path) -> list[str]:
    """Return the lines that a program has noted."""
    log = Path(f"{program}.log")
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
