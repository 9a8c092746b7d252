"""A corpus: text files encoded once into a file of tokens, and blocks of them in a seeded order."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from cloud_server.training.text_files import Observer, read_pieces
from shared.errors import ConfigurationError, DataError

PIECES_AT_ONCE = 32
TOKENS_NAME = "tokens.u32"
MANIFEST_NAME = "corpus.json"

Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Encoding:
    """How text becomes tokens. `begin` and `end` stand around every document; the text itself never
    becomes a special token (`tokenizer` is told so). separator: a line that ends a document within
    a file. vocabulary: tokens that the models know."""

    tokenizer: Tokenizer
    tokenizer_sha256: str
    vocabulary: int
    begin: tuple[int, ...]
    end: tuple[int, ...]
    separator: str | None = None

    def __post_init__(self) -> None:
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def identity(self) -> dict[str, Any]:
        """Return what decides the tokens of a text."""
        return {
            "tokenizer_sha256": self.tokenizer_sha256,
            "begin": list(self.begin),
            "end": list(self.end),
            "separator": self.separator,
        }


@dataclass(frozen=True)
class TextFile:
    """What one file came to."""

    path: str
    bytes: int
    sha256: str
    documents: int
    tokens: int


def open_corpus(files: Sequence[Path], encoding: Encoding, directory: Path) -> Path:
    """Return the file of tokens of `files` in `directory`, made now unless it is there already.

    Tokens are little-endian 32-bit numbers, 4 bytes each; memory does not grow with the text.
    ConfigurationError where `directory` holds the tokens of other or changed files, or of another
    tokenizer. DataError for an empty file and for a token beyond the vocabulary.
    """
    manifest, tokens = directory / MANIFEST_NAME, directory / TOKENS_NAME
    if manifest.exists():
        _refuse_changed(
            json.loads(manifest.read_text(encoding="utf-8")), files, encoding, directory
        )
        return tokens
    directory.mkdir(parents=True, exist_ok=True)
    partial = tokens.with_suffix(".partial")
    with partial.open("wb") as stream:
        written = [asdict(_write_file(path, encoding, stream)) for path in files]
    os.replace(partial, tokens)
    partial = manifest.with_suffix(".partial")
    made = {**encoding.identity(), "files": written}
    partial.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, manifest)  # last: a corpus without its manifest is made anew
    return tokens


def _encode(path: Path, encoding: Encoding, observe: Observer) -> Iterator[tuple[list[int], bool]]:
    """Yield (tokens, whether a document ends with them), begin and end tokens included."""
    pieces = read_pieces(path, encoding.separator, observe)
    opened = False
    while batch := list(islice(pieces, PIECES_AT_ONCE)):
        texts = [piece for piece in batch if piece is not None]
        encoded = iter(encoding.tokenizer.encode_batch(texts, add_special_tokens=False))
        for piece in batch:
            if piece is None:
                yield list(encoding.end), True
            else:
                ids = next(encoded).ids
                yield (ids if opened else [*encoding.begin, *ids]), False
            opened = piece is not None


def _write_file(path: Path, encoding: Encoding, stream: BinaryIO) -> TextFile:
    digest, size, tokens, documents = hashlib.sha256(), 0, 0, 0

    def observe(raw: bytes) -> None:
        nonlocal size
        digest.update(raw)
        size += len(raw)

    for ids, ends in _encode(path, encoding, observe):
        if ids and max(ids) >= encoding.vocabulary:
            raise DataError(
                f"{path}: the tokenizer makes token {max(ids)}, beyond the models' "
                f"{encoding.vocabulary}; it is not their tokenizer"
            )
        stream.write(np.asarray(ids, dtype="<u4").tobytes())
        tokens += len(ids)
        documents += ends
    if not documents:
        raise DataError(f"{path} is empty; leave it out")
    return TextFile(str(path), size, digest.hexdigest(), documents, tokens)


def _refuse_changed(
    was: dict[str, Any], files: Sequence[Path], encoding: Encoding, directory: Path
) -> None:
    complaints = [name for name, value in encoding.identity().items() if value != was[name]]
    if [each["path"] for each in was["files"]] != [str(path) for path in files]:
        complaints.append("the list of files")
    else:
        hashes = {each["path"]: each["sha256"] for each in was["files"]}
        complaints += [str(path) for path in files if file_sha256(path) != hashes[str(path)]]
    if complaints:
        raise ConfigurationError(
            f"{directory} holds the tokens of another text (changed: {', '.join(complaints)}); "
            "take the change back, or begin in another folder"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in parts."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


class Blocks(Dataset[dict[str, Tensor]]):
    """The blocks `numbers` of a file of tokens, each `input_ids` [block_tokens], read when asked for.

    Documents follow each other without padding, so a block may hold the parts of several; what is
    left after the last whole block is not used.
    """

    def __init__(self, tokens: Path, block_tokens: int, numbers: Numbers) -> None:
        self.tokens = np.memmap(tokens, dtype="<u4", mode="r")
        self.block_tokens = block_tokens
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        start = int(self.numbers[index]) * self.block_tokens
        block = self.tokens[start : start + self.block_tokens].astype(np.int64)
        return {"input_ids": torch.from_numpy(block)}


def hold_out(tokens: Path, block_tokens: int, held_out: int, seed: int) -> tuple[Numbers, Numbers]:
    """Return the numbers of the blocks to train on and of `held_out` others, drawn by `seed`.

    DataError where there are too few tokens for both.
    """
    blocks = tokens.stat().st_size // (4 * block_tokens)
    if blocks <= held_out:
        raise DataError(
            f"the text gives {blocks} blocks of {block_tokens} tokens, too few to train on beside "
            f"{held_out} held out; give more text or smaller blocks"
        )
    drawn = np.random.default_rng([seed, 0]).permutation(blocks)
    return np.sort(drawn[held_out:]), np.sort(drawn[:held_out])


def lay_out(numbers: Numbers, length: int, seed: int) -> Numbers:
    """Return `length` of `numbers`, epoch after epoch, each epoch in an order of its own by `seed`."""
    epochs = -(-length // len(numbers))
    orders = [
        np.random.default_rng([seed, 1 + each]).permutation(numbers) for each in range(epochs)
    ]
    return np.concatenate(orders)[:length]
