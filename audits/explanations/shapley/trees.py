"""Exact interventional Shapley values of tree ensembles over clinical variables.

For one case x and one background row b, a leaf is reached by the coalition S exactly if every
variable on its path is satisfied by x where it is in S and by b where it is not. So a leaf is a
small game whose Shapley values have a closed form in the number of variables that only x and
only b satisfies (Lundberg et al., Nature Machine Intelligence 2, 2020). Patterns of satisfied
variables are counted over the background once, which makes the cost per case independent of its
size. A variable may own several columns (one-hot levels,
a missing indicator) and be split natively on categories, which column-wise tools cannot do.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from audits.explanations.shapley.tree_structure import TreeEnsemble, goes_left

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Up to this many variables on a path, a table over all patterns is small and one matrix product;
# longer paths are few and are done leaf by leaf.
TABLE_VARIABLES = 6
LEAVES_PER_STEP = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaves:
    """Leaves whose paths hold the same number of variables.

    Attributes:
        value: (leaves,).
        output: (leaves,).
        variables: (leaves, variables) players on the path.
        members: (leaves,) positions among all leaves.
    """

    value: Floats
    output: Ints
    variables: Ints
    members: Ints


class TreeExplainer:
    """Interventional effects of every player, exact, against a fixed background."""

    def __init__(
        self, trees: TreeEnsemble, player_of_column: Ints, background: Floats, players: int
    ) -> None:
        """Count the background's patterns at every leaf.

        Args:
            trees: The ensemble.
            player_of_column: Owner of each encoded column.
            background: (rows, columns) encoded.
            players: Number of players.
        """
        self._trees = trees
        self._owner = player_of_column
        self._players = players
        self._groups = tuple(_grouped(trees, player_of_column))
        self._conditions = _conditions(trees, player_of_column)
        self._rows = background
        self._background = self._patterns(background)

    def against(self, background: Floats) -> TreeExplainer:
        """Return the same trees against another background; what was read of them is shared.

        Args:
            background: (rows, columns) encoded.
        """
        if np.array_equal(background, self._rows, equal_nan=True):
            return self
        other = copy(self)
        other._rows = background  # noqa: SLF001 - a copy of itself
        other._background = other._patterns(background)  # noqa: SLF001 - the same
        return other

    def sums(self, rows: Floats) -> Floats:
        """Return the sum of leaves, (rows, outputs): the margin without its constant."""
        reached = self._patterns(rows) == self._full()
        out = np.zeros((len(rows), self._trees.outputs))
        for group in self._groups:
            for output in range(self._trees.outputs):
                mine = group.output == output
                out[:, output] += reached[:, group.members[mine]] @ group.value[mine]
        return out

    def effects(self, rows: Floats) -> Floats:
        """Return (rows, players, outputs) in margin units."""
        patterns = self._patterns(rows)
        out = np.zeros((len(rows), self._players * self._trees.outputs))
        for group in self._groups:
            for start in range(0, len(group.members), LEAVES_PER_STEP):
                part = slice(start, start + LEAVES_PER_STEP)
                self._add(out, group, part, patterns)
        return out.reshape(len(rows), self._players, self._trees.outputs)

    def _add(self, out: Floats, group: _Leaves, part: slice, patterns: Ints) -> None:
        from scipy.sparse import csr_matrix

        count = group.variables.shape[1]
        if count == 0:
            return
        members = group.members[part]
        own, other = patterns[:, members], self._background[:, members]
        shares = (_by_table if count <= TABLE_VARIABLES else _by_leaf)(own, other, count)
        shares *= group.value[part][None, :, None]
        target = group.variables[part] * self._trees.outputs + group.output[part][:, None]
        cells = target.size
        collect = csr_matrix(
            (np.ones(cells), (np.arange(cells), target.ravel())), shape=(cells, out.shape[1])
        )
        out += shares.reshape(len(out), cells) @ collect

    def _patterns(self, rows: Floats) -> Ints:
        """Return (rows, leaves): bit i is set where the path's i-th variable is satisfied."""
        node, wanted, slot_starts, bits, leaf_starts, leaves = self._conditions
        out = np.zeros((len(rows), len(self._trees.leaves)), dtype=np.int64)
        if not len(node):
            return out
        met = goes_left(self._trees.nodes, rows)[:, node] == wanted
        satisfied = np.logical_and.reduceat(met, slot_starts, axis=1)
        out[:, leaves] = np.add.reduceat(satisfied * bits, leaf_starts, axis=1)
        return out

    def _full(self) -> Ints:
        full = np.zeros(len(self._trees.leaves), dtype=np.int64)
        for group in self._groups:
            full[group.members] = (1 << group.variables.shape[1]) - 1
        return full


