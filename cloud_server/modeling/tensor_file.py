"""A safetensors file, opened so that one that cannot be read is refused by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from shared.errors import CheckpointMismatch


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Yield safetensors' reader of a file; CheckpointMismatch where it cannot be read."""
    try:
        with safe_open(str(path), framework="pt") as stream:
            yield stream
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(f"{path} cannot be read as safetensors: {error}") from error
