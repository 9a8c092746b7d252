"""The profile qwen3-8b on a tiny random Qwen3, with a shadow pair that shadow-peft 0.1.1 wrote."""

import asyncio
import copy
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from cloud_server.cli import main
from cloud_server.engine import Engine, EngineLimits, GenerationRequest, ServedBase
from cloud_server.loading import load_profile, make_byte_tokenizer
from cloud_server.model_source import weights_sha256
from cloud_server.settings import CloudSettings
from shared.errors import BaseUnavailable, CheckpointMismatch
from shared.prompt import CHATML
from tests.cloud_server.modeling.conftest import shake

library = pytest.importorskip("shadow_peft", reason="the reference library is not installed")

MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
GUARD_S = 60
ANSWER_TOKENS = 12


class Pair(NamedTuple):
    """A base and the published pair's forms on disk, and the library's own model of them."""

    base: Path
    adapter: Path
    shadow: Path
    model: Any


def tiny_qwen(hidden: int, layers: int, *, tied: bool) -> Qwen3ForCausalLM:
    tokenizer = make_byte_tokenizer(MARKS)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=hidden,
            intermediate_size=48,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            tie_word_embeddings=tied,
            eos_token_id=tokenizer.token_to_id(CHATML.end),
            bos_token_id=None,
        )
    ).eval()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Sizes apart, what Qwen/Qwen3-8B and shadow-llm's two repositories hold; the shadow in fp16."""
    torch.manual_seed(8)
    folder = tmp_path_factory.mktemp("qwen3")
    base = tiny_qwen(32, 4, tied=False)
    base.save_pretrained(folder / "base")
    make_byte_tokenizer(MARKS).save(str(folder / "base" / "tokenizer.json"))
    kind = library.AutoModelForCausalLMWithHiddenProjection
    kind.wrap(
        shadow_model=tiny_qwen(16, 2, tied=True),
        shadow_hidden_projection=nn.Linear(16, 32, bias=False),
        lm_head=base.lm_head,
        init_optimal_projection=False,
    ).half().save_pretrained(folder / "shadow")
    given = kind.from_pretrained(folder / "shadow", dtype=torch.float32)
    network = library.get_shadow_model(
        copy.deepcopy(base), library.ShadowConfig(), shadow_model=given
    )
    for part in (network.shadow_injection_model, network.shadow_update_model):
        shake(part)
    model = library.ShadowForCausalLM(network).eval()
    model.save_pretrained(folder / "adapter")
    return Pair(folder / "base", folder / "adapter", folder / "shadow", model)


def settings(**given: Any) -> CloudSettings:
    return CloudSettings.from_environment(profile="qwen3-8b", precision="fp32", **given)


class NumberTokenizer:
    """Prints token ids as numbers, so that an answer's text is its tokens."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        return "".join(f"{token} " for token in ids)


def answers(served: ServedBase, pair: Pair, text: str) -> tuple[list[int], list[int]]:
    """Return the tokens that the engine answers, and those of the library's generate."""
    prompt = served.encoder.encode_prompt(text)
    engine = Engine(
        lambda: dataclasses.replace(served, tokenizer=NumberTokenizer()), EngineLimits()
    )
    engine.start()
    engine.loaded.result(GUARD_S)

    async def ask() -> str:
        request = GenerationRequest("r", tuple(prompt), ANSWER_TOKENS, deadline_s=1000)
        events: list[Any] = [event async for event in engine.submit(request)]
        said: str = events[-1].text
        return said

    try:
        said = asyncio.run(asyncio.wait_for(ask(), GUARD_S))
    finally:
        engine.close()
    ids = torch.tensor([prompt])
    theirs = pair.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=ANSWER_TOKENS,
        do_sample=False,
        use_cache=True,
    )[0, len(prompt) :]
    kept = [token for token in theirs.tolist() if token not in served.stop_token_ids]
    return [int(word) for word in said.split()], kept


def test_a_request_is_answered_as_the_library_would(pair: Pair) -> None:
    served = load_profile(
        settings(
            base_directory=pair.base, adapter_directory=pair.adapter, shadow_directory=pair.shadow
        )
    )
    ours, theirs = answers(served, pair, "坐下 please")
    assert ours == theirs
    assert len(ours) == ANSWER_TOKENS


def test_the_hubs_three_repositories_are_the_default(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a download leaves them in huggingface_hub's cache; then offline."""
    import huggingface_hub.constants as constants

    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BaseUnavailable, match="Qwen/Qwen3-8B is no directory here"):
        load_profile(settings())
    for name, folder in (
        ("Qwen--Qwen3-8B", pair.base),
        ("shadow-llm--robot-dog-shadow-peft-v2", pair.adapter),
        ("shadow-llm--robot-dog-detached-shadow", pair.shadow),
    ):
        repository = tmp_path / f"models--{name}"
        shutil.copytree(folder, repository / "snapshots" / ("c" * 40))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("c" * 40)
    served = load_profile(settings())
    ours, theirs = answers(served, pair, "hello")
    assert ours == theirs


def test_the_published_adapter_alone_says_what_it_wants(pair: Pair) -> None:
    with pytest.raises(CheckpointMismatch, match="an explicit shadow, which the library's files"):
        load_profile(settings(base_directory=pair.base, adapter_directory=pair.adapter))


def run_evaluate(pair: Pair, report: Path, mode: str, adapter: str) -> Any:
    data = report.with_suffix(".jsonl")
    data.write_text(
        '{"text": "坐下", "label": "Sit", "lang": "zh"}\n{"text": "hi", "label": "REMOTE"}\n'
    )
    places = ["--base", str(pair.base), "--adapter", adapter, "--shadow", str(pair.shadow)]
    arguments = ["--data", str(data), "--report", str(report), "--mode", mode, *places]
    return CliRunner().invoke(main, ["evaluate", "--profile", "qwen3-8b", *arguments])


def test_it_is_evaluated_in_both_modes(pair: Pair, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(pair.adapter, adapter)
    attached = run_evaluate(pair, tmp_path / "attached.json", "attached", str(adapter))
    assert attached.exit_code == 0, attached.output
    refused = run_evaluate(pair, tmp_path / "detached.json", "detached", str(adapter))
    assert refused.exit_code == 2
    assert "thresholds.json" in refused.stderr
    (adapter / "thresholds.json").write_text(json.dumps({str(tier): 0.5 for tier in range(4)}))
    detached = run_evaluate(pair, tmp_path / "detached.json", "detached", str(adapter))
    assert detached.exit_code == 0, detached.output
    for mode in ("attached", "detached"):
        report = json.loads((tmp_path / f"{mode}.json").read_text())
        assert report["n"] == 2
        assert report["bundle"]["name"] == f"qwen3-8b {mode}"
        assert [item["text"] for item in report["items"]] == ["坐下", "hi"]


def test_a_wrong_hash_is_one_line_and_exit_code_2(pair: Pair, tmp_path: Path) -> None:
    right = weights_sha256(pair.adapter)
    good = run_evaluate(pair, tmp_path / "r.json", "attached", f"{pair.adapter}#{right}")
    assert good.exit_code == 0, good.output
    bad = run_evaluate(pair, tmp_path / "r.json", "attached", f"{pair.adapter}#{'0' * 64}")
    assert bad.exit_code == 2
    assert f"have SHA-256 {right}, expected {'0' * 64}" in bad.stderr
    assert bad.stderr.count("\n") == 1
