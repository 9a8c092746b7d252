"""`cloud-server export-edge`: the bundle that an edge runs, written whole or not at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PretrainedConfig

from cloud_server.adapter_files import (
    Taught,
    adapter_sha256,
    line_head_sha256,
    read_edge_thresholds,
    read_second_reading,
    read_taught,
    second_reader_sha256,
)
from cloud_server.bundle_state import Coverage, Precision, bundle_name
from cloud_server.modeling import ShadowModel
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.bundle_folder import refuse_folder, replaced
from cloud_server.training.edge_graph import EdgeGraph, export_graph
from cloud_server.training.graph_precision import reduce_graph
from cloud_server.training.line_head import LineHead
from cloud_server.training.posterior import tag_posteriors
from cloud_server.training.second_reader import Reader
from cloud_server.training.vocabulary import (
    Vocabulary,
    close_under_merges,
    prune,
    read_kept,
    whole_vocabulary,
)
from shared.bundle import (
    MANIFEST_NAME,
    BundleCheck,
    BundleFile,
    BundleManifest,
    BundleTag,
    GraphShape,
    SecondReading,
    file_sha256,
    fingerprint,
)
from shared.errors import ModelError
from shared.prompt import PromptEncoder, prompt_segments, prompt_sha256
from shared.skills import taught_skills
from shared.tag_tree import build_tag_tree
from shared.tags import TAGS

GRAPH_NAME = "graph.onnx"
LINE_GRAPH_NAME = "line_head.onnx"
EMBEDDINGS_NAME = "embeddings.int8"
SCALES_NAME = "embedding_scales.f32"
TOKENIZER_NAME = "tokenizer.json"
WINDOW_TOKENS = 512
CHECK_TEXTS = ("sit down please", "狗哥，转个圈", "what is the capital of France?", "别动")
"""What the self-test of every bundle says."""


@dataclass(frozen=True)
class _Source:
    """What a bundle is made of: an adapter's shadow on the profile's base, its vocabulary, and in which form."""

    profile: str
    adapter: Path
    taught: Taught
    loaded: TrainingBase
    model: ShadowModel
    vocabulary: Vocabulary
    thresholds: dict[str, float]
    reading: SecondReading | None
    precision: Precision
    coverage: Coverage


def export_bundle(
    profile: str,
    adapter: Path,
    target: Path,
    precision: Precision = "int8",
    coverage: Coverage = "whole",
) -> BundleManifest:
    """Write the bundle of `adapter` on the profile's base to `target`, replacing an older one whole.

    coverage: "pruned" carries only the tokens that English and Chinese need, listed for the base,
    and those of the words in which a skill was taught; every text can still be encoded, other
    languages in more tokens. ConfigurationError, before anything is loaded, where `target` holds
    something else than a bundle. ModelError where the shadow was taught other skills than the
    catalogue holds.
    """
    refuse_folder(target, adapter)
    source = _load(profile, adapter, precision, coverage)
    checks = _checks(
        source.model, source.loaded, (*CHECK_TEXTS, *source.taught.texts[:1])
    )  # before the graph, whose export changes how the model attends
    with replaced(target) as made:
        print("1/3 writing embeddings and tokenizer", flush=True)
        write_embeddings(source.model.shadow_embeddings(), made, source.vocabulary.kept)
        source.vocabulary.tokenizer.save(str(made / TOKENIZER_NAME), pretty=False)
        print(f"2/3 exporting the graph ({precision}), about half a minute", flush=True)
        _write_graph(source, made)
        line_ids = _write_line_head(source, made)
        if source.reading is not None:
            Reader.load(adapter).save(made)
        print("3/3 writing the manifest", flush=True)
        manifest = _manifest(source, made, checks, line_ids)
        unsaid = None if source.taught.skills else {"taught"}
        (made / MANIFEST_NAME).write_text(
            manifest.model_dump_json(indent=1, exclude=unsaid) + "\n", encoding="utf-8"
        )
    return manifest


def _load(profile: str, adapter: Path, precision: Precision, coverage: Coverage) -> _Source:
    taught = read_taught(adapter)
    _check_catalogue(adapter, taught)
    loaded = load_training_base(profile, torch.float32)
    return _Source(
        profile=profile,
        adapter=adapter,
        taught=taught,
        loaded=loaded,
        vocabulary=_choose_vocabulary(loaded, coverage, taught.texts),
        model=ShadowModel.from_pretrained(loaded.model, adapter),
        thresholds=read_edge_thresholds(adapter),
        reading=read_second_reading(adapter),
        precision=precision,
        coverage=coverage,
    )


def _check_catalogue(adapter: Path, taught: Taught) -> None:
    known = {skill.name: skill.tier for skill in taught_skills()}
    if taught.skills != known:
        raise ModelError(
            f"the shadow at {adapter} was taught {_names(taught.skills)}, CLOUD_SKILLS names "
            f"{_names(known)}: teach it with `cloud-server teach`, or name its skills' folders"
        )


def _names(skills: Iterable[str]) -> str:
    return ", ".join(skills) or "no skill"


def _checks(
    model: ShadowModel, loaded: TrainingBase, texts: Sequence[str] = CHECK_TEXTS
) -> list[BundleCheck]:
    """Return what torch makes of a few utterances, for the edge's self-test."""
    posteriors = tag_posteriors(model, loaded.encoder, texts)
    best = posteriors.max(dim=1)
    return [
        BundleCheck(text=text, tag=TAGS[index], probability=min(1.0, probability))
        for text, index, probability in zip(
            texts, best.indices.tolist(), best.values.tolist(), strict=True
        )
    ]


