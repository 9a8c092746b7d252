"""The doctor's word on the ears: opened, missing with what to do, or not wanted."""

import pytest

from edge_agent.doctor import ears_check
from edge_agent.doctor.ears_check import check_ears, check_second_ears
from edge_agent.speech.interface import Heard, Samples
from shared.errors import SpeechUnavailable


class Ears:
    name = "whisper"

    def __init__(self, missing: str | None = None) -> None:
        self.missing = missing

    def open(self) -> None:
        if self.missing:
            raise SpeechUnavailable(self.missing)

    def understand(self, samples: Samples, *, push_to_talk: bool = True) -> Heard:
        raise AssertionError("nothing is said")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears_check.importlib.util, "find_spec", lambda name: name)


def test_ears_that_open_are_well() -> None:
    finding = check_ears(Ears())
    assert finding.state == "ok"
    assert finding.message.startswith("whisper, opened in")


def test_what_is_missing_is_told_with_what_to_do() -> None:
    finding = check_ears(Ears("ctranslate2 is missing: `pip install 'shadowdog[speech]'`"))
    assert (finding.state, finding.message) == ("warning", "ctranslate2 is missing")
    assert finding.todo == "`pip install 'shadowdog[speech]'`"


def test_text_only_is_no_fault() -> None:
    assert check_ears(None).state == "ok"


def test_without_speech_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears_check.importlib.util, "find_spec", lambda name: None)
    assert check_ears(Ears("x")).state == "skipped"


def test_second_ears_are_told_of_only_where_there_are_to_be_some() -> None:
    assert check_second_ears(None) == []
    (found,) = check_second_ears(Ears("whisper-small is not here: pull it"))
    assert (found.name, found.state, found.todo) == ("second ears", "warning", "pull it")
    (found,) = check_second_ears(Ears())
    assert found.state == "ok"
