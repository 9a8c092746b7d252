"""A change: exact where its rank is enough, close where it is not, refused beside another file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cloud_server.adapter_files import (
    ADAPTER_NAME,
    CHANGE_NAME,
    adapter_sha256,
    change_files,
    next_change_file,
)
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.change import Change
from cloud_server.modeling.checkpoint import read_adapter
from cloud_server.modeling.tensor_file import pack
from shared.bundle import file_sha256
from shared.errors import CheckpointMismatch


@pytest.fixture
def shipped(model: ShadowModel, tmp_path: Path) -> Path:
    model.save_pretrained(tmp_path / "shipped")
    return tmp_path / "shipped"


def trained_further(before: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    """Every matrix, stacked ones too, moved by a difference of that rank, everything else anyhow."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return 0.1 * torch.randn(*shape, generator=generator)

    return {
        name: tensor
        + (
            draw(*tensor.shape[:-1], rank) @ draw(*tensor.shape[:-2], rank, tensor.shape[-1])
            if tensor.dim() >= 2
            else draw(*tensor.shape)
        )
        for name, tensor in before.items()
    }


def write_change(shipped: Path, now: dict[str, Tensor], rank: int) -> Change:
    file = shipped / ADAPTER_NAME
    change = Change.between(load_file(file), now, file_sha256(file), rank=rank)
    change.save(shipped / CHANGE_NAME)
    return change


def without_ending(name: str) -> str:
    return name.removesuffix(".up").removesuffix(".down").removesuffix(".scale")


def test_a_change_of_its_rank_is_read_back_whole(shipped: Path) -> None:
    now = trained_further(load_file(shipped / ADAPTER_NAME), 2)
    change = write_change(shipped, now, 2)
    assert any(name.endswith(".up") for name in change.tensors)
    assert sum(each.numel() for each in change.tensors.values()) < sum(
        each.numel() for each in now.values()
    )
    read = read_adapter(shipped)
    assert read.keys() == now.keys()
    for name, tensor in now.items():
        torch.testing.assert_close(read[name], tensor, atol=5e-3, rtol=0, msg=name)


def test_more_rank_comes_nearer(shipped: Path) -> None:
    now = trained_further(load_file(shipped / ADAPTER_NAME), 4)

    def distance(rank: int) -> float:
        write_change(shipped, now, rank)
        read = read_adapter(shipped)
        return sum(float((read[name] - tensor).norm()) for name, tensor in now.items())

    assert distance(1) > distance(2) > distance(3) > 0


def test_fewer_steps_come_less_near_and_take_less_room(shipped: Path) -> None:
    file = shipped / ADAPTER_NAME
    before = load_file(file)
    now = trained_further(before, 1)
    found = []
    for steps in (127, 7):
        change = Change.between(before, now, file_sha256(file), rank=1, steps=steps)
        assert all(
            each.abs().max() <= steps
            for each in change.tensors.values()
            if each.dtype == torch.int8
        )
        change.save(shipped / CHANGE_NAME)
        read = read_adapter(shipped)
        far = sum(float((read[name] - tensor).norm()) for name, tensor in now.items())
        found.append((far, (shipped / CHANGE_NAME).stat().st_size))
    (fine, room), (coarse, less_room) = found
    assert coarse > fine > 0
    assert less_room < room


def test_what_did_not_change_takes_no_room(shipped: Path) -> None:
    before = load_file(shipped / ADAPTER_NAME)
    name = next(iter(before))
    change = write_change(shipped, {**before, name: before[name] + 1}, 1)
    assert {without_ending(each) for each in change.tensors} == {name}


def test_factors_may_be_floating_point_numbers(shipped: Path) -> None:
    before = load_file(shipped / ADAPTER_NAME)
    name = next(each for each, tensor in before.items() if tensor.dim() == 2)
    rows, columns = before[name].shape
    up, down = torch.randn(rows, 2).bfloat16(), torch.randn(2, columns).bfloat16()
    changes = {f"{name}.up": up, f"{name}.down": down}
    Change(changes, file_sha256(shipped / ADAPTER_NAME)).save(shipped / CHANGE_NAME)
    wanted = (before[name].double() + up.double() @ down.double()).to(before[name].dtype)
    assert torch.equal(read_adapter(shipped)[name], wanted)


def test_a_change_changes_what_the_one_before_made(model: ShadowModel, shipped: Path) -> None:
    once = trained_further(load_file(shipped / ADAPTER_NAME), 1)
    write_change(shipped, once, 1)
    first = read_adapter(shipped)
    further = trained_further(first, 1)
    second = Change.between(first, further, file_sha256(shipped / CHANGE_NAME), rank=1)
    hash_before = adapter_sha256(shipped)
    second.save(next_change_file(shipped))
    assert [path.name for path in change_files(shipped)] == [
        "shadow_change.safetensors.xz",
        "shadow_change_2.safetensors.xz",
    ]
    assert adapter_sha256(shipped) != hash_before
    for name, tensor in further.items():
        torch.testing.assert_close(read_adapter(shipped)[name], tensor, atol=5e-3, rtol=0, msg=name)

    loaded = ShadowModel.from_pretrained(model.base, shipped)
    (shipped / CHANGE_NAME).unlink()
    with pytest.raises(CheckpointMismatch, match="another"):
        read_adapter(shipped)
    loaded.save_pretrained(shipped)
    assert not change_files(shipped)


