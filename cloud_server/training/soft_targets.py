"""Soft targets: the posterior that larger shadows, the teachers, give to training rows, by row id."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cloud_server.loading import computes_bf16
from cloud_server.modeling import ShadowModel
from cloud_server.training.base import load_training_base
from cloud_server.training.data import read_rows
from cloud_server.training.posterior import tag_posteriors
from shared.errors import DataError
from shared.tags import TAGS


def write_soft_targets(path: Path, ids: Sequence[str], posteriors: Tensor) -> None:
    """Write posteriors [rows, 35] with their rows' ids, compressed; probabilities to 1/1000."""
    thousandths = (posteriors.clamp(0, 1) * 1000).round().to(torch.int16).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.savez_compressed(
            stream, ids=np.array(ids), tags=np.array(list(TAGS)), values=thousandths
        )


def read_soft_targets(path: Path) -> dict[str, tuple[float, ...]]:
    """Return each row's posterior; DataError where the file is missing or made for other tags."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            ids, tags, values = stored["ids"], stored["tags"], stored["values"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be read as soft targets: {error}") from error
    if tags.tolist() != list(TAGS):
        raise DataError(
            f"{path} was made for other tags; make it again with `cloud-server soft-targets`"
        )
    shares = values.astype(np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return {name: tuple(row) for name, row in zip(ids.tolist(), shares.tolist(), strict=True)}


def teach(profile: str, adapters: Sequence[Path], files: Sequence[Path], out: Path) -> int:
    """Write the teachers' mean posterior of every row of `files` without a history; return how many.

    profile: whose base the teachers stand on.
    """
    loaded = load_training_base(profile, torch.float32)
    if torch.cuda.is_available():
        loaded.model.to("cuda")  # type: ignore[arg-type]
    rows = [row for path in files for row in read_rows(path) if not row.history]
    texts = [row.text for row in rows]
    total = torch.zeros(len(rows), len(TAGS))
    for adapter in adapters:
        model = ShadowModel.from_pretrained(loaded.model, adapter).eval()
        with torch.autocast(loaded.model.device.type, torch.bfloat16, enabled=computes_bf16()):
            total += tag_posteriors(model, loaded.encoder, texts, batch_rows=64)
    write_soft_targets(out, [row.id for row in rows], total / len(adapters))
    return len(rows)
