"""The edge's line, token by token with a cache, is what torch says on whole sequences."""

from pathlib import Path

import pytest
import torch

from cloud_server.modeling import ShadowModel
from cloud_server.training.base import TrainingBase
from cloud_server.training.line_head import LineHead
from edge_agent.detached_shadow import DetachedShadow
from edge_agent.line_writer import MAX_LINE_TOKENS, LineWriter
from edge_agent.recognizer import Recognizer


@torch.inference_mode()
def greedy_reference(loaded: TrainingBase, adapter: Path, bundle: Path, text: str, tag: str) -> str:
    """Continue the tag by the line head on full sequences, with the bundle's rounded embeddings."""
    model = ShadowModel.from_pretrained(loaded.model, adapter)
    shadow = DetachedShadow.load(bundle)
    table = torch.tensor(shadow._embeddings * shadow._scales[:, None])
    head = LineHead.load(adapter)
    ids = [*loaded.encoder.encode_prompt(text), *loaded.encoder.encode_plain(tag)]
    line: list[int] = []
    while len(line) < MAX_LINE_TOKENS:
        embedded = table[torch.tensor([[*ids, *line]])]
        state = model.shadow_model(inputs_embeds=embedded).last_hidden_state[0, -1]
        token = head.token_ids[int((head.weight @ state).argmax())]
        if token == loaded.encoder.end_token_id:
            break
        line.append(token)
    return str(shadow.tokenizer.decode(line)).lstrip()


@pytest.mark.parametrize("text", ["sit", "狗哥，坐下", "turn left, please!"])
def test_the_line_is_the_reference_line(
    loaded: TrainingBase, adapter: Path, bundles: dict[str, Path], text: str
) -> None:
    writer = LineWriter(DetachedShadow.load(bundles["fp32"]))
    wanted = greedy_reference(loaded, adapter, bundles["fp32"], text, "[Sit()]")
    assert writer.able
    assert writer.line(text, "[Sit()]", "other") == wanted


def test_a_chinese_line_has_no_latin_letter(bundles: dict[str, Path]) -> None:
    writer = LineWriter(DetachedShadow.load(bundles["fp32"]))
    line = writer.line("坐下", "[Sit()]", "zh")
    assert not any(letter.isascii() and letter.isalpha() for letter in line)


def test_pieces_join_to_the_line(bundles: dict[str, Path]) -> None:
    writer = LineWriter(DetachedShadow.load(bundles["int8"]))
    pieces = list(writer.pieces("sit", "[Sit()]", "en"))
    assert "".join(pieces) == writer.line("sit", "[Sit()]", "en")


def test_what_does_not_fit_the_window_gets_no_line(bundles: dict[str, Path]) -> None:
    writer = LineWriter(DetachedShadow.load(bundles["int8"]))
    assert writer.line("sit " * 200, "[Sit()]", "en") == ""


def test_writing_a_line_changes_no_decision(bundles: dict[str, Path]) -> None:
    recognizer = Recognizer.load(bundles["int8"])
    before = recognizer.posterior("sit")
    LineWriter(recognizer.shadow).line("sit", "[Sit()]", "en")
    assert recognizer.posterior("sit") == before


def test_the_mass_outside_the_grammar_is_reported(
    loaded: TrainingBase, adapter: Path, bundles: dict[str, Path]
) -> None:
    outside = Recognizer.load(bundles["fp32"]).posterior("sit").outside
    assert outside is not None
    model, head = ShadowModel.from_pretrained(loaded.model, adapter), LineHead.load(adapter)
    with torch.inference_mode():
        ids = torch.tensor([loaded.encoder.encode_prompt("sit")])
        shares = (model.initial_state(ids)[0, -1] @ head.weight.T).softmax(-1)
    first = loaded.encoder.encode_plain("[Sit()]")[0]
    assert outside == pytest.approx(1 - float(shares[head.token_ids.index(first)]), abs=0.05)
