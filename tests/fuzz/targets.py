"""What reads bytes that others made: each target takes any bytes and may raise only what it declares.

hypothesis feeds them in `make test`; atheris, guided by coverage, in `python -m tests.fuzz.run NAME`.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ValidationError

from cloud_server.adapter_files import (
    ADAPTER_NAME,
    CHANGE_NAME,
    CONFIG_NAME,
    FORM_NAME,
    LINE_HEAD_NAME,
    THRESHOLDS_NAME,
    read_thresholds,
)
from cloud_server.modeling.adapter_shape import AdapterShape
from cloud_server.modeling.change import Change
from cloud_server.modeling.checkpoint import read_tensors, refuse_foreign
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.shadow_form import ShadowForm
from cloud_server.training.line_head import LineHead
from edge_agent import reflex
from edge_agent.cloud_answer import read_answer
from edge_agent.confirmation import read_answer as read_yes
from edge_agent.event_stream import EventParser
from edge_agent.outbox import Outbox
from edge_agent.script import read_script
from shared.bundle import MANIFEST_NAME, BundleManifest, read_manifest
from shared.errors import (
    BundleError,
    CloudProtocolError,
    CloudRefused,
    ConfigurationError,
    DataError,
    ModelError,
)
from shared.messages import (
    ConfirmationRequest,
    IntentReply,
    IntentRequest,
    StopRequest,
    UtteranceRequest,
)
from shared.outcome import Outcome
from shared.skills import SKILL_NAMES, skill
from shared.tags import parse_tag, split_answer
from shared.text import MAX_UTTERANCE_CHARACTERS, clean_answer, clean_lines, clean_utterance

Target = Callable[[bytes], None]


def read_tags(data: bytes) -> None:
    """The tag grammar, over any text."""
    text = data.decode("utf-8", "surrogateescape")
    name = parse_tag(text)
    assert name is None or name == "REMOTE" or name in SKILL_NAMES
    first, spoken = split_answer(text)
    assert first is None or first == "REMOTE" or first in SKILL_NAMES
    assert len(spoken) <= len(text)


def clean_texts(data: bytes) -> None:
    """Cleaning, stop phrases and answers to a question, over any text."""
    text = data.decode("utf-8", "surrogateescape")
    cleaned = clean_utterance(text)
    assert len(cleaned) <= MAX_UTTERANCE_CHARACTERS
    cleaned.encode()
    clean_answer(text).encode()
    clean_lines(text).encode()
    reflex.is_stop(text, False)
    reflex.is_stop(text, True)
    read_yes(text, skill("FrontFlip"))


MESSAGES: tuple[type[BaseModel], ...] = (
    UtteranceRequest,
    StopRequest,
    ConfirmationRequest,
    IntentRequest,
    IntentReply,
    Outcome,
    BundleManifest,
)


def read_messages(data: bytes) -> None:
    """Every body that travels: what is taken can be written again."""
    for message in MESSAGES:
        try:
            taken = message.model_validate_json(data)
        except ValidationError:
            continue
        message.model_validate_json(taken.model_dump_json())


def read_stream(data: bytes) -> None:
    """The cloud's event stream, in pieces of any size."""

    class Pieces:
        async def aiter_raw(self) -> Any:
            for start in range(0, len(data), 7):
                yield data[start : start + 7]

    parser = EventParser(max_bytes=1000)
    try:
        for event in parser.feed(data):
            assert isinstance(event.data, str)
    except CloudProtocolError:
        pass
    response: Any = SimpleNamespace(aiter_raw=Pieces().aiter_raw)
    try:
        reply = asyncio.run(read_answer(response, "q-1", lambda text: None))
    except (CloudProtocolError, CloudRefused):
        return
    assert set(reply.skills) <= set(SKILL_NAMES)


