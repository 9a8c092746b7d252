"""A safetensors file, packed (`.xz`) or not, opened so that one that cannot be read is refused by name."""

import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError, safe_open

from shared.errors import CheckpointMismatch

PACKED = ".xz"
MOST_UNPACKED = 1 << 28
"""Bytes that a packed file may hold: it need not be our own, and a few kilobytes can unpack to any size."""


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Yield safetensors' reader of a file; CheckpointMismatch where it cannot be read."""
    try:
        with _unpacked(path) as file, safe_open(str(file), framework="pt") as stream:
            yield stream
    except (SafetensorError, lzma.LZMAError, EOFError, OSError) as error:
        raise CheckpointMismatch(f"{path} cannot be read as safetensors: {error}") from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the tensors' shapes by name, from the head of the file alone; CheckpointMismatch as above."""
    with open_tensors(path) as stream:
        names = stream.keys()
        return {name: tuple(stream.get_slice(name).get_shape()) for name in names}


def pack(path: Path) -> None:
    """Pack a written file in its place, by LZMA."""
    path.write_bytes(lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    if path.suffix != PACKED:
        yield path
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / path.stem
        with lzma.open(path) as packed:
            held = packed.read(MOST_UNPACKED + 1)
        if len(held) > MOST_UNPACKED:
            raise CheckpointMismatch(f"{path} holds more than {MOST_UNPACKED >> 20} MiB")
        file.write_bytes(held)
        yield file
