"""Makes the recordings of `recordings/`, and the list of what is said in them.

    python tests/edge_agent/speech/make_recordings.py     # see synthesis.py for what it needs

flite's voices: Carnegie Mellon's licence. kokoro: Apache-2.0. espeak-ng speaks the other languages.
What programs of this kind say belongs to whoever let them speak: the recordings are Apache-2.0.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from synthesis import CHINESE_VOICES, ENGLISH_VOICES, RATE_HZ, speak

FOLDER = Path(__file__).parent / "recordings"

STOPS = {
    "en": (
        "Stop!",
        "Stop it!",
        "Stop moving.",
        "Freeze!",
        "Halt!",
        "Don't move!",
        "Hold still.",
        "Hey dog, stop!",
    ),
    "zh": ("停！", "停下！", "停下来！", "停止！", "别动！", "不许动！", "站住！", "狗哥，停下！"),
}
COMMANDS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("Hey dog, sit down.", "Sit"),
        ("Please lie down.", "StandDown"),
        ("Stand up.", "StandUp"),
        ("Do a full spin.", "TurnAround"),
        ("Turn left.", "TurnLeft"),
        ("Say hello.", "SayHello"),
        ("Wiggle your hips.", "WiggleHips"),
        ("What's the weather today?", "REMOTE"),
        ("Hey dog.", "wake"),
    ),
    "zh": (
        ("狗哥，坐下。", "Sit"),
        ("狗哥，趴下。", "StandDown"),
        ("请站起来。", "StandUp"),
        ("转一圈。", "TurnAround"),
        ("向左转。", "TurnLeft"),
        ("打个招呼。", "SayHello"),
        ("伸个懒腰。", "Stretch"),
        ("今天天气怎么样？", "REMOTE"),
        ("狗哥。", "wake"),
    ),
}
OTHERS = {
    "es": ("Siéntate por favor.", "Buenos días, ¿cómo estás?"),
    "fr": ("Assieds-toi, s'il te plaît.", "Un café et un croissant."),
    "de": ("Wo ist der Bahnhof, bitte?", "Bitte setz dich hin."),
    "ru": ("Сядь, пожалуйста.", "Который час?"),
}


def main() -> None:
    """Make them all."""
    FOLDER.mkdir(exist_ok=True)
    entries: list[dict[str, Any]] = []
    for lang, voices in (("en", ENGLISH_VOICES), ("zh", CHINESE_VOICES)):
        spoken = [(text, "StopMove", voice) for text in STOPS[lang] for voice in voices]
        spoken += [(text, label, voice) for text, label in COMMANDS[lang] for voice in voices[:2]]
        for number, (text, label, voice) in enumerate(spoken):
            name = f"{lang}-{number:02d}-{label.lower()}-{voice.replace('_', '-')}.wav"
            speak(text, lang, voice, FOLDER / name)
            entries.append(
                {"file": name, "text": text, "lang": lang, "label": label, "voice": voice}
            )
    for lang, texts in OTHERS.items():
        for number, text in enumerate(texts):
            name = f"other-{lang}-{number}.wav"
            _speak_other(text, lang, FOLDER / name)
            entries.append(
                {"file": name, "text": text, "lang": lang, "label": "other", "voice": "espeak-ng"}
            )
    lines = [json.dumps(each, ensure_ascii=False) + "\n" for each in entries]
    (FOLDER / "recordings.jsonl").write_text("".join(lines), encoding="utf-8")


def _speak_other(text: str, lang: str, path: Path) -> None:
    raw = path.with_suffix(".raw.wav")
    subprocess.run(["espeak-ng", "-v", lang, "-s", "160", "-w", str(raw), text], check=True)
    subprocess.run(
        [
            "sox",
            "-V1",
            "-R",
            str(raw),
            "-r",
            str(RATE_HZ),
            "-b",
            "16",
            "-c",
            "1",
            str(path),
            "gain",
            "-n",
            "-3",
        ],
        check=True,
    )
    raw.unlink()


if __name__ == "__main__":
    main()
