"""The bundle's manifest: what files an edge runs, their hashes, and the fingerprint that ties them."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from shared.errors import BundleError
from shared.skills import Tier, taught_skills
from shared.tags import REMOTE, TAGS, parse_tag

MANIFEST_NAME = "manifest.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0, le=1)]
Thresholds = dict[Literal["0", "1", "2", "3"], Probability]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def bytes_sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes as lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 as lower-case hex."""
    return bytes_sha256(text.encode())


class BundleFile(BaseModel):
    """One file of the bundle beside the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0)]


class GraphShape(BaseModel):
    """The sizes that the recogniser needs to feed the graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: int
    key_value_heads: int
    head_dimension: int
    hidden_size: int
    vocabulary_size: int
    window_tokens: int


class BundleTag(BaseModel):
    """One tag and the token ids that spell it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    token_ids: list[int]


class BundleCheck(BaseModel):
    """An utterance and what the exporter's own model makes of it: a self-test for the edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    tag: str
    probability: Probability


class SecondReading(BaseModel):
    """How a second reader's scores are weighed against the shadow, and how sure both must be by tier.

    Source: a logarithmic opinion pool; its weights are fitted to `validation`, the thresholds chosen on
    `calibration` (cloud_server/training/second_reader.py).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shadow_weight: Annotated[float, Field(ge=0)]
    reader_weight: Annotated[float, Field(ge=0)]
    thresholds: Thresholds
    """What the confidence of both has to reach, by tier."""


class BundleManifest(BaseModel):
    """What `manifest.json` holds; `fingerprint` is checked against its parts on every load."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[2] = 2
    name: str
    created: str
    base: str
    shadow_sha256: Sha256
    tokenizer_sha256: Sha256
    prompt_sha256: Sha256
    fingerprint: Sha256
    chat_format: str
    precision: Literal["int8", "fp16", "fp32"]
    coverage: Literal["pruned", "whole"]
    graph: GraphShape
    prefix_token_ids: list[int]
    tags: list[BundleTag]
    taught: dict[str, Tier] = {}
    """The taught skills among them with the tiers that the thresholds were chosen for."""
    head_token_ids: list[int]
    line_head_sha256: Sha256 | None = None
    """The trained line head that the bundle's was made from; None where it carries none."""
    line_token_ids: list[int] = []
    """What each output of the line head stands for; empty where the bundle carries none."""
    thresholds: Thresholds
    """What the shadow's probability of a skill has to reach, by tier."""
    second_reading: SecondReading | None = None
    """How the bundle's second reader is weighed; None where it carries none."""
    second_reader_sha256: Sha256 | None = None
    """The trained second reader that the bundle's was copied from."""
    checks: list[BundleCheck] = []
    files: dict[str, BundleFile]

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if self.fingerprint != fingerprint(
            self.shadow_sha256, self.tokenizer_sha256, self.prompt_sha256
        ):
            raise ValueError("the fingerprint does not follow from shadow, tokenizer and prompt")
        if wrong := _differing([each.tag for each in self.tags], self.taught):
            raise ValueError(wrong)
        chosen = [self.thresholds, *(r.thresholds for r in [self.second_reading] if r)]
        if any(set(each) != {"0", "1", "2", "3"} for each in chosen):
            raise ValueError("every tier needs a threshold")
        if any("/" in name or name.startswith(".") for name in self.files):
            raise ValueError("a file of the bundle lies outside it")
        return self


def _differing(tags: list[str], taught: dict[str, Tier]) -> str | None:
    """Return how a bundle's catalogue differs from this process's and what to do, None if in nothing."""
    unknown = [tag for tag in tags if parse_tag(tag) is None]
    if unknown:
        return (
            f"it knows {', '.join(unknown)}, which this process was not taught: name the skill's "
            "folder in EDGE_SKILLS or CLOUD_SKILLS, or use a bundle without it"
        )
    known = {skill.name: skill.tier for skill in taught_skills()}
    missing = [name for name in known if f"[{name}()]" not in tags]
    if missing:
        return (
            f"it does not know {', '.join(missing)}, which EDGE_SKILLS or CLOUD_SKILLS teaches: use "
            "a bundle of `cloud-server teach`, or leave the skill's folder out"
        )
    if sorted(tags) != sorted(TAGS) or tags[-1] != REMOTE:
        return "its tags are not those of this version's catalogue"
    if taught != known:
        return f"its taught skills have the tiers {_tiers(taught)}, here they are {_tiers(known)}"
    return None


def _tiers(taught: dict[str, Tier]) -> str:
    return ", ".join(f"{name} {int(tier)}" for name, tier in taught.items()) or "of none"


def fingerprint(shadow_sha256: str, tokenizer_sha256: str, prompt_sha256: str) -> str:
    """Return the hash that ties a bundle to its shadow, tokenizer and prompt."""
    joined = "\n".join((shadow_sha256, tokenizer_sha256, prompt_sha256))
    return hashlib.sha256(joined.encode()).hexdigest()


def read_manifest(directory: Path, *, check_files: bool = True) -> BundleManifest:
    """Return the manifest of a bundle whose every file has the size and hash that it states.

    BundleError says what is wrong and what to do; nothing of a wrong bundle is used.
    """
    path = directory / MANIFEST_NAME
    try:
        manifest = BundleManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(
            f"no bundle at {directory}; make one with `cloud-server export-edge --out {directory}`"
        ) from None
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} cannot be used ({_why(error)}); export or pull the bundle again"
        ) from error
    for name, expected in manifest.files.items():
        file = directory / name
        if not file.is_file() or file.stat().st_size != expected.size_bytes:
            raise BundleError(
                f"{file} is missing or has a wrong size; export or pull the bundle again"
            )
        if check_files and file_sha256(file) != expected.sha256:
            raise BundleError(
                f"{file} does not have the manifest's hash; export or pull the bundle again"
            )
    return manifest


def _why(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'manifest'}: "
        f"{each['msg'].removeprefix('Value error, ')}"
        for each in error.errors()[:3]
    )
