"""The network alone: its start, its caches, its requests that do not mix, its generation."""

import copy
from typing import Any

import pytest
import torch

from cloud_server.modeling import ShadowModel
from shared.errors import ConfigurationError
from tests.cloud_server.modeling.conftest import CONFIG, WINDOW, shake


def full_logits(model: ShadowModel, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        out = model(ids)
    return out.logits, out.shadow_logits


def in_chunks(
    model: ShadowModel, ids: torch.Tensor, sizes: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    cache, start, pieces = model.new_cache(), 0, []
    with torch.no_grad():
        for size in sizes:
            pieces.append(model(ids[:, start : start + size], cache=cache))
            start += size
    assert cache.length == ids.shape[1]
    return (
        torch.cat([piece.logits for piece in pieces], 1),
        torch.cat([piece.shadow_logits for piece in pieces], 1),
    )


@pytest.mark.parametrize("start", ["random", "base"])
def test_a_new_shadow_changes_nothing(base: Any, ids: torch.Tensor, start: Any) -> None:
    with torch.no_grad():
        bare = base(ids).logits
        attached = ShadowModel.create(base, CONFIG, start=start).eval()(ids).logits
    torch.testing.assert_close(attached, bare, atol=1e-6, rtol=0)


def test_a_trained_shadow_changes_the_base_and_leaves_it_untouched(base: Any, ids: Any) -> None:
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    with torch.no_grad():
        bare = base(ids).logits
    model = ShadowModel.create(base, CONFIG).eval()
    shake(model.shadow_injection_model)
    attached, _ = full_logits(model, ids)
    assert (attached - bare).abs().max() > 1e-3
    with torch.no_grad():
        torch.testing.assert_close(base(ids).logits, bare, atol=0, rtol=0)
    assert base.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.state_dict().items())


def test_two_shadows_live_on_one_base(base: Any, ids: torch.Tensor) -> None:
    models = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made = ShadowModel.create(base, CONFIG).eval()
        for part in made.adapter_modules().values():
            shake(part)
        models.append(made)
    alone = [full_logits(model, ids)[0] for model in models]
    again = [full_logits(model, ids)[0] for model in reversed(models)]
    assert not torch.allclose(alone[0], alone[1], atol=1e-3)
    torch.testing.assert_close(again[1], alone[0], atol=0, rtol=0)
    torch.testing.assert_close(again[0], alone[1], atol=0, rtol=0)


@pytest.mark.parametrize("sizes", [[23], [1] * 23, [5, 1, 9, 8], [WINDOW + 3, 2, 10]])
def test_cached_equals_full_sequence(
    model: ShadowModel, model_fp64: ShadowModel, ids: torch.Tensor, sizes: list[int]
) -> None:
    assert ids.shape[1] > 2 * WINDOW, "the sliding window has to be passed"
    for each, tolerance in ((model, 1e-4), (model_fp64, 1e-10)):
        wanted = full_logits(each, ids)
        got = in_chunks(each, ids, sizes)
        for one, other in zip(got, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


def test_interleaved_requests_get_their_own_answers(model: ShadowModel, ids: Any) -> None:
    first, second = ids[:1], ids[1:]
    wanted = [full_logits(model, each)[0] for each in (first, second)]
    caches, pieces = [model.new_cache(), model.new_cache()], [[], []]
    with torch.no_grad():
        for start in range(0, ids.shape[1], 2):
            for number, each in enumerate((first, second)):
                step = each[:, start : start + 2]
                pieces[number].append(model(step, cache=caches[number]).logits)
    for number in (0, 1):
        torch.testing.assert_close(torch.cat(pieces[number], 1), wanted[number], atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["attached", "detached"])
def test_generate_is_greedy_on_the_full_sequence(model: Any, ids: Any, mode: Any) -> None:
    prompt = ids[:, :6]
    got = model.generate(prompt, max_new_tokens=15, mode=mode)
    naive = prompt
    for _ in range(15):
        attached, detached = full_logits(model, naive)
        logits = attached if mode == "attached" else detached
        naive = torch.cat([naive, logits[:, -1].argmax(-1, keepdim=True)], 1)
    assert torch.equal(got, naive)


def test_generate_batches_with_left_padding_and_ends(model: ShadowModel, ids: Any) -> None:
    short = ids[1:, :4]
    padded = torch.cat([ids[:1, :6], torch.cat([torch.zeros(1, 2, dtype=torch.long), short], 1)])
    mask = torch.tensor([[1] * 6, [0, 0, 1, 1, 1, 1]])
    together = model.generate(padded, max_new_tokens=8, attention_mask=mask)
    assert torch.equal(together[1, 2:], model.generate(short, max_new_tokens=8)[0])
    end = int(together[0, 8])
    ended = model.generate(ids[:1, :6], max_new_tokens=8, end_token_ids=(end,))
    assert ended.shape[1] < 14
    assert int(ended[0, -1]) == end


def test_detached_export_speaks_alike(model: ShadowModel, ids: torch.Tensor) -> None:
    exported = model.export_detached()
    with torch.no_grad():
        torch.testing.assert_close(
            exported(ids).logits, full_logits(model, ids)[1], atol=1e-5, rtol=0
        )
    shake(exported)
    assert not torch.equal(
        exported.get_input_embeddings().weight, model.base.get_input_embeddings().weight
    )


def test_without_update_the_state_stays(base: Any, ids: torch.Tensor) -> None:
    model = ShadowModel.create(base, CONFIG, update=False).eval()
    for part in model.adapter_modules().values():
        shake(part)
    before, _ = full_logits(model, ids)
    shake(model.shadow_update_model)
    torch.testing.assert_close(full_logits(model, ids)[0], before, atol=0, rtol=0)
    changed = copy.deepcopy(model)
    changed.update_shadow = True
    assert not torch.equal(full_logits(changed, ids)[0], before)


def test_only_the_adapter_is_trained(model: ShadowModel, ids: torch.Tensor) -> None:
    model.train()
    model(ids, labels=ids).loss.backward()
    assert all(parameter.grad is None for parameter in model.base.parameters())
    unread = str(len(model.base.model.layers) - 2)  # s(L-1) is read by nobody
    for module, part in model.adapter_modules().items():
        for name, parameter in part.named_parameters():
            is_unread = module == "shadow_update_model" and name.split(".")[1] == unread
            assert (parameter.grad is None) == is_unread, f"{module}.{name}"


def test_an_unknown_mode_is_refused(model: ShadowModel, ids: torch.Tensor) -> None:
    mode: Any = "foo"
    with pytest.raises(ConfigurationError, match="'foo'; use 'attached' or 'detached'"):
        model(ids, mode=mode)
    with pytest.raises(ConfigurationError, match="'attached' or 'detached'"):
        model.generate(ids, max_new_tokens=0, mode=mode)