def _choose_vocabulary(
    loaded: TrainingBase, coverage: Coverage, taught_texts: Sequence[str]
) -> Vocabulary:
    """Return the bundle's vocabulary; ModelError where pruning would change prompt or tags."""
    whole = whole_vocabulary(loaded.tokenizer, vocabulary_size(loaded.model.get_input_embeddings()))
    if coverage == "whole":
        return whole
    kept = set(read_kept(loaded.name))
    if taught_texts:
        said = [*TAGS, *taught_texts, *(f" {text}" for text in taught_texts)]
        kept.update(token for text in said for token in loaded.encoder.encode_plain(text))
        kept = close_under_merges(loaded.tokenizer, kept)
    pruned = prune(loaded.tokenizer, sorted(kept))
    encoder = _encoder_of(pruned, loaded)
    for text in ("", *TAGS):
        ids = [pruned.kept[each] for each in encoder.encode_prompt(text)]
        if ids != loaded.encoder.encode_prompt(text):
            raise ModelError(f"the smaller vocabulary lacks tokens of the prompt or of {text!r}")
    return pruned


def _encoder_of(vocabulary: Vocabulary, loaded: TrainingBase) -> PromptEncoder:
    text = vocabulary.tokenizer.to_str()
    control, plain = Tokenizer.from_str(text), Tokenizer.from_str(text)
    return PromptEncoder(control, plain, loaded.encoder.chat)


def window_tokens(configuration: PretrainedConfig) -> int:
    """Return how many tokens the graph may see at once: within a sliding window its mask is exact."""
    return min(WINDOW_TOKENS, getattr(configuration, "sliding_window", None) or WINDOW_TOKENS)


def vocabulary_size(embeddings: nn.Module) -> int:
    """Return how many tokens an embedding module knows."""
    return len(cast(Tensor, embeddings.weight))


@torch.no_grad()
def write_embeddings(embeddings: nn.Module, directory: Path, kept: Sequence[int]) -> None:
    """Write what the base's embedding module returns for the kept tokens, int8 with a scale a row.

    The module is asked, not its weight, since Gemma scales what it looks up.
    """
    with (
        (directory / EMBEDDINGS_NAME).open("wb") as table,
        (directory / SCALES_NAME).open("wb") as scales,
    ):
        for start in range(0, len(kept), 8192):
            ids = torch.tensor(kept[start : start + 8192])
            rows = embeddings(ids).float()
            scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
            table.write((rows / scale).round().to(torch.int8).numpy().tobytes())
            scales.write(scale[:, 0].numpy().astype(np.float32).tobytes())


def _write_graph(source: _Source, directory: Path) -> None:
    tree = build_tag_tree([source.loaded.encoder.encode_plain(tag) for tag in TAGS])
    graph = EdgeGraph(source.model, tree.head_token_ids)
    path = directory / GRAPH_NAME
    export_graph(graph, path, hidden_size=_hidden_size(source.model))
    reduce_graph(path, source.precision)


def _write_line_head(source: _Source, directory: Path) -> list[int]:
    """Write the adapter's line head, if it has one, and return its tokens as the bundle's ids."""
    if line_head_sha256(source.adapter) is None:
        return []
    head = LineHead.load(source.adapter)
    head.export(directory / LINE_GRAPH_NAME)
    reduce_graph(directory / LINE_GRAPH_NAME, source.precision)
    return head.bundle_ids(source.vocabulary.kept)


def _hidden_size(model: ShadowModel) -> int:
    return int(model.shadow_embeddings().embedding_dim)  # type: ignore[arg-type]


def _manifest(
    source: _Source, directory: Path, checks: list[BundleCheck], line_ids: list[int]
) -> BundleManifest:
    """Return the manifest of the files that lie in `directory`."""
    encoder, files = _encoder_of(source.vocabulary, source.loaded), _list_files(directory)
    spellings = [encoder.encode_plain(tag) for tag in TAGS]
    shadow, prompt = adapter_sha256(source.adapter), prompt_sha256(encoder.chat)
    tokenizer = files[TOKENIZER_NAME].sha256
    return BundleManifest(
        name=bundle_name(source.profile, source.taught.skills),
        taught=source.taught.skills,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        base=source.loaded.name,
        shadow_sha256=shadow,
        tokenizer_sha256=tokenizer,
        prompt_sha256=prompt,
        fingerprint=fingerprint(shadow, tokenizer, prompt),
        chat_format=encoder.chat.name,
        precision=source.precision,
        coverage=source.coverage,
        graph=_graph_shape(source),
        prefix_token_ids=encoder.encode_segment(prompt_segments(encoder.chat, "")[0]),
        tags=[BundleTag(tag=tag, token_ids=ids) for tag, ids in zip(TAGS, spellings, strict=True)],
        head_token_ids=list(build_tag_tree(spellings).head_token_ids),
        line_head_sha256=line_head_sha256(source.adapter),
        line_token_ids=line_ids,
        thresholds=source.thresholds,  # type: ignore[arg-type]
        second_reading=source.reading,
        second_reader_sha256=second_reader_sha256(source.adapter),
        checks=checks,
        files=files,
    )


def _graph_shape(source: _Source) -> GraphShape:
    configuration = source.model.shadow_model.config
    return GraphShape(
        layers=configuration.num_hidden_layers,
        key_value_heads=configuration.num_key_value_heads,
        head_dimension=configuration.head_dim,
        hidden_size=_hidden_size(source.model),
        vocabulary_size=len(source.vocabulary.kept),
        window_tokens=window_tokens(configuration),
    )


def _list_files(directory: Path) -> dict[str, BundleFile]:
    return {
        path.name: BundleFile(sha256=file_sha256(path), size_bytes=path.stat().st_size)
        for path in sorted(directory.iterdir())
    }
