"""The tree of tag tokens: where tags branch, and so which logits their posterior needs.

P(tag) is the product, over the branching nodes on the tag's path, of a softmax over that node's
children (CONTRACT.md). Only the tokens that lead to a branching node have to be run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import ConfigurationError


@dataclass(frozen=True)
class Branch:
    """A node with several children: `at` is the index in `TagTree.tokens` of its last token."""

    at: int
    children: tuple[int, ...]


@dataclass(frozen=True)
class TagTree:
    """tokens/parents: the tokens to run after the prompt, each with the index of the one before it
    (-1: the prompt). branches: where a softmax is taken. paths: for each tag its (branch, child)."""

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    branches: tuple[Branch, ...]
    paths: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def head_token_ids(self) -> tuple[int, ...]:
        """Every token whose logit is needed somewhere, ascending."""
        return tuple(sorted({child for branch in self.branches for child in branch.children}))


def build_tag_tree(spellings: Sequence[Sequence[int]]) -> TagTree:
    """Return the tree of the tags' token ids; ConfigurationError where one tag starts another."""
    children: dict[tuple[int, ...], set[int]] = {}
    for spelling in spellings:
        for length in range(len(spelling)):
            children.setdefault(tuple(spelling[:length]), set()).add(spelling[length])
    distinct = {tuple(spelling) for spelling in spellings}
    if (
        not distinct
        or () in distinct
        or len(distinct) < len(spellings)
        or distinct & children.keys()
    ):
        raise ConfigurationError("no tag may be the beginning of another tag")
    branching = sorted((node for node in children if len(children[node]) > 1), key=_by_length)
    if any(node == () for node in branching):
        raise ConfigurationError("all tags must share their first token")
    needed = sorted(
        {node[:length] for node in branching for length in range(1, len(node) + 1)}, key=_by_length
    )
    index = {node: position for position, node in enumerate(needed)}
    branches = tuple(Branch(index[node], tuple(sorted(children[node]))) for node in branching)
    number = {node: position for position, node in enumerate(branching)}
    paths = tuple(
        tuple(
            (number[node], branches[number[node]].children.index(spelling[length]))
            for length in range(len(spelling))
            if (node := tuple(spelling[:length])) in number
        )
        for spelling in spellings
    )
    return TagTree(
        tokens=tuple(node[-1] for node in needed),
        parents=tuple(index.get(node[:-1], -1) for node in needed),
        branches=branches,
        paths=paths,
    )


def _by_length(node: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(node), node
