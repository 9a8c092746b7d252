"""Loading a profile: base, tokenizer and shadow from disk, or a tiny one made in memory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cloud_server.engine import Served, ServedBase
from cloud_server.model_source import (
    ADAPTER_PATTERNS,
    CONFIGURATION_PATTERNS,
    MODEL_PATTERNS,
    ModelSource,
)
from cloud_server.profiles import PROFILES, ModelPlaces
from cloud_server.settings import CloudSettings, Precision
from cloud_server.upstream.vocabulary import Vocabulary
from shared.errors import BaseUnavailable, CheckpointForeign, ConfigurationError, ModelError
from shared.prompt import GEMMA, ChatFormat, PromptEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TINY_SEED = 20260101
GEMMA_MARKS = ("<bos>", "<start_of_turn>", "<end_of_turn>")


def load_profile(settings: CloudSettings) -> ServedBase:
    """Return the model of `settings.profile`, ready to serve.

    BaseUnavailable where the base is not prepared, ModelError where it is not whole, or where the
    shadow is missing or does not fit. Takes seconds to minutes; `threads` is set for the whole process.
    """
    if settings.profile == "tiny":
        torch.set_num_threads(settings.threads or 1)  # so thin that a second thread only costs
        return make_tiny()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    profile = PROFILES[settings.profile]
    places = profile.places(
        settings.base_directory, settings.adapter_directory, settings.shadow_directory
    )
    names = settings.profile, profile.base
    return load_served_base(names, places, profile.chat, settings.precision)


def load_served_base(
    names: tuple[str, str], places: ModelPlaces, chat: ChatFormat, precision: Precision
) -> ServedBase:
    """Return the base of `places` with its shadow attached.

    names: the shadow's and the bare base's, as requests call them. A place is a folder or a hub id
    (`ModelSource.parse`); `places.shadow` is the model that an explicit shadow is made from, where
    the adapter does not describe it.
    """
    name, base_name = names
    base_directory = fetch_base(places.base)
    adapter_directory = fetch_adapter(places.adapter)
    from cloud_server.modeling import ShadowModel

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = _load_base(base_directory, precision).to(device)  # type: ignore[arg-type]
    tokenizer_file = base_directory / "tokenizer.json"
    control, plain = (read_tokenizer(tokenizer_file) for _ in range(2))
    return ServedBase(
        name=name,
        base_name=base_name,
        model=ShadowModel.from_pretrained(base, adapter_directory, shadow=places.shadow),
        encoder=PromptEncoder(control, plain, chat),
        tokenizer=control,
        stop_token_ids=stop_token_ids(_own_end(base), control, chat),
        device=device,
    )


def fetch_base(place: str | Path, patterns: Sequence[str] = MODEL_PATTERNS) -> Path:
    """Return a base's directory, downloaded where it is a hub's; BaseUnavailable where there is none.

    patterns: the files that are wanted of a hub.
    """
    try:
        directory = ModelSource.parse(place).fetch(patterns)
    except CheckpointForeign:  # neither a folder nor a hub id
        directory = Path(place)
    except ModelError as error:
        raise BaseUnavailable(error.message) from error
    if not (directory / "config.json").is_file():
        raise BaseUnavailable(
            f"no base at {place}; run `cloud-server prepare` or set CLOUD_BASE_DIRECTORY"
        )
    return directory


def fetch_adapter(place: str | Path) -> Path:
    """Return an adapter's directory, downloaded where it is a hub's; ModelError where there is none."""
    try:
        return ModelSource.parse(place).fetch(ADAPTER_PATTERNS)
    except CheckpointForeign as error:
        raise ModelError(
            f"no shadow at {place}; train one or set CLOUD_ADAPTER_DIRECTORY"
        ) from error


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a `tokenizer.json`; BaseUnavailable where there is none."""
    if not path.is_file():
        raise BaseUnavailable(f"no tokenizer at {path}; run `cloud-server prepare` again")
    return Tokenizer.from_file(str(path))