def _path_players(
    path: tuple[tuple[int, bool], ...], trees: TreeEnsemble, owner: Ints
) -> list[int]:
    return sorted({int(owner[trees.nodes[node].column]) for node, _ in path})


def _grouped(trees: TreeEnsemble, owner: Ints) -> Iterator[_Leaves]:
    paths = [_path_players(leaf.path, trees, owner) for leaf in trees.leaves]
    for count in sorted({len(path) for path in paths}):
        members = [index for index, path in enumerate(paths) if len(path) == count]
        yield _Leaves(
            value=np.array([trees.leaves[index].value for index in members]),
            output=np.array([trees.leaves[index].output for index in members], dtype=np.int64),
            variables=np.array([paths[index] for index in members], dtype=np.int64).reshape(
                len(members), count
            ),
            members=np.array(members, dtype=np.int64),
        )


def _conditions(
    trees: TreeEnsemble, owner: Ints
) -> tuple[Ints, npt.NDArray[np.bool_], Ints, Ints, Ints, Ints]:
    """Return all conditions, ordered by leaf and variable, with where each of them starts."""
    node: list[int] = []
    wanted: list[bool] = []
    slot_starts: list[int] = []
    bits: list[int] = []
    leaf_starts: list[int] = []
    leaves: list[int] = []
    for index, leaf in enumerate(trees.leaves):
        if not leaf.path:
            continue
        leaf_starts.append(len(slot_starts))
        leaves.append(index)
        for position, player in enumerate(_path_players(leaf.path, trees, owner)):
            slot_starts.append(len(node))
            bits.append(1 << position)
            for place, left in leaf.path:
                if owner[trees.nodes[place].column] == player:
                    node.append(place)
                    wanted.append(left)
    return (
        np.array(node, dtype=np.int64),
        np.array(wanted, dtype=bool),
        np.array(slot_starts, dtype=np.int64),
        np.array(bits, dtype=np.int64),
        np.array(leaf_starts, dtype=np.int64),
        np.array(leaves, dtype=np.int64),
    )


def _weights(own: Ints, other: Ints, count: int) -> Floats:
    """Return the effect of each variable on reaching a leaf, (..., variables).

    Args:
        own: Patterns of the case.
        other: Patterns of the background row, broadcast against ``own``.
        count: Variables on the path.
    """
    place = np.arange(count)
    mine = ((own & ~other)[..., None] >> place) & 1
    theirs = ((other & ~own)[..., None] >> place) & 1
    only_own, only_other = mine.sum(axis=-1), theirs.sum(axis=-1)
    open_leaf = (own | other) == (1 << count) - 1
    joined = _entering(count)[only_own, only_other]
    left_out = _entering(count)[only_other, only_own]
    effect = mine * joined[..., None] - theirs * left_out[..., None]
    return np.asarray(effect * open_leaf[..., None])


def _entering(count: int) -> Floats:
    """Return (a - 1)! b! / (a + b)!: the share of orders in which one of a completes the leaf."""
    out = np.zeros((count + 1, count + 1))
    for a in range(1, count + 1):
        for b in range(count + 1 - a):
            out[a, b] = factorial(a - 1) * factorial(b) / factorial(a + b)
    return out


def _by_table(own: Ints, other: Ints, count: int) -> Floats:
    """Return mean weights, (rows, leaves, variables), by a product over all patterns."""
    size = 1 << count
    leaves = own.shape[1]
    flat = (other + np.arange(leaves) * size).ravel()
    seen = np.bincount(flat, minlength=leaves * size).reshape(leaves, size) / len(other)
    every = np.arange(size)
    table = _weights(every[None, :], every[:, None], count).reshape(size, size * count)
    by_pattern = (seen @ table).reshape(leaves, size, count)
    return np.asarray(by_pattern[np.arange(leaves)[None, :], own])


def _by_leaf(own: Ints, other: Ints, count: int) -> Floats:
    """Return the same for long paths, over the patterns that occur."""
    out = np.empty((*own.shape, count))
    for leaf in range(own.shape[1]):
        mine, back = np.unique(own[:, leaf], return_inverse=True)
        theirs, times = np.unique(other[:, leaf], return_counts=True)
        weights = _weights(mine[:, None], theirs[None, :], count)
        out[:, leaf] = np.einsum("abv,b->av", weights, times / len(other))[back]
    return out
