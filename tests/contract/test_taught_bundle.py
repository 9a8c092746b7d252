"""A taught bundle: the edge that was taught the same skill runs it, any other refuses it and says why."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cloud_server.modeling import ShadowModel
from cloud_server.training.base import TrainingBase
from cloud_server.training.export import export_bundle
from cloud_server.training.posterior import tag_posteriors
from edge_agent.bundles.self_test import load_checked
from edge_agent.doctor.bundle_check import check_bundle
from edge_agent.taught_skills import forget, learn
from shared.bundle import read_manifest
from shared.errors import BundleError
from shared.tags import TAGS

EXAMPLE = Path("examples/push-ups")
TEXTS = ["do some push-ups", "做俯卧撑", "sit"]


@pytest.fixture(autouse=True)
def built_in_catalogue() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture(scope="module")
def taught_adapter(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("taught") / "adapter"
    shutil.copytree(adapter, directory)
    note = {"skills": {"PushUps": 1}, "texts": TEXTS[:2]}
    (directory / "taught.json").write_text(json.dumps(note))
    return directory


@pytest.fixture(scope="module")
def taught_bundle(taught_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    learn([EXAMPLE])
    target = tmp_path_factory.mktemp("bundles") / "taught"
    export_bundle("tiny", taught_adapter, target, "fp32")
    forget()
    return target


def test_the_posterior_is_torchs_over_36_tags(
    loaded: TrainingBase, taught_adapter: Path, taught_bundle: Path
) -> None:
    learn([EXAMPLE])
    recognizer = load_checked(taught_bundle)
    assert [check.text for check in recognizer.manifest.checks][-1] == TEXTS[0]
    model = ShadowModel.from_pretrained(loaded.model, taught_adapter)
    wanted = tag_posteriors(model, loaded.encoder, TEXTS)
    assert wanted.shape == (3, 36)
    for text, row in zip(TEXTS, wanted, strict=True):
        found = dict(recognizer.posterior(text).ranked)
        torch.testing.assert_close(torch.tensor([found[tag] for tag in TAGS]), row.double(), atol=2e-2, rtol=0, check_dtype=False)  # fmt: skip
        assert sum(found.values()) == pytest.approx(1, abs=1e-6)
    assert recognizer.threshold("PushUps") == 0.5


def test_the_doctor_tells_what_was_taught(taught_bundle: Path) -> None:
    learn([EXAMPLE])
    finding, manifest = check_bundle(taught_bundle)
    assert finding.state == "ok"
    assert finding.message.endswith("taught PushUps")
    assert manifest is not None
    forget()
    finding, manifest = check_bundle(taught_bundle)
    assert finding.state == "failed"
    assert "name the skill's folder in EDGE_SKILLS" in finding.message


def test_an_edge_of_another_catalogue_refuses_it(
    taught_bundle: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=r"it knows \[PushUps\(\)\], which this process was not"):
        read_manifest(taught_bundle)
    learn([EXAMPLE])
    with pytest.raises(BundleError, match="it does not know PushUps, which EDGE_SKILLS"):
        read_manifest(bundles["fp32"])
    text = (EXAMPLE / "skill.toml").read_text(encoding="utf-8")
    dangerous = text.replace("tier = 1", "tier = 3").replace(
        "[movement]", "[movement]\nspace_m = 2.0"
    )
    (tmp_path / "skill.toml").write_text(dangerous, encoding="utf-8")
    learn([tmp_path])
    with pytest.raises(BundleError, match="have the tiers PushUps 1, here they are PushUps 3"):
        read_manifest(taught_bundle)


def test_the_default_bundle_says_nothing_of_teaching(bundles: dict[str, Path]) -> None:
    assert "taught" not in json.loads((bundles["fp32"] / "manifest.json").read_text())
    assert read_manifest(bundles["fp32"]).name == "tiny"
