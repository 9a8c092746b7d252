"""What `pip install .[edge]` brings, by the installed packages' own metadata: no torch, no transformers."""

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOO_HEAVY = {"torch", "transformers", "accelerate", "onnx", "safetensors", "matplotlib", "peft"}


def needed(name: str, extras: frozenset[str], found: set[str]) -> None:
    """Add to `found` what a distribution needs with these extras, and so on."""
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:  # for another platform, or not installed: its name is enough
        return
    for line in requirements:
        requirement = Requirement(line)
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})
        )
        child = canonicalize_name(requirement.name)
        if wanted and child not in found:
            found.add(child)
            needed(child, frozenset(requirement.extras), found)


def test_the_edge_needs_neither_torch_nor_transformers() -> None:
    found: set[str] = set()
    needed("shadowdog", frozenset({"edge", ""}), found)
    assert {"onnxruntime", "tokenizers", "fastapi", "numpy", "pydantic"} <= found
    assert not found & TOO_HEAVY


def test_the_cloud_does_so_that_the_test_above_can_fail() -> None:
    found: set[str] = set()
    needed("shadowdog", frozenset({"cloud", ""}), found)
    assert {"torch", "transformers"} <= found
