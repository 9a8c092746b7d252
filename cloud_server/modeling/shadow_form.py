"""What the library's files cannot say about a shadow: its decoder, its embeddings, its ablation."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from cloud_server.adapter_files import FORM_NAME, read_object
from cloud_server.modeling.projected import PROJECTED_KIND
from shared.errors import CheckpointMismatch

_UNBUILDABLE = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
)
"""What transformers raises on a configuration that makes no sense, depending on where it meets it."""


@dataclass(frozen=True)
class ShadowForm:
    """Lies beside the library's files as `shadow_form.json`, where a shadow is not the plain one.

    decoder: an explicit shadow's transformers configuration, None for an implicit one. update:
    False for the ablation, whose file has no update tensors, so that the library refuses it
    instead of running another network.
    """

    decoder: dict[str, Any] | None = None
    update: bool = True

    @classmethod
    def of(cls, decoder: PreTrainedModel | None, *, update: bool) -> "ShadowForm":
        """Return the form of an explicit shadow's decoder, or of an implicit one (None)."""
        if decoder is None:
            return cls(None, update)
        written = decoder.config.to_dict()
        written.pop("_name_or_path", None)  # a path on the machine that it was loaded on
        return cls(written, update)

    def save(self, directory: Path) -> None:
        """Write the form into an existing directory, or remove an old one that is not needed."""
        path = directory / FORM_NAME
        if self == ShadowForm():
            path.unlink(missing_ok=True)
            return
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> "ShadowForm":
        """Read the form; the plain one where there is none. CheckpointMismatch for unknown keys."""
        path = directory / FORM_NAME
        if not path.exists():
            return cls()
        raw = read_object(path)
        unknown = sorted(set(raw) - {field.name for field in fields(cls)})
        if unknown:
            raise CheckpointMismatch(f"{path} has keys that this version does not know: {unknown}")
        form = cls(**raw)
        if not isinstance(form.update, bool) or not isinstance(form.decoder, dict | None):
            raise CheckpointMismatch(f"{path} has values of a wrong type")
        return form

    def build_decoder(self) -> PreTrainedModel | None:
        """Return the explicit shadow's decoder with random weights; None for an implicit shadow.

        CheckpointMismatch where transformers knows no such decoder, or cannot build it.
        """
        if self.decoder is None:
            return None
        kind = str(self.decoder.get("model_type"))
        if kind not in CONFIG_MAPPING or kind == PROJECTED_KIND:
            raise CheckpointMismatch(f"{FORM_NAME} names a decoder of unknown type {kind!r}")
        auto: Any = AutoModel
        try:
            built: PreTrainedModel = auto.from_config(
                CONFIG_MAPPING[kind].from_dict(dict(self.decoder))
            )
        except _UNBUILDABLE as error:
            said = " ".join(str(error).split())
            raise CheckpointMismatch(
                f"{FORM_NAME} describes a {kind} that cannot be built: {said}"
            ) from error
        return built
