"""Settings to voice."""

import pytest

from edge_agent.audio.choice import choose_synthesizer, choose_voice
from edge_agent.audio.synthesizer import EspeakSynthesizer, PiperSynthesizer
from edge_agent.settings import EdgeSettings
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    ("asked", "outputs"),
    [
        ("auto", ["robot", "speaker"]),
        ("robot", ["robot"]),
        ("speaker", ["speaker"]),
        ("text", []),
    ],
)
def test_the_voice_goes_through_what_was_asked_for(monkeypatch, asked, outputs):
    monkeypatch.setenv("EDGE_VOICE", asked)
    voice = choose_voice(EdgeSettings.from_environment())
    assert [output.name for output in voice._outputs] == outputs
    assert voice.describe()["through"] == (outputs[0] if outputs else "text")


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv("EDGE_VOICE", "loud")
    with pytest.raises(ConfigurationError, match="EDGE_VOICE"):
        EdgeSettings.from_environment()


def test_the_synthesizer_is_a_setting(monkeypatch):
    assert isinstance(choose_synthesizer(EdgeSettings.from_environment()), EspeakSynthesizer)
    monkeypatch.setenv("EDGE_SYNTHESIZER", "piper")
    monkeypatch.setenv("EDGE_PIPER_CHINESE", "~/voices/huayan.onnx")
    piper = choose_synthesizer(EdgeSettings.from_environment())
    assert isinstance(piper, PiperSynthesizer)
    assert [*piper._voices] == ["zh"]
    assert piper._voices["zh"].is_absolute()