def stop_token_ids(own: Any, tokenizer: Tokenizer, chat: ChatFormat) -> frozenset[int]:
    """Return what ends an answer: the chat format's end mark and the base's own end of text.

    own: an id, several, or None, as transformers writes `eos_token_id`.
    """
    end = tokenizer.token_to_id(chat.end)
    if end is None:
        raise ConfigurationError(f"the tokenizer has no {chat.end}; it is not a {chat.name} one")
    return frozenset({end, *([own] if isinstance(own, int) else own or [])})


def _own_end(base: Any) -> Any:
    return getattr(getattr(base, "generation_config", None), "eos_token_id", None)


def load_vocabulary(settings: CloudSettings) -> Vocabulary:
    """Return what a front end needs of `settings.profile`'s base; its weights are not looked for.

    BaseUnavailable where the base's directory, or its tokenizer, is not there.
    """
    if settings.profile == "tiny":
        served = make_tiny()
        config: Any = served.model.base.config
        return Vocabulary(served, config.vocab_size, config.max_position_embeddings)
    profile = PROFILES[settings.profile]
    place = profile.places(settings.base_directory).base
    directory = fetch_base(place, CONFIGURATION_PATTERNS)
    control, plain = (read_tokenizer(directory / "tokenizer.json") for _ in range(2))
    sizes = _read_json(directory / "config.json")
    ends = {**sizes, **_read_json(directory / "generation_config.json")}.get("eos_token_id")
    return Vocabulary(
        Served(
            name=settings.profile,
            base_name=profile.base,
            encoder=PromptEncoder(control, plain, profile.chat),
            tokenizer=control,
            stop_token_ids=stop_token_ids(ends, control, profile.chat),
        ),
        int(sizes["vocab_size"]),
        int(sizes["max_position_embeddings"]),
    )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def make_tiny() -> ServedBase:
    """Return a random Gemma 3 of three thin layers, the same each time, with a byte tokenizer.

    For tests and for trying the service without a download; what it says means nothing.
    """
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    from cloud_server.modeling import ShadowConfig, ShadowModel

    control, plain = make_byte_tokenizer(GEMMA_MARKS), make_byte_tokenizer(GEMMA_MARKS)
    config = Gemma3TextConfig(
        vocab_size=control.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=512,
        max_position_embeddings=4096,
        bos_token_id=control.token_to_id(GEMMA.begin),
        eos_token_id=control.token_to_id(GEMMA.end),
        pad_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(TINY_SEED)
        base = Gemma3ForCausalLM(config)
        model = ShadowModel.create(base, ShadowConfig(num_shadow_layers=1)).eval()
    return ServedBase(
        name="tiny",
        base_name="tiny-base",
        model=model,
        encoder=PromptEncoder(control, plain, GEMMA),
        tokenizer=control,
        stop_token_ids=stop_token_ids(_own_end(base), control, GEMMA),
        device=torch.device("cpu"),
    )


def make_byte_tokenizer(marks: Sequence[str]) -> Tokenizer:
    """Return a tokenizer of one token a UTF-8 byte, and one more for each of the special `marks`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: i for i, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    return tokenizer


def computes_bf16() -> bool:
    """Return whether this machine multiplies bf16 matrices well; where not, fp32 is computed with instead.

    On a CPU without AVX-512 torch has no kernel for it but a plain loop: with torch 2.13 on an AMD EPYC with
    AVX2 a product of 640 by 640 and 640 by 2048 took a hundred times as long as in fp32.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def answering_format() -> torch.dtype:
    """Return what an answering model computes in: bf16 where this machine has it, else fp32."""
    return torch.bfloat16 if computes_bf16() else torch.float32


def _load_base(directory: Path, precision: Precision) -> "PreTrainedModel":
    from cloud_server.modeling import load_causal_lm

    return load_causal_lm(directory, answering_format() if precision == "bf16" else torch.float32)
