"""Loading a profile: base, tokenizer and shadow from disk, or a tiny one made in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cloud_server.engine import ServedBase
from cloud_server.profiles import PROFILES
from cloud_server.settings import CloudSettings, Precision
from shared.errors import BaseUnavailable, ConfigurationError, ModelError
from shared.prompt import GEMMA, ChatFormat, PromptEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TINY_SEED = 20260101
GEMMA_MARKS = ("<bos>", "<start_of_turn>", "<end_of_turn>")


def load_profile(settings: CloudSettings) -> ServedBase:
    """Return the model of `settings.profile`, ready to serve.

    BaseUnavailable where the base is not prepared, ModelError where the shadow is missing or does
    not fit. Takes seconds to minutes; `threads` is set for the whole process.
    """
    if settings.profile == "tiny":
        torch.set_num_threads(settings.threads or 1)  # so thin that a second thread only costs
        return make_tiny()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    profile = PROFILES[settings.profile]
    base = settings.base_directory or profile.base_directory
    adapter = settings.adapter_directory or profile.adapter_directory
    names = settings.profile, profile.base
    return load_served_base(names, base, adapter, profile.chat, settings.precision)


def load_served_base(
    names: tuple[str, str],
    base_directory: Path,
    adapter_directory: Path,
    chat: ChatFormat,
    precision: Precision,
) -> ServedBase:
    """Return the base of `base_directory` with the shadow of `adapter_directory` attached.

    names: the shadow's and the bare base's, as requests call them.
    """
    name, base_name = names
    if not (base_directory / "config.json").is_file():
        raise BaseUnavailable(
            f"no base at {base_directory}; run `cloud-server prepare` or set CLOUD_BASE_DIRECTORY"
        )
    if not adapter_directory.is_dir():
        raise ModelError(
            f"no shadow at {adapter_directory}; train one or set CLOUD_ADAPTER_DIRECTORY"
        )
    from cloud_server.modeling import ShadowModel

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = _load_base(base_directory, precision).to(device)  # type: ignore[arg-type]
    tokenizer_file = base_directory / "tokenizer.json"
    control, plain = (read_tokenizer(tokenizer_file) for _ in range(2))
    return ServedBase(
        name=name,
        base_name=base_name,
        model=ShadowModel.from_pretrained(base, adapter_directory).eval(),
        encoder=PromptEncoder(control, plain, chat),
        tokenizer=control,
        stop_token_ids=stop_token_ids(base, control, chat),
        device=device,
    )


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a `tokenizer.json`; BaseUnavailable where there is none."""
    if not path.is_file():
        raise BaseUnavailable(f"no tokenizer at {path}; run `cloud-server prepare` again")
    return Tokenizer.from_file(str(path))


def stop_token_ids(
    base: "PreTrainedModel", tokenizer: Tokenizer, chat: ChatFormat
) -> frozenset[int]:
    """Return what ends an answer: the chat format's end mark and the base's own end of text."""
    end = tokenizer.token_to_id(chat.end)
    if end is None:
        raise ConfigurationError(f"the tokenizer has no {chat.end}; it is not a {chat.name} one")
    generation: Any = getattr(base, "generation_config", None)
    own = getattr(generation, "eos_token_id", None) or []
    return frozenset({end, *([own] if isinstance(own, int) else own)})


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
        stop_token_ids=stop_token_ids(base, control, GEMMA),
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


def _load_base(directory: Path, precision: Precision) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    base: Any = AutoModelForCausalLM.from_pretrained(
        directory,
        dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
        local_files_only=True,
    )
    return cast("PreTrainedModel", base.eval())