def test_changes_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "shadow_change.safetensors").touch()
    (tmp_path / "shadow_change_2.safetensors").touch()
    (tmp_path / "shadow_change_notes.txt").touch()
    for _ in range(9):
        next_change_file(tmp_path).touch()
    assert [path.name.removeprefix("shadow_change") for path in change_files(tmp_path)] == [
        ".safetensors",
        "_2.safetensors",
        *(f"_{number}.safetensors.xz" for number in range(3, 12)),
    ]


def test_a_loaded_model_has_it_and_saves_it_whole(
    model: ShadowModel, shipped: Path, tmp_path: Path
) -> None:
    hash_before = adapter_sha256(shipped)
    write_change(shipped, trained_further(load_file(shipped / ADAPTER_NAME), 1), 1)
    assert adapter_sha256(shipped) != hash_before
    loaded = ShadowModel.from_pretrained(model.base, shipped)
    loaded.save_pretrained(tmp_path / "whole")
    wanted, found = read_adapter(shipped), load_file(tmp_path / "whole" / ADAPTER_NAME)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    loaded.save_pretrained(shipped)
    assert not (shipped / CHANGE_NAME).exists(), "a whole adapter needs no change beside it"


def test_a_change_of_another_adapter_is_refused(shipped: Path) -> None:
    write_change(shipped, trained_further(load_file(shipped / ADAPTER_NAME), 1), 1)
    tensors = load_file(shipped / ADAPTER_NAME)
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, shipped / ADAPTER_NAME)
    with pytest.raises(CheckpointMismatch, match="another adapter"):
        read_adapter(shipped)


def test_another_networks_tensors_are_no_change_of_these(shipped: Path) -> None:
    before = load_file(shipped / ADAPTER_NAME)
    name = next(iter(before))
    for now in (
        {each: tensor for each, tensor in before.items() if each != name},
        {**before, name: torch.zeros(7)},
    ):
        with pytest.raises(CheckpointMismatch, match="names or shapes"):
            Change.between(before, now, "", rank=1)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda name, tensors: tensors.pop(f"{name}.down"), "lacks half"),
        (lambda name, tensors: tensors.pop(f"{name}.up"), "lacks half"),
        (lambda name, tensors: tensors.update({f"{name}.up": torch.ones(3)}), "lacks half"),
        (lambda name, tensors: tensors.pop(f"{name}.scale"), "lacks the scale"),
        (lambda name, tensors: tensors.update({f"{name}.scale": torch.ones(9)}), "lacks the scale"),
        (lambda name, tensors: tensors.update({"other.up": torch.ones(2, 1)}), "names no tensor"),
        (
            lambda name, tensors: tensors.update(
                {f"{name}.up": tensors[f"{name}.up"][..., :-1, :].contiguous()}
            ),
            "another shape",
        ),
    ],
)
def test_damaged_changes_are_refused(
    shipped: Path, damage: Callable[[str, dict[str, Tensor]], object], complaint: str
) -> None:
    change = write_change(shipped, trained_further(load_file(shipped / ADAPTER_NAME), 1), 1)
    name = next(each for each in change.tensors if each.endswith(".up")).removesuffix(".up")
    damage(name, change.tensors)
    change.save(shipped / CHANGE_NAME)
    with pytest.raises(CheckpointMismatch, match=complaint):
        read_adapter(shipped)


def test_a_file_without_its_hash_is_no_change(shipped: Path) -> None:
    save_file({"x": torch.ones(1)}, shipped / CHANGE_NAME)
    pack(shipped / CHANGE_NAME)
    with pytest.raises(CheckpointMismatch, match="which adapter"):
        read_adapter(shipped)
    (shipped / CHANGE_NAME).write_bytes(b"\x00" * 40)
    with pytest.raises(CheckpointMismatch, match="cannot be read"):
        read_adapter(shipped)


def test_a_packed_file_that_unpacks_without_end_is_refused(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_change(shipped, trained_further(load_file(shipped / ADAPTER_NAME), 1), 1)
    assert read_adapter(shipped)
    with monkeypatch.context() as patch:
        patch.setattr("cloud_server.modeling.tensor_file.MOST_UNPACKED", 100)
        with pytest.raises(CheckpointMismatch, match="more than"):
            read_adapter(shipped)
    (shipped / CHANGE_NAME).write_bytes((shipped / CHANGE_NAME).read_bytes()[:-20])
    with pytest.raises(CheckpointMismatch, match="cannot be read"):
        read_adapter(shipped)
