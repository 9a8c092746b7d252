"""The models' files: found, joined, believed by their digests, and what is said where they lack."""

import hashlib
from pathlib import Path

import pytest

from edge_agent.speech import model_files
from edge_agent.speech.model_files import (
    SENSE_VOICE_SMALL,
    WHISPER_BASE,
    ModelFile,
    SpeechModel,
    check_files,
    find_model,
    join_halves,
    new_folder,
)
from shared.errors import SpeechUnavailable

WORDS = b"some words"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def small_model(data: bytes = WORDS) -> SpeechModel:
    file = ModelFile("model.bin", len(data), hashlib.sha256(data).hexdigest())
    return SpeechModel("small", "some/where", "main", "MIT", (file,))


def test_a_missing_model_says_how_to_get_it() -> None:
    with pytest.raises(SpeechUnavailable, match="speech pull sensevoice-small"):
        find_model(SENSE_VOICE_SMALL)


def test_missing_halves_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "WHISPER_PACKAGES", ("no_such_package",))
    with pytest.raises(SpeechUnavailable, match=r"shadowdog\[speech-model\]"):
        find_model(WHISPER_BASE)


def test_an_own_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_bytes(b"own")
    assert find_model(WHISPER_BASE, tmp_path) == tmp_path


def test_an_own_folder_without_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"own")
    with pytest.raises(SpeechUnavailable, match=r"lacks config\.json, tokenizer\.json"):
        find_model(WHISPER_BASE, tmp_path)


@pytest.mark.parametrize("data", [b"other word", b"short"])
def test_a_cached_model_is_believed_by_its_digest(cache: Path, data: bytes) -> None:
    model = small_model()
    folder = cache / "speech" / "small"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(WORDS)
    assert find_model(model) == folder
    (folder / "model.bin").write_bytes(data)
    with pytest.raises(SpeechUnavailable, match="damaged"):
        check_files(model, folder)


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"

    def fill(fail: bool) -> None:
        with new_folder(folder) as partial:
            (partial / "a").write_bytes(b"a")
            if fail:
                raise SpeechUnavailable("broken off")

    with pytest.raises(SpeechUnavailable, match="broken off"):
        fill(True)
    assert list(folder.parent.iterdir()) == []
    fill(False)
    assert [each.name for each in folder.iterdir()] == ["a"]


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(SpeechUnavailable, match="SHADOWDOG_CACHE"),
        new_folder(tmp_path / "file" / "x"),
    ):
        pass


def test_the_packages_halves_join_to_the_public_model(cache: Path) -> None:
    for package in model_files.WHISPER_PACKAGES:
        pytest.importorskip(package, reason="the speech model's package is not installed")
    folder = join_halves()
    assert folder == cache / "speech" / "whisper-base"
    check_files(WHISPER_BASE, folder)
    assert find_model(WHISPER_BASE) == folder


def test_a_half_that_was_changed_is_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [tmp_path / "1", tmp_path / "2"]
    for number, half in enumerate(halves, 1):
        half.mkdir()
        (half / f"model.bin.part{number}").write_bytes(b"half")
        for each in WHISPER_BASE.files[1:]:
            (half / each.name).write_bytes(b"x")
    monkeypatch.setattr(model_files, "_halves", lambda: halves)
    with pytest.raises(SpeechUnavailable, match="damaged"):
        find_model(WHISPER_BASE)
    assert not (cache / "speech" / "whisper-base").exists()
