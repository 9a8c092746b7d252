"""The shadow's sizes and constants, in the published library's file format."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cloud_server.adapter_files import CONFIG_NAME, read_object
from shared.errors import CheckpointMismatch, ConfigurationError


@dataclass(frozen=True)
class ShadowConfig:
    """Names and defaults are those of `shadow_config.json` (shadow-peft 0.1.1).

    num_shadow_layers: decoder layers of an implicit shadow. injection_hidden_size: rank r of the
    injection. gate_hidden_size: inner width of the update's gate and transform. alpha: injection
    strength α. dropout: inside injection and update, in training only. The `shadow_*` sizes make an
    implicit shadow's layers narrower than the base's; None keeps the base's. modules_to_save: heads
    saved beside the adapter.
    """

    num_shadow_layers: int = 1
    injection_hidden_size: int = 16
    gate_hidden_size: int = 10
    alpha: float = 0.1
    dropout: float = 0.2
    shadow_intermediate_size: int | None = None
    shadow_num_attention_heads: int | None = None
    shadow_num_key_value_heads: int | None = None
    shadow_head_dim: int | None = None
    modules_to_save: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.num_shadow_layers < 1:
            raise ConfigurationError("num_shadow_layers must be at least 1")
        if self.injection_hidden_size < 1 or self.gate_hidden_size < 2:
            raise ConfigurationError(
                "injection_hidden_size must be at least 1 and gate_hidden_size at least 2"
            )
        if not math.isfinite(self.alpha):
            raise ConfigurationError("alpha must be a finite number")
        if not 0 <= self.dropout < 1:
            raise ConfigurationError("dropout must lie in [0, 1)")
        for name, size in asdict(self).items():
            if name.startswith("shadow_") and size is not None and size < 1:
                raise ConfigurationError(f"{name} must be at least 1")

    def save(self, directory: Path) -> None:
        """Write `shadow_config.json` into an existing directory."""
        text = json.dumps({**asdict(self), "modules_to_save": list(self.modules_to_save)}, indent=2)
        (directory / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> "ShadowConfig":
        """Read `shadow_config.json`; CheckpointMismatch names what this version cannot honour."""
        raw = read_object(directory / CONFIG_NAME)
        unknown = sorted(set(raw) - {field.name for field in fields(cls)})
        if unknown:
            raise CheckpointMismatch(
                f"{directory / CONFIG_NAME} has keys that this version does not know: "
                f"{', '.join(unknown)}; a newer library may have written it"
            )
        wrong = sorted(name for name, value in raw.items() if not _fits(name, value))
        if wrong:
            raise CheckpointMismatch(
                f"{directory / CONFIG_NAME} has values of a wrong type: {', '.join(wrong)}"
            )
        raw["modules_to_save"] = tuple(raw.get("modules_to_save") or ())
        try:
            return cls(**raw)
        except ConfigurationError as error:
            raise CheckpointMismatch(f"{directory / CONFIG_NAME}: {error.message}") from error


def _fits(name: str, value: Any) -> bool:
    """Return whether a value of the file has the type of its field; a bool is no number."""
    if name == "modules_to_save":
        return value is None or (
            isinstance(value, list) and all(isinstance(each, str) for each in value)
        )
    if name.startswith("shadow_") and value is None:
        return True
    kinds = (int, float) if name in ("alpha", "dropout") else (int,)
    return isinstance(value, kinds) and not isinstance(value, bool)
