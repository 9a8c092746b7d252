"""A tiny random shadow and its bundles, exported once for all tests of this folder."""

import json
from pathlib import Path

import pytest
import torch

from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.export import export_bundle
from cloud_server.training.line_head import LineHead
from tests.cloud_server.modeling.conftest import shake


@pytest.fixture(scope="session")
def loaded() -> TrainingBase:
    return load_training_base("tiny", torch.float32)


@pytest.fixture(scope="session")
def adapter(loaded: TrainingBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(9)
    model = ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=2))
    shake(model.shadow_model)
    directory = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(directory)
    tokens = sorted({*loaded.encoder.encode_plain("[abc .!"), loaded.encoder.end_token_id})
    hidden = loaded.model.config.hidden_size
    LineHead(torch.randn(len(tokens), hidden), tuple(tokens)).save(directory)
    (directory / "thresholds.json").write_text(json.dumps(dict.fromkeys("0123", 0.5)))
    return directory


@pytest.fixture(scope="session")
def bundles(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    places = {}
    for precision in ("fp32", "fp16", "int8"):
        places[precision] = tmp_path_factory.mktemp("bundles") / precision
        export_bundle("tiny", adapter, places[precision], precision)  # type: ignore[arg-type]
    return places
