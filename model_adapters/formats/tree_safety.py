"""Fitted scikit-learn trees whose numbers stay inside their own arrays.

Their prediction code follows child and feature indices without checking them, so a forged file
could make it read foreign memory. skops therefore distrusts the two types; they are accepted here
after every index was checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

_LEAF = -1


def trees_are_sound(estimator: Any) -> bool:
    """Return whether every tree below an estimator only points inside itself.

    Args:
        estimator: A fitted scikit-learn estimator or pipeline.
    """
    return all(_sound(tree, columns) for tree, columns in _trees(estimator, 0, set()))


def _trees(thing: Any, columns: int, seen: set[int]) -> Iterator[tuple[Any, int]]:
    """Walk fitted state; a tree reads the columns of the innermost estimator around it."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if type(thing).__name__ in {"Tree", "TreePredictor"}:
        yield thing, columns
    elif isinstance(thing, dict):
        for inner in thing.values():
            yield from _trees(inner, columns, seen)
    elif isinstance(thing, (list, tuple)) or (
        isinstance(thing, np.ndarray) and thing.dtype == object
    ):
        for inner in np.ravel(np.asarray(thing, dtype=object)) if _is_array(thing) else thing:
            yield from _trees(inner, columns, seen)
    elif type(thing).__module__.startswith("sklearn.") and hasattr(thing, "__dict__"):
        own = getattr(thing, "n_features_in_", columns)
        for inner in vars(thing).values():
            yield from _trees(inner, int(own), seen)


def _is_array(thing: Any) -> bool:
    return isinstance(thing, np.ndarray)


def _sound(tree: Any, columns: int) -> bool:
    if type(tree).__name__ == "Tree":
        inner = tree.children_left != _LEAF
        return (
            tree.n_features <= columns
            and _children_follow(tree.children_left, inner)
            and _children_follow(tree.children_right, inner)
            and _within(tree.feature[inner], columns)
        )
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    grouped = nodes["bitset_idx"][inner & (nodes["is_categorical"] == 1)]
    return (
        _children_follow(nodes["left"].astype(np.int64), inner)
        and _children_follow(nodes["right"].astype(np.int64), inner)
        and _within(nodes["feature_idx"][inner], columns)
        and _within(grouped, len(tree.raw_left_cat_bitsets))
    )


def _children_follow(children: npt.NDArray[Any], inner: npt.NDArray[np.bool_]) -> bool:
    """Check that children stand after their parent: inside the array, and no cycle."""
    at = np.flatnonzero(inner)
    to = children[inner]
    return len(children) > 0 and bool(((to > at) & (to < len(children))).all())


def _within(indices: npt.NDArray[Any], size: int) -> bool:
    return bool(((indices >= 0) & (indices < size)).all())
