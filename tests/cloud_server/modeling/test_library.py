"""Equality with the published library, shadow-peft 0.1.1: architecture × form × head × mode.

Every row compares our answer with the library's own where it is right: each request alone, in one
pass, unpadded. A row without a bug shows that the library agrees with itself there; a row with one
names what the library does wrong, and shows that it does.
"""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from cloud_server.modeling import ShadowConfig, ShadowModel, ShadowSequenceClassifier
from tests.cloud_server.modeling.library_reference import (
    CAUSAL,
    Case,
    full_pass,
    make_case,
    shadow_peft,
)

FORMS = ("implicit", "narrower", "shared", "own", "smaller", "projected")
"""Implicit, also with fewer and narrower parts; explicit of another family with the base's
embeddings, with its own, and of half the hidden size (eq. 10); a projected shadow (eq. 11)."""
MODES = {
    "causal": ("attached", "detached", "cached", "interleaved", "padded", "exported"),
    "classification": ("attached", "detached", "cached", "padded"),
}
PREFILL = 17
"""Tokens of a request's first pass in the cached modes; more than a sliding window holds."""

SHARED = "the shadow without embeddings is called with token ids, since transformers now raises where the library looks for None"
BUGS = {
    (
        "causal",
        "interleaved",
    ): "the shadow's cache lies on the module: the last request's answers all",
    (
        "causal",
        "exported",
        "own",
    ): "the export is of the base's class and has the base's embeddings",
    ("causal", "exported", "smaller"): "the export is of the base's class, not of the shadow's",
    ("classification", "cached"): "the classifier ignores the cache that it is given",
    (
        "classification",
        "padded",
    ): "the shadow's state is pooled at count - 1, a wrong place after left padding",
}


class Row(NamedTuple):
    """One line of the table; `bug` is what the library does wrong there, None where it is right."""

    family: str
    form: str
    head: str
    mode: str
    bug: str | None


def bug_of(form: str, head: str, mode: str) -> str | None:
    if form == "shared":
        return SHARED
    return BUGS.get((head, mode)) or BUGS.get((head, mode, form))


TABLE = [
    Row(family, form, head, mode, bug_of(form, head, mode))
    for family in CAUSAL
    for form in FORMS
    for head, modes in MODES.items()
    for mode in modes
]


def requests() -> list[Tensor]:
    """Two requests that hold no padding token; past a sliding window of 8."""
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(1, 97, (1, 23), generator=generator) for _ in range(2)]


@pytest.fixture(scope="module")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Case]:
    """Return a maker that makes each case once."""

    @functools.cache
    def make(family: str, form: str, head: str) -> Case:
        return make_case(family, form, head, tmp_path_factory.mktemp("case"))

    return make


def load_ours(case: Case, head: str) -> Any:
    kind: Any = ShadowModel if head == "causal" else ShadowSequenceClassifier
    return kind.from_pretrained(case.base, case.adapter, shadow=case.shadow)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(row[:4]))
