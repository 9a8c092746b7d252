"""The tag tree: what has to be run, and paths whose probabilities sum to one."""

import math
import random

import pytest

from shared.errors import ConfigurationError
from shared.tag_tree import build_tag_tree

SPELLINGS = [[1, 2, 9], [1, 3, 4, 9], [1, 3, 5, 9], [1, 3, 6, 7, 9], [1, 3, 6, 8, 9], [1, 10]]


def test_only_tokens_before_a_branching_node_are_run() -> None:
    tree = build_tag_tree(SPELLINGS)
    assert tree.tokens == (1, 3, 6)
    assert tree.parents == (-1, 0, 1)
    assert [branch.at for branch in tree.branches] == [0, 1, 2]
    assert tree.head_token_ids == (2, 3, 4, 5, 6, 7, 8, 10)


def test_paths_spell_their_tags() -> None:
    tree = build_tag_tree(SPELLINGS)
    for spelling, path in zip(SPELLINGS, tree.paths, strict=True):
        for number, child in path:
            assert tree.branches[number].children[child] in spelling


def test_probabilities_sum_to_one() -> None:
    tree, draw = build_tag_tree(SPELLINGS), random.Random(1)
    weights = [[draw.random() for _ in branch.children] for branch in tree.branches]
    total = sum(
        math.prod(weights[number][child] / sum(weights[number]) for number, child in path)
        for path in tree.paths
    )
    assert math.isclose(total, 1.0)


@pytest.mark.parametrize("spellings", [[[1, 2], [1, 2, 3]], [[1], [1]], [[1, 2], [3, 4]], [[]], []])
def test_spellings_that_make_no_tree(spellings: list[list[int]]) -> None:
    with pytest.raises(ConfigurationError):
        build_tag_tree(spellings)
