"""Trees as data: nodes, leaves and the conditions on the way to each leaf.

Read from the libraries' own JSON, never from their objects, so that native categories and missing
values are decided exactly as the library decides them. Whoever uses a structure compares its sum
of leaves with the model's own margin first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError

LIGHTGBM_ZERO = 1e-35


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A split.

    Attributes:
        column: Encoded column it looks at.
        threshold: Limit of a numeric split.
        categories: Categories that go left; None for a numeric split.
        invert: Categories go right instead, all else left (XGBoost's convention).
        inclusive: Whether a value equal to the threshold goes left.
        missing_left: Where a missing value goes.
        missing: ``nan`` (NaN is missing), ``zero`` (NaN and 0 are), ``none`` (NaN is read as 0).
        single: Compare in float32, as XGBoost does.
    """

    column: int
    threshold: float
    categories: frozenset[int] | None
    invert: bool
    inclusive: bool
    missing_left: bool
    missing: str
    single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf: its value, its output, and the (node, goes left) conditions that lead to it."""

    value: float
    output: int
    path: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEnsemble:
    """All nodes and leaves of a model; a path's node numbers index ``nodes``."""

    nodes: tuple[Node, ...]
    leaves: tuple[Leaf, ...]
    outputs: int


def goes_left(nodes: Sequence[Node], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return where (n, columns) rows go at every node, (n, nodes)."""
    values = rows[:, [node.column for node in nodes]]
    kind = np.array([node.missing for node in nodes])
    absent = np.isnan(values) & (kind != "none")
    values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    absent |= (np.abs(values) <= LIGHTGBM_ZERO) & (kind == "zero")
    left = _below(nodes, values)
    for place, node in enumerate(nodes):
        if node.categories is not None:
            inside = np.isin(np.trunc(values[:, place]), list(node.categories))
            left[:, place] = ~inside if node.invert else inside
    return np.where(absent, [node.missing_left for node in nodes], left)


def _below(nodes: Sequence[Node], values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    threshold = np.array([node.threshold for node in nodes])
    if nodes and nodes[0].single:
        return np.asarray(values.astype(np.float32) < threshold.astype(np.float32))
    inclusive = np.array([node.inclusive for node in nodes])
    return np.asarray((values < threshold) | (inclusive & (values == threshold)))


def read_trees(model: Mapping[str, Any]) -> TreeEnsemble:
    """Read XGBoost's ``save_raw("json")`` or LightGBM's ``dump_model()``, as parsed JSON.

    Raises:
        ExplanationError: If it is neither, or a booster without plain trees.
    """
    if "learner" in model:
        return _read_xgboost(model["learner"])
    if "tree_info" in model:
        return _read_lightgbm(model)
    raise ExplanationError(
        "tree structure: expected XGBoost's or LightGBM's JSON, found neither; use the method "
        "shapley"
    )


def _read_xgboost(learner: Mapping[str, Any]) -> TreeEnsemble:
    booster = learner["gradient_booster"]
    if booster.get("name") != "gbtree":
        raise ExplanationError(
            f"tree structure: expected the booster gbtree, found {booster.get('name')!r}; "
            "use the method shapley"
        )
    model = booster["model"]
    nodes: list[Node] = []
    leaves: list[Leaf] = []
    for tree, output in zip(model["trees"], model["tree_info"], strict=True):
        if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
            raise ExplanationError(
                "tree structure: found leaves that hold several outputs, expected one; "
                "use the method shapley"
            )
        categories = _xgboost_categories(tree)
        offset = len(nodes)
        nodes.extend(_xgboost_node(tree, index, categories) for index in range(_size(tree)))
        for index, path in _walk(tree["left_children"], tree["right_children"]):
            placed = tuple((offset + node, left) for node, left in path)
            value = float(tree["split_conditions"][index])
            leaves.append(Leaf(value=value, output=int(output), path=placed))
    groups = max(model["tree_info"], default=0) + 1
    return TreeEnsemble(nodes=tuple(nodes), leaves=tuple(leaves), outputs=int(groups))


def _size(tree: Mapping[str, Any]) -> int:
    return len(tree["left_children"])


def _xgboost_node(
    tree: Mapping[str, Any], index: int, categories: Mapping[int, frozenset[int]]
) -> Node:
    return Node(
        column=int(tree["split_indices"][index]),
        threshold=float(tree["split_conditions"][index]),
        categories=categories.get(index),
        invert=True,
        inclusive=False,
        missing_left=bool(tree["default_left"][index]),
        missing="nan",
        single=True,
    )


def _xgboost_categories(tree: Mapping[str, Any]) -> dict[int, frozenset[int]]:
    owners = tree.get("categories_nodes", [])
    starts = tree.get("categories_segments", [])
    sizes = tree.get("categories_sizes", [])
    return {
        int(node): frozenset(int(one) for one in tree["categories"][start : start + size])
        for node, start, size in zip(owners, starts, sizes, strict=True)
    }


def _walk(left: list[int], right: list[int]) -> Iterator[tuple[int, tuple[tuple[int, bool], ...]]]:
    stack: list[tuple[int, tuple[tuple[int, bool], ...]]] = [(0, ())]
    while stack:
        index, path = stack.pop()
        if left[index] == -1:
            yield index, path
            continue
        stack.append((left[index], (*path, (index, True))))
        stack.append((right[index], (*path, (index, False))))


def _read_lightgbm(model: Mapping[str, Any]) -> TreeEnsemble:
    if model.get("average_output"):
        raise ExplanationError(
            "tree structure: expected boosted trees, found averaged ones (boosting rf); "
            "use the method shapley"
        )
    outputs = int(model["num_tree_per_iteration"])
    steepness = float(model.get("steepness", 1.0))  # the logit is this times the raw score
    nodes: list[Node] = []
    leaves: list[Leaf] = []
    for number, tree in enumerate(model["tree_info"]):
        stack: list[tuple[Mapping[str, Any], tuple[tuple[int, bool], ...]]] = [
            (tree["tree_structure"], ())
        ]
        while stack:
            part, path = stack.pop()
            if "left_child" not in part:
                value = steepness * float(part["leaf_value"])
                leaves.append(Leaf(value=value, output=number % outputs, path=path))
                continue
            nodes.append(_lightgbm_node(part))
            place = len(nodes) - 1
            stack.append((part["left_child"], (*path, (place, True))))
            stack.append((part["right_child"], (*path, (place, False))))
    return TreeEnsemble(nodes=tuple(nodes), leaves=tuple(leaves), outputs=outputs)


def _lightgbm_node(part: Mapping[str, Any]) -> Node:
    categorical = part["decision_type"] == "=="
    text = str(part["threshold"])
    return Node(
        column=int(part["split_feature"]),
        threshold=0.0 if categorical else float(part["threshold"]),
        categories=frozenset(int(one) for one in text.split("||")) if categorical else None,
        invert=False,
        inclusive=True,
        missing_left=False if categorical else bool(part["default_left"]),
        missing="nan" if categorical else str(part["missing_type"]).lower(),
        single=False,
    )