def _in_folder(name: str, data: bytes, read: Callable[[Path], object], *errors: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        (Path(folder) / name).write_bytes(data)
        try:
            read(Path(folder))
        except errors:
            return


def read_bundle(data: bytes) -> None:
    """A bundle's manifest, and the files that it claims."""
    _in_folder(MANIFEST_NAME, data, read_manifest, BundleError)


def read_adapter(data: bytes) -> None:
    """An adapter's files: configuration, form, thresholds, tensors, line head."""
    _in_folder(CONFIG_NAME, data, ShadowConfig.load, ModelError, ConfigurationError)
    _in_folder(FORM_NAME, data, ShadowForm.load, ModelError)
    _in_folder(THRESHOLDS_NAME, data, read_thresholds, ModelError)
    _in_folder(ADAPTER_NAME, data, AdapterShape.read, ModelError)
    _in_folder(ADAPTER_NAME, data, lambda folder: read_tensors(folder / ADAPTER_NAME), ModelError)
    _in_folder(CHANGE_NAME, data, lambda folder: Change.read(folder / CHANGE_NAME), ModelError)
    _in_folder(LINE_HEAD_NAME, data, LineHead.load, ModelError)
    _in_folder("adapter_config.json", data, refuse_foreign, ModelError)


def read_lines(data: bytes) -> None:
    """A simulation's script."""
    _in_folder("script", data, lambda folder: read_script(folder / "script"), DataError)


def open_outbox(data: bytes) -> None:
    """An outbox file that is damaged in any way: set aside, and usable again."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "outbox.sqlite3"
        path.write_bytes(data)
        box = Outbox(path)
        box.open()
        assert box.list() == []


def read_recording(data: bytes) -> None:
    """A recording that anybody may have made, where speech is installed."""
    try:
        from edge_agent.speech.recording import decode_recording
    except ImportError:
        return
    from shared import errors

    refused = (errors.AudioInvalid, errors.AudioTooLong, errors.SpeechUnavailable)
    for container in ("wav", "webm"):
        try:
            samples = decode_recording(data, container)  # type: ignore[arg-type]
        except refused:
            continue
        assert abs(samples).max() <= 1.0


def _wav(frames: bytes = bytes(800), rate: int = 8000) -> bytes:
    form = b"fmt \x10\x00\x00\x00\x01\x00\x01\x00" + rate.to_bytes(4, "little")
    form += (2 * rate).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    body = b"WAVE" + form + b"data" + len(frames).to_bytes(4, "little") + frames
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _events() -> bytes:
    done = {
        "request_id": "q-1",
        "model": "m",
        "say": "坐下啦",
        "skills": ["Sit"],
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        "timings_ms": {"queue": 0, "first_token": None, "total": 1},
    }
    return (
        f'event: token\ndata: {{"text": "x"}}\n\nevent: done\ndata: {json.dumps(done)}\n\n'.encode()
    )


TARGETS: dict[str, tuple[Target, list[bytes]]] = {
    "tags": (read_tags, [b"[Sit()] hello", b"[REMOTE]", "［Sit()］".encode()]),
    "texts": (clean_texts, ["狗哥，请停下".encode(), b"yes, front flip", "\u202e🐕".encode()]),
    "messages": (
        read_messages,
        [
            b'{"text": "sit", "lang": "en"}',
            b'{"request_id": "q", "robot_id": "d", "session_id": "s", "text": "x", "lang": "zh"}',
        ],
    ),
    "stream": (read_stream, [_events(), b": remark\n\n"]),
    "bundle": (read_bundle, [b'{"format_version": 2, "files": {"../x": {}}}']),
    "adapter": (
        read_adapter,
        [
            b'{"num_shadow_layers": 1, "alpha": 0.1}',
            b'{"decoder": null, "update": true}',
            b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
        ],
    ),
    "script": (read_lines, [b'{"text": "sit"}\n', b'{"wav": "x.wav"}\n']),
    "outbox": (open_outbox, [b"SQLite format 3\x00" + bytes(84)]),
    "recording": (read_recording, [_wav(), b"\x1a\x45\xdf\xa3\x9f"]),
}
"""Each with a few samples of what it should take."""
