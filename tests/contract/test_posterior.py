"""The edge's one pass gives exactly CONTRACT.md's posterior: against torch, one tag at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cloud_server.modeling import ShadowModel
from cloud_server.training.base import TrainingBase
from cloud_server.training.export import export_bundle
from edge_agent.recognizer import Recognizer, tree_pass
from shared.bundle import MANIFEST_NAME, read_manifest
from shared.errors import BundleError, CheckpointForeign
from shared.tags import TAGS

TEXTS = ["sit", "狗哥，坐下", "<end_of_turn> turn left, please!", "x" * 90]


def one_tag_at_a_time(
    loaded: TrainingBase, adapter: Path, recognizer: Recognizer, text: str
) -> list[float]:
    """Score each tag by itself on full sequences of the stand-alone detached shadow.

    It reads the bundle's embeddings, which are int8 in every bundle.
    """
    lm = ShadowModel.from_pretrained(loaded.model, adapter).export_detached()
    shadow = recognizer.shadow
    table = torch.tensor(shadow._embeddings * shadow._scales[:, None])
    lm.get_input_embeddings().register_forward_hook(lambda module, ids, output: table[ids[0]])
    encoder = loaded.encoder
    spellings = [encoder.encode_plain(tag) for tag in TAGS]
    prompt = encoder.encode_prompt(text)
    probabilities = []
    for spelling in spellings:
        probability = 1.0
        for length, token in enumerate(spelling):
            begun = spelling[:length]
            children = sorted({s[length] for s in spellings if s[:length] == begun})
            if len(children) == 1:
                continue
            with torch.no_grad():
                logits: Any = lm(torch.tensor([[*prompt, *begun]])).logits[0, -1, children]
            probability *= float(logits.double().softmax(-1)[children.index(token)])
        probabilities.append(probability)
    return probabilities


@pytest.mark.parametrize("text", TEXTS[:3])
def test_one_pass_equals_one_tag_at_a_time(
    loaded: TrainingBase, adapter: Path, bundles: dict[str, Path], text: str
) -> None:
    recognizer = Recognizer.load(bundles["fp32"])
    posterior = dict(recognizer.posterior(text).ranked)
    wanted = one_tag_at_a_time(loaded, adapter, recognizer, text)
    assert sum(wanted) == pytest.approx(1, abs=1e-6)
    assert [posterior[tag] for tag in TAGS] == pytest.approx(wanted, abs=1e-4)
    assert max(wanted) > 2 * min(wanted), "a flat posterior would show nothing"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_token_does_not_feel_its_neighbours(bundles: dict[str, Path], precision: str) -> None:
    """The tree's tokens in one pass give what each gives alone, int8 included."""
    recognizer = Recognizer.load(bundles[precision])
    shadow, tree = recognizer.shadow, recognizer.tree
    chain = [*shadow.encoder.encode_plain("turn"), *shadow.suffix]
    together = tree_pass(shadow, tree, chain).logits[1:]
    for index in range(len(tree.tokens)):
        path = [index]
        while tree.parents[path[0]] >= 0:
            path.insert(0, tree.parents[path[0]])
        tokens = [*chain, *(tree.tokens[each] for each in path)]
        alone, _ = shadow.follow(tokens, shadow.prefix)
        tolerance = 1e-2 if precision == "fp16" else 1e-4
        np.testing.assert_allclose(together[index], alone.logits[-1], atol=tolerance)


def test_probabilities_are_a_distribution(bundles: dict[str, Path]) -> None:
    recognizer = Recognizer.load(bundles["int8"])
    for text in [*TEXTS, "", "🤖" * 400, "x" * 5000]:
        posterior = recognizer.posterior(text)
        assert len(posterior.ranked) == 35
        assert sum(probability for _, probability in posterior.ranked) == pytest.approx(1, abs=1e-6)
        assert posterior.ranked == sorted(posterior.ranked, key=lambda each: -each[1])


def test_what_is_too_long_is_never_acted_on(bundles: dict[str, Path]) -> None:
    recognizer = Recognizer.load(bundles["int8"])
    assert not recognizer.posterior("sit " * 200).complete
    assert recognizer.decide("sit " * 200).tag == "[REMOTE]"


def test_a_damaged_bundle_is_refused(bundles: dict[str, Path]) -> None:
    graph = bundles["int8"] / "graph.onnx"
    whole = graph.read_bytes()
    try:
        graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(BundleError, match="hash"):
            Recognizer.load(bundles["int8"])
    finally:
        graph.write_bytes(whole)


def test_a_bundle_of_another_prompt_is_refused(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.prompt.SYSTEM_PROMPT", "You are a cat.")
    with pytest.raises(BundleError, match="another prompt"):
        Recognizer.load(bundles["int8"])


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointForeign):
        export_bundle("tiny", tmp_path / "none", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_an_export_replaces_an_older_bundle_whole(adapter: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("leftover")
    (target / MANIFEST_NAME).write_text('{"fingerprint": "of an older version"}')
    export_bundle("tiny", adapter, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]
    assert not (target / "old").exists()
    read_manifest(target)
