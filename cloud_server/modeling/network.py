"""The network without a task: shadow states beside the layers of a frozen base (§3.1, eqs. 1 to 7)."""

from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args

from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import Self

from cloud_server.adapter_files import CONFIG_NAME
from cloud_server.model_source import ADAPTER_PATTERNS, MODEL_PATTERNS, ModelSource
from cloud_server.modeling import checkpoint
from cloud_server.modeling.adapter_shape import AdapterShape
from cloud_server.modeling.backbone import Around, decoder_of, view_around_layers
from cloud_server.modeling.cache import ShadowCache
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.heads import copy_heads
from cloud_server.modeling.injection import Injection
from cloud_server.modeling.projected import load_causal_lm
from cloud_server.modeling.shadow_backbone import (
    ShadowBackbone,
    build_explicit_shadow,
    build_implicit_shadow,
    own_embeddings,
)
from cloud_server.modeling.shadow_form import ShadowForm
from cloud_server.modeling.token_step import TokenStep
from cloud_server.modeling.trainer_interface import TrainerInterface
from cloud_server.modeling.update import Update
from shared.errors import CheckpointMismatch, ConfigurationError, ModelError

Mode = Literal["attached", "detached"]
Mask = Tensor | dict[str, Tensor] | None


class ShadowNetwork(TrainerInterface):
    """The paper's network over any decoder of transformers with a `layers` list (arXiv 2604.19254 §3).

    The base is neither changed nor copied, only frozen; all state of a request lies in the
    `ShadowCache` that the caller owns, so calls may interleave and threads may share one model.
    `saved_heads` holds the heads that are trained and saved beside the adapter.
    """

    KNOWN_HEADS: ClassVar[tuple[str, ...]] = ()
    DEFAULT_HEADS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        base: PreTrainedModel,
        config: ShadowConfig,
        shadow: ShadowBackbone,
        *,
        update: bool = True,
    ) -> None:
        super().__init__()
        decoder = decoder_of(base)
        layers = len(cast(nn.ModuleList, decoder.layers)) - 1
        if layers < 1:
            raise ModelError("a shadow needs a base of at least two layers")
        hidden = decoder.config.hidden_size
        self.shadow_config = config
        self.base = base.requires_grad_(False)
        self.shadow_model = shadow.decoder
        self.shadow_hidden_projection = shadow.projection
        self.explicit_shadow = shadow.explicit
        self.shadow_injection_model = Injection(
            layers, hidden, config.injection_hidden_size, config.alpha, config.dropout
        )
        self.shadow_update_model = Update(layers, hidden, config.gate_hidden_size, config.dropout)
        self.update_shadow = update
        names = config.modules_to_save or self.DEFAULT_HEADS
        self.saved_heads = copy_heads(names, self.KNOWN_HEADS, self._base_head())
        # A tuple hides the view from state_dict and .to
        self._view = (view_around_layers(decoder),)
        self._shadow_step = TokenStep(self.shadow_model)
        self._view_step = TokenStep(self._view[0])
        parameter = next(decoder.parameters())
        for part in (self.shadow_injection_model, self.shadow_update_model):
            part.to(device=parameter.device, dtype=parameter.dtype)

    def _base_head(self) -> nn.Module:
        """Return the base's own prediction head."""
        raise NotImplementedError

    @classmethod
    def create(
        cls,
        base: PreTrainedModel,
        config: ShadowConfig,
        shadow: PreTrainedModel | None = None,
        *,
        start: Literal["random", "base"] = "random",
        share_embeddings: bool = False,
        update: bool = True,
    ) -> Self:
        """Return a new shadow on `base`: implicit, or explicit where `shadow` is given (a copy of it).

        shadow: a CausalLM, a decoder or a projected shadow; with its own embeddings, or with the
        base's (`share_embeddings`). start: "random" weights or the "base"'s own first layers
        (implicit only). update=False is the paper's ablation (§4.3): the state stays s(0).
        """
        decoder = decoder_of(base)
        if shadow is None:
            built = build_implicit_shadow(decoder, config, start)
        else:
            built = build_explicit_shadow(decoder, shadow, share_embeddings=share_embeddings)
        return cls(base, config, built, update=update)

    @classmethod
    def from_pretrained(
        cls,
        base: PreTrainedModel,
        directory: str | Path,
        *,
        shadow: PreTrainedModel | str | Path | None = None,
        revision: str | None = None,
        sha256: str | None = None,
    ) -> Self:
        """Return the shadow of a library-format directory on `base`, in inference mode.

        directory: a local one, or a hub id with its `revision`; `owner/name@revision#sha256` says
        the same. sha256: what the weights must have (`weights_sha256`). shadow: what an explicit
        shadow was made from, where the directory does not say: a CausalLM or projected shadow, or
        its place. CheckpointForeign names another network's files, CheckpointMismatch every
        missing, unexpected or mis-shaped tensor and what no shadow of this base can be; nothing is
        loaded half.
        """
        source = ModelSource.parse(directory)
        source = ModelSource(source.place, revision or source.revision, sha256 or source.sha256)
        folder = source.fetch(ADAPTER_PATTERNS)
        checkpoint.refuse_foreign(folder)
        config, form = ShadowConfig.load(folder), ShadowForm.load(folder)
        shape, decoder = AdapterShape.read(folder), decoder_of(base)
        shape.refuse_other_base(decoder)
        if isinstance(shadow, str | Path):
            shadow = load_causal_lm(ModelSource.parse(shadow).fetch(MODEL_PATTERNS))
        try:
            built = shape.build_shadow(decoder, config, shadow or form.build_decoder())
            model = cls(base, config, built, update=form.update)
        except ConfigurationError as error:
            raise CheckpointMismatch(
                f"{folder / CONFIG_NAME} does not fit this {type(base).__name__}: {error.message}"
            ) from error
        model.load_adapter(folder)
        return model.eval()

    def load_adapter(self, directory: Path) -> None:
        """Copy a directory's tensors into this network; CheckpointMismatch changes nothing."""
        checkpoint.load_tensors(self.adapter_modules(), directory, dict(self.saved_heads.items()))

    def load_shadow(self, directory: Path) -> None:
        """Copy the shadow alone, B and P, from an adapter's directory; what is beside it stays."""
        names = ("shadow_model", "shadow_hidden_projection")
        modules = {name: self.adapter_modules()[name] for name in names}
        checkpoint.load_tensors(modules, directory, partly=True)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the adapter in the library's format; the base is not part of it.

        An explicit shadow's configuration goes beside it (`ShadowForm`), so that loading needs no
        more than the directory.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.shadow_config.save(folder)
        decoder = self.shadow_model if self.explicit_shadow else None
        ShadowForm.of(decoder, update=self.update_shadow).save(folder)
        checkpoint.save_tensors(self.adapter_modules(), folder, dict(self.saved_heads.items()))

    def adapter_modules(self) -> dict[str, nn.Module]:
        """Return the trained parts by their names in the library's checkpoints."""
        modules = {
            "shadow_model": self.shadow_model,
            "shadow_hidden_projection": self.shadow_hidden_projection,
            "shadow_injection_model": self.shadow_injection_model,
        }
        if self.update_shadow:
            modules["shadow_update_model"] = self.shadow_update_model
        return modules

    def new_cache(self) -> ShadowCache:
        """Return an empty cache for one request (or one batch that moves together)."""
        return ShadowCache(decoder_of(self.base).config, self.shadow_model.config)

    def shadow_embeddings(self) -> nn.Module:
        """Return the input embeddings that feed the shadow: its own, else the base's."""
        own = own_embeddings(self.shadow_model)
        return decoder_of(self.base).get_input_embeddings() if own is None else own

    def initial_state(
        self,
        input_ids: Tensor,
        attention_mask: Mask = None,
        cache: ShadowCache | None = None,
        position_ids: Tensor | None = None,
        **backbone: Any,
    ) -> Tensor:
        """Return s(0) = P(B(E(x))) [batch, tokens, hidden] (eq. 1, eq. 10 for P); fills `cache.shadow`.

        backbone: further arguments of the shadow's decoder, for an attention of the caller's own.
        """
        embedded: Tensor = self.shadow_embeddings()(input_ids)
        if cache and not backbone and self._shadow_step.fits(input_ids, attention_mask):
            state = self._shadow_step(embedded, position_ids, cache.shadow)
        else:
            state = self.shadow_model(
                inputs_embeds=embedded,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=cache.shadow if cache else None,
                use_cache=cache is not None,
                **backbone,
            ).last_hidden_state
        projected: Tensor = self.shadow_hidden_projection(state)
        return projected

    def refined_state(
        self,
        input_ids: Tensor,
        initial: Tensor,
        attention_mask: Mask = None,
        cache: ShadowCache | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the base's final-normed h(L-1) [batch, tokens, hidden] with the shadow injected."""
        view, around = self._view[0], self._around(initial)
        if cache and self._view_step.fits(input_ids, attention_mask):
            embedded = view.get_input_embeddings()(input_ids)
            return self._view_step(embedded, position_ids, cache.base, shadow_around=around)
        output = view(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache.base if cache else None,
            use_cache=cache is not None,
            shadow_around=around,
        )
        state: Tensor = output.last_hidden_state
        return state

    def _around(self, initial: Tensor) -> Around:
        """Return §3.1's three steps a layer as a closure that owns this pass's s(l)."""
        shadow = initial
        last = len(cast(nn.ModuleList, self._view[0].layers)) - 1

        def around(hidden: Tensor, index: int, layer: Any) -> Tensor:
            nonlocal shadow
            if index == 0:
                output: Tensor = layer(hidden)
                return output
            output = layer(self.shadow_injection_model(hidden, shadow, index - 1))
            if self.update_shadow and index < last:  # nothing reads s(L-1)
                shadow = self.shadow_update_model(output, shadow, index - 1)
            return output

        return around


def check_mode(mode: str) -> None:
    """Raise ConfigurationError for what is no way to run the network."""
    known = get_args(Mode)
    if mode not in known:
        raise ConfigurationError(f"mode is {mode!r}; use {' or '.join(map(repr, known))}")


def token_positions(input_ids: Tensor, attention_mask: Any) -> Tensor | None:
    """Return positions that start at 0 after left padding; None leaves them to the decoder's cache."""
    if not isinstance(attention_mask, Tensor) or attention_mask.dim() != 2:
        return None
    positions = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
    return positions[:, -input_ids.shape[1] :]
