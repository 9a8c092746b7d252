"""The part of a vocabulary that English and Chinese need, and the smaller tokenizer that it makes.

A byte-fallback BPE tokenizer loses no text by losing tokens: what was one token becomes several, in
the end the bytes of a character. Text all of whose tokens are kept is encoded exactly as before,
because the kept tokens are closed under merges.
"""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from shared.errors import ConfigurationError, ModelError

_FOLDER = Path(__file__).resolve().parent / "vocabularies"


@dataclass(frozen=True)
class Vocabulary:
    """What a bundle carries of a base's tokenizer: `kept[new id]` is the base's id of the token."""

    tokenizer: Tokenizer
    kept: Sequence[int]


def whole_vocabulary(tokenizer: Tokenizer, size: int) -> Vocabulary:
    """Return the vocabulary of `size` embeddings, unchanged."""
    return Vocabulary(tokenizer, range(size))


def vocabulary_path(base: str) -> Path:
    """Return where the kept tokens of a base's tokenizer are listed."""
    return _FOLDER / f"{base}.bits.gz"


def write_kept(path: Path, kept: Iterable[int], size: int) -> None:
    """Write token ids as a gzipped bit field of `size` bits, reproducibly."""
    bits = np.zeros(size, bool)
    bits[list(kept)] = True
    path.write_bytes(gzip.compress(np.packbits(bits).tobytes(), mtime=0))


def read_kept(base: str) -> list[int]:
    """Return the kept token ids of a base, ascending; ConfigurationError where none are listed."""
    path = vocabulary_path(base)
    if not path.is_file():
        raise ConfigurationError(
            f"no smaller vocabulary is listed for {base}; export with --vocabulary whole"
        )
    bits = np.unpackbits(np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8))
    return [int(each) for each in np.flatnonzero(bits)]


def prune(tokenizer: Tokenizer, kept: Sequence[int]) -> Vocabulary:
    """Return a tokenizer of the `kept` tokens alone, numbered anew in their old order.

    ModelError where `tokenizer` is no byte-fallback BPE or a byte token is not kept: then some text
    could not be encoded.
    """
    spec: dict[str, Any] = json.loads(tokenizer.to_str())
    model = spec["model"]
    if model["type"] != "BPE" or not model.get("byte_fallback"):
        raise ModelError("only a BPE tokenizer with byte fall-back can do with fewer tokens")
    old_ids = sorted(set(kept))
    new_id = {old: new for new, old in enumerate(old_ids)}
    vocabulary = {token: new_id[old] for token, old in model["vocab"].items() if old in new_id}
    if missing := [f"<0x{byte:02X}>" for byte in range(256) if f"<0x{byte:02X}>" not in vocabulary]:
        raise ModelError(f"the kept tokens lack the bytes {', '.join(missing[:4])}, ...")
    model["vocab"] = vocabulary
    model["merges"] = [
        [left, right]
        for left, right in model["merges"]
        if left in vocabulary and right in vocabulary and left + right in vocabulary
    ]
    spec["added_tokens"] = [
        {**added, "id": new_id[added["id"]]}
        for added in spec["added_tokens"]
        if added["id"] in new_id
    ]
    return Vocabulary(Tokenizer.from_str(json.dumps(spec, ensure_ascii=False)), old_ids)


def close_under_merges(tokenizer: Tokenizer, wanted: Iterable[int]) -> set[int]:
    """Return `wanted` with every token that appears on the way to one of them.

    Merges inside a token's span go by rank alone, so each token's own derivation is the one that any
    text takes.
    """
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    ranks = {(left, right): rank for rank, (left, right) in enumerate(model["merges"])}
    spelling = {token_id: token for token, token_id in vocabulary.items()}
    closed = set(wanted)
    for token_id in tuple(closed):
        for symbol in _derivation(spelling.get(token_id, ""), ranks):
            if symbol in vocabulary:
                closed.add(vocabulary[symbol])
    return closed


def _derivation(token: str, ranks: dict[tuple[str, str], int]) -> set[str]:
    """Return every symbol that byte-pair encoding passes through on the way to `token`."""
    symbols = list(token)
    seen = set(symbols)
    while len(symbols) > 1:
        pairs = [ranks.get(pair, len(ranks)) for pair in pairwise(symbols)]
        best = min(range(len(pairs)), key=pairs.__getitem__)
        if pairs[best] == len(ranks):
            break
        symbols[best : best + 2] = [symbols[best] + symbols[best + 1]]
        seen.add(symbols[best])
    return seen
