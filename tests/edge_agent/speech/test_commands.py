"""The command `edge-agent speech list`: what is here, and how to get what is not."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.speech import commands
from edge_agent.speech.commands import speech
from edge_agent.speech.model_files import MODELS, WHISPER_BASE, SpeechModel
from shared.errors import SpeechUnavailable


@pytest.fixture(autouse=True)
def one_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(model: SpeechModel) -> Path:
        if model is WHISPER_BASE:
            return Path("/models/base")
        raise SpeechUnavailable(f"pull {model.name}")

    monkeypatch.setattr(commands, "find_model", find)


def test_the_list_as_json() -> None:
    entries = {each["name"]: each for each in json.loads(_list("--json"))}
    assert set(entries) == set(MODELS)
    assert entries["whisper-base"] == {
        "name": "whisper-base",
        "licence": "MIT",
        "directory": "/models/base",
        "missing": None,
    }
    small = entries["whisper-small"]
    assert (small["directory"], small["missing"]) == (None, "pull whisper-small")


def test_the_list_for_people() -> None:
    here, *others = _list().splitlines()
    assert here.split() == ["whisper-base", "MIT", "/models/base"]
    assert all(f"not here (pull {each.split()[0]})" in each for each in others)


def _list(*options: str) -> str:
    result = CliRunner().invoke(speech, ["list", *options])
    assert result.exit_code == 0
    return result.stdout
