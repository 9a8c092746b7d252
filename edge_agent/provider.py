"""Which processor the recogniser runs on, as a person asks for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Provider = Literal["cpu", "cuda", "tensorrt"]

BEST_PRECISION: dict[Provider, str] = {"cpu": "int8", "cuda": "fp16", "tensorrt": "fp16"}
"""The precision of a bundle that a provider is fastest with."""


@dataclass(frozen=True)
class ProviderOptions:
    """Where the graph runs; `engines` is where TensorRT keeps what it has built for this GPU."""

    provider: Provider = "cpu"
    threads: int = 1
    device: int = 0
    engines: Path | None = None