def test_ours_equals_the_library(row: Row, case_of: Callable[..., Case]) -> None:
    case = case_of(row.family, row.form, row.head)
    ours = load_ours(case, row.head)
    wanted = wanted_answers(case, row.mode)
    for got, expected in zip(our_answers(ours, row), wanted, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    theirs = attempt(lambda: library_answers(case.library, row))
    if row.bug is None:
        assert not isinstance(theirs, Exception), theirs
        for got, expected in zip(theirs, wanted, strict=True):
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    else:
        assert is_wrong(theirs, wanted), f"the library seems cured: {row.bug}"


def attempt(call: Callable[[], list[Tensor]]) -> list[Tensor] | Exception:
    try:
        return call()
    except (TypeError, RuntimeError, AttributeError) as error:
        return error


def is_wrong(theirs: Any, wanted: list[Tensor]) -> bool:
    """Return whether the library failed, or missed what it says itself, by far more than rounding."""
    if isinstance(theirs, Exception):
        return True
    return any(
        one.shape != other.shape or (one - other).abs().max() > 1e-3
        for one, other in zip(theirs, wanted, strict=True)
    )


def wanted_answers(case: Case, mode: str) -> list[Tensor]:
    """Return the library's answers in one pass a request: base's and shadow's, request by request."""
    first, second = requests()
    second = second[:, :9] if mode == "padded" else second
    pairs = [full_pass(case.reference, ids) for ids in (first, second)]
    if mode in ("detached", "exported"):
        return [shadow for _, shadow in pairs]
    return [each for pair in pairs for each in pair]


def our_answers(model: Any, row: Row) -> list[Tensor]:
    calls: dict[str, Callable[..., list[Tensor]]] = {
        "attached": lambda: [each for ids in requests() for each in _both(model(ids))],
        "detached": lambda: [model(ids, mode="detached").shadow_logits for ids in requests()],
        "cached": lambda: _in_steps(model, row.head, [[ids] for ids in requests()]),
        "interleaved": lambda: _in_steps(model, row.head, [requests()]),
        "padded": lambda: _unpad(model(*_padded()), row.head),
        "exported": lambda: [model.export_detached()(ids).logits for ids in requests()],
    }
    with torch.no_grad():
        return calls[row.mode]()


def library_answers(model: Any, row: Row) -> list[Tensor]:
    model.set_inference_mode("shadow_only" if row.mode == "detached" else "base_shadow")
    calls: dict[str, Callable[..., list[Tensor]]] = {
        "attached": lambda: [each for ids in requests() for each in _both(model(input_ids=ids))],
        "detached": lambda: [model(input_ids=ids).logits for ids in requests()],
        "cached": lambda: _library_in_steps(model, row.head, [[ids] for ids in requests()]),
        "interleaved": lambda: _library_in_steps(model, row.head, [requests()]),
        "padded": lambda: _unpad(
            model(input_ids=_padded()[0], attention_mask=_padded()[1]), row.head
        ),
        "exported": lambda: [
            model.peft_model.export_shadow().eval()(input_ids=ids).logits for ids in requests()
        ],
    }
    with torch.no_grad():
        return calls[row.mode]()


def _both(output: Any) -> tuple[Tensor, Tensor]:
    return output.logits, output.shadow_logits


def _padded() -> tuple[Tensor, Tensor]:
    """Both requests as one batch, the second cut to nine tokens and padded on the left."""
    first, second = requests()
    ids = torch.cat([first, torch.cat([torch.zeros(1, 14, dtype=torch.long), second[:, :9]], 1)])
    return ids, (ids != 0).long()


def _unpad(output: Any, head: str) -> list[Tensor]:
    answers = [each[row : row + 1] for row in (0, 1) for each in _both(output)]
    if head == "causal":
        answers[2:] = [each[:, 14:] for each in answers[2:]]
    return answers


def _steps(ids: Tensor) -> list[Tensor]:
    return [ids[:, :PREFILL], *ids[:, PREFILL:].split(1, dim=1)]


def _in_steps(model: Any, head: str, groups: list[list[Tensor]]) -> list[Tensor]:
    """Decode each group's requests in turns, a step of each; one group after the other."""
    answers: list[Tensor] = []
    for group in groups:
        caches = [model.new_cache() for _ in group]
        said: list[list[Any]] = [[] for _ in group]
        for steps in zip(*map(_steps, group), strict=True):
            for number, step in enumerate(steps):
                said[number].append(model(step, cache=caches[number]))
        answers += _join(said, head)
    return answers


def _library_in_steps(model: Any, head: str, groups: list[list[Tensor]]) -> list[Tensor]:
    answers: list[Tensor] = []
    for group in groups:
        pasts: list[Any] = [None for _ in group]
        said: list[list[Any]] = [[] for _ in group]
        for steps in zip(*map(_steps, group), strict=True):
            for number, step in enumerate(steps):
                output = model(input_ids=step, past_key_values=pasts[number], use_cache=True)
                pasts[number] = getattr(output, "past_key_values", None)
                said[number].append(output)
        answers += _join(said, head)
    return answers


def _join(said: list[list[Any]], head: str) -> list[Tensor]:
    """Return each request's logits, of all its tokens or, for a class, of the last step."""
    answers = []
    for outputs in said:
        for pieces in zip(*map(_both, outputs), strict=True):
            answers.append(torch.cat(pieces, dim=1) if head == "causal" else pieces[-1])
    return answers


@pytest.mark.parametrize("head", MODES)
@pytest.mark.parametrize("form", [form for form in FORMS if form != "shared"])
@pytest.mark.parametrize("family", CAUSAL)
def test_losses_equal_the_library(
    family: str, form: str, head: str, case_of: Callable[..., Case]
) -> None:
    case = case_of(family, form, head)
    ours = load_ours(case, head)
    case.library.set_inference_mode("base_shadow")
    ids = torch.cat(requests())
    labels = torch.tensor([2, 0])
    if head == "causal":
        labels = ids.clone()
        labels[:, :7] = -100
    with torch.no_grad():
        wanted = case.library(input_ids=ids, labels=labels).loss
        got = ours(ids, labels=labels, shadow_loss_weight=0.3).loss
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("head", MODES)
@pytest.mark.parametrize("form", [form for form in FORMS if form != "shared"])
@pytest.mark.parametrize("family", CAUSAL)
def test_the_library_reads_our_files(
    family: str, form: str, head: str, case_of: Callable[..., Case], tmp_path: Path
) -> None:
    case = case_of(family, form, head)
    load_ours(case, head).save_pretrained(tmp_path)
    given = copy.deepcopy(case.shadow)
    if form == "projected":
        given = shadow_peft.AutoModelForCausalLMWithHiddenProjection.from_pretrained(given)
    theirs = type(case.library).from_pretrained(
        copy.deepcopy(case.base), tmp_path, shadow_model=given
    )
    ids = requests()[0]
    for got, wanted in zip(
        full_pass(theirs.eval(), ids), full_pass(case.reference, ids), strict=True
    ):
        torch.testing.assert_close(got, wanted, atol=0, rtol=0)


def test_separate_targets_add_up(case_of: Callable[..., Case]) -> None:
    case = case_of("qwen3", "implicit", "causal")
    ours, ids = load_ours(case, "causal"), torch.cat(requests())
    for_base, for_shadow = ids.clone(), ids.flip(0).clone()
    for_base[:, :9] = -100
    for_shadow[:, 12:] = -100
    library = case.library
    library.set_inference_mode("shadow_only")
    with torch.no_grad():
        shadow_loss = library(input_ids=ids, labels=for_shadow).loss
        base_loss = ours(ids, labels=for_base, shadow_loss_weight=0.0).loss
        got = ours(ids, labels=for_base, shadow_labels=for_shadow, shadow_loss_weight=0.3).loss
    torch.testing.assert_close(got, base_loss + 0.3 * shadow_loss, atol=1e-5, rtol=0)


def test_the_configuration_keeps_the_librarys_keys(tmp_path: Path) -> None:
    sizes = {"num_shadow_layers": 3, "alpha": 0.2, "shadow_head_dim": 4}
    config = shadow_peft.ShadowConfig(**sizes, modules_to_save=["shadow_lm_head"])
    config.save_pretrained(tmp_path)
    loaded = ShadowConfig.load(tmp_path)
    assert loaded == ShadowConfig(**sizes, modules_to_save=("shadow_lm_head",))
    loaded.save(tmp_path)
    assert shadow_peft.ShadowConfig.from_pretrained(tmp_path) == config
