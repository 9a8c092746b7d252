"""espeak-ng and piper as programs on the PATH."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_agent.audio.sound import Absent, Sound
from edge_agent.audio.synthesizer import EspeakSynthesizer, PiperSynthesizer
from tests.edge_agent.audio.conftest import log_of


@pytest.mark.parametrize(
    ("text", "language", "voice"),
    [("Sitting down.", "en", "en-us"), ("坐好啦。", "zh", "cmn"), ("123", "other", "en-us")],
)
def test_espeak_speaks_in_the_languages_voice(espeak, tone, text, language, voice):
    sound = asyncio.run(EspeakSynthesizer().speak(text, language))
    assert isinstance(sound, Sound)
    assert np.array_equal(sound.samples, tone.samples)
    [line] = log_of(espeak)
    assert f"-v {voice} " in line
    assert line.endswith(f":: {text}")


def test_a_line_that_looks_like_an_option_is_only_spoken(espeak):
    asyncio.run(EspeakSynthesizer().speak("-w /tmp/x", "en"))
    assert log_of(espeak)[0].endswith("--stdin --stdout :: -w /tmp/x")


def test_without_espeak_it_says_what_to_install(programs):
    absent = asyncio.run(EspeakSynthesizer().speak("hello", "en"))
    assert isinstance(absent, Absent)
    assert "apt-get install espeak-ng" in absent.reason


@pytest.mark.parametrize("lines", ["echo no such voice >&2; exit 1", "echo not a sound", "exit 0"])
def test_a_failing_espeak_is_a_reason_not_an_error(make_program, lines):
    make_program("espeak-ng", lines)
    absent = asyncio.run(EspeakSynthesizer().speak("hello", "en"))
    assert isinstance(absent, Absent)
    assert "espeak-ng" in absent.reason


def test_piper_speaks_with_the_voice_of_the_language(make_program, programs, tone):
    (programs / "tone.wav").write_bytes(tone.to_wav())
    piper = make_program("piper", f'echo "$2 :: $(cat)" >> "$0.log"; cp "{programs}/tone.wav" "$4"')
    synthesizer = PiperSynthesizer({"en": Path("/voices/amy.onnx"), "zh": Path("/voices/hua.onnx")})
    for text, language in (("Hello\nthere.", "en"), ("你好", "zh")):
        sound = asyncio.run(synthesizer.speak(text, language))
        assert isinstance(sound, Sound)
        assert len(sound.samples) == len(tone.samples)
    assert log_of(piper) == ["/voices/amy.onnx :: Hello there.", "/voices/hua.onnx :: 你好"]


def test_piper_without_a_voice_or_a_program_says_what_to_do(make_program, programs):
    absent = asyncio.run(PiperSynthesizer({}).speak("hello", "en"))
    assert isinstance(absent, Absent)
    assert "piper is not installed" in absent.reason
    make_program("piper", "exit 0")
    absent = asyncio.run(PiperSynthesizer({"en": Path("/v.onnx")}).speak("你好", "zh"))
    assert isinstance(absent, Absent)
    assert "EDGE_PIPER_CHINESE" in absent.reason


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng itself")
@pytest.mark.parametrize(("text", "language"), [("Sitting down.", "en"), ("坐好啦。", "zh")])
def test_the_real_espeak_makes_sound(text, language):
    sound = asyncio.run(EspeakSynthesizer().speak(text, language))
    assert isinstance(sound, Sound)
    assert 0.3 < sound.seconds < 5.0
    assert np.max(np.abs(sound.samples.astype(int))) > 1000
