"""Whether an exported bundle still belongs to its shadow; needs no torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from cloud_server.adapter_files import (
    adapter_sha256,
    line_head_sha256,
    read_edge_thresholds,
    read_second_reading,
    second_reader_sha256,
)
from shared.bundle import read_manifest
from shared.errors import BundleError
from shared.prompt import chat_format, prompt_sha256

Precision = Literal["int8", "fp16", "fp32"]
"""int8 is for a processor, fp16 for a GPU, fp32 the reference."""
Coverage = Literal["pruned", "whole"]
"""Which tokens a bundle carries: what English and Chinese need, or the base's whole vocabulary."""


def bundle_name(profile: str, taught: Iterable[str]) -> str:
    """Return what a bundle is called: the profile, and the taught skills where it knows any."""
    return "-".join((profile, *(name.lower() for name in taught)))


def is_current(target: Path, adapter: Path, precision: Precision, coverage: Coverage) -> bool:
    """Return whether `target` holds a whole bundle of this adapter, prompt and these options."""
    try:
        manifest = read_manifest(target, check_files=False)
    except BundleError:
        return False
    return (
        manifest.shadow_sha256 == adapter_sha256(adapter)
        and manifest.prompt_sha256 == prompt_sha256(chat_format(manifest.chat_format))
        and manifest.thresholds == read_edge_thresholds(adapter)
        and manifest.second_reading == read_second_reading(adapter)
        and manifest.second_reader_sha256 == second_reader_sha256(adapter)
        and manifest.line_head_sha256 == line_head_sha256(adapter)
        and manifest.precision == precision
        and manifest.coverage == coverage
    )
