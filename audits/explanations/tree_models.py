"""Effects of clinical variables in boosted trees: exact, in two estimands that never mix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.backgrounds import Background, as_array
from audits.explanations.request import Request
from audits.explanations.result import CaseExplanation, Method
from audits.explanations.shapley import ShapleyEstimate, shapley_values
from audits.explanations.shapley.estimate import RESIDUAL_FLOOR
from audits.explanations.shapley.trees import TreeExplainer
from audits.explanations.spaces import UNITS, explained
from audits.explanations.variables import (
    additivity_check,
    described,
    explanation_of_estimate,
    player_effects,
    players_of_columns,
    table_field,
    table_game,
)
from audits.types import Finding

if TYPE_CHECKING:
    from model_adapters.base import Field, ModelAdapter

PATH_DEPENDENT = (
    "Path-dependent TreeSHAP contribution of each clinical variable to {output}, in {unit}: what "
    "is left out follows the trees' own training counts, not the background cohort. Not to be "
    "compared with interventional effects."
)
MARGIN_TOLERANCE = 1e-4
_READ: WeakKeyDictionary[ModelAdapter, TreeExplainer] = WeakKeyDictionary()


def explain_by_interventional_trees(request: Request, method: Method) -> CaseExplanation:
    """Explain one score by exact interventional effects; falls back to the sampled estimate.

    Args:
        request: The case.
        method: ``tree_interventional``.
    """
    background = request.background()
    estimate, reason = interventional_estimate(
        request.adapter, request.prepared, background, seed=request.seed
    )
    done: Method = method if reason is None else "shapley"
    field = table_field(request.adapter)
    return explanation_of_estimate(
        request,
        estimate,
        background,
        game=table_game(request.predict, field, request.prepared, background),
        method=done,
        findings=fallback_findings(reason),
    )


def fallback_findings(reason: str | None) -> tuple[Finding, ...]:
    """Return the finding that says why sampled Shapley values stand in, or nothing."""
    if reason is None:
        return ()
    message = f"{reason}; the same effects were computed by the method shapley instead."
    return (Finding(severity="info", where="explanations.method", message=message),)


def interventional_estimate(
    adapter: ModelAdapter, prepared: Any, background: Background, *, seed: int = 0
) -> tuple[ShapleyEstimate, str | None]:
    """Return effects of every variable on every output of n cases.

    Args:
        adapter: A model with the capability ``tree``.
        prepared: n cases.
        background: What they are measured against.
        seed: Seed of the sampled estimate, where it is needed.

    Returns:
        The estimate, and why it had to be sampled (None where it is exact). Both have the same
        estimand.
    """
    try:
        return _exact(adapter, prepared, background), None
    except ExplanationError as error:
        field = table_field(adapter)
        space = adapter.output.space
        game = table_game(
            lambda batch: explained(adapter.predict(batch), space), field, prepared, background
        )
        return shapley_values(game, seed=seed), str(error).split(";", maxsplit=1)[0]


def _exact(adapter: ModelAdapter, prepared: Any, background: Background) -> ShapleyEstimate:
    field = table_field(adapter)
    rows = as_array(prepared[field.name]).astype(np.float64)
    others = as_array(background.prepared[field.name]).astype(np.float64)
    explainer = _explainer(adapter, field, others)
    scores = explained(adapter.predict(prepared), adapter.output.space)
    at_background = explained(adapter.predict(background.prepared), adapter.output.space)
    _require_same_margin(
        adapter,
        np.concatenate([scores, at_background]),
        np.concatenate([explainer.sums(rows), explainer.sums(others)]),
    )
    effects = explainer.effects(rows)
    return ShapleyEstimate(
        effects=effects,
        se=np.zeros_like(effects),
        base=at_background.mean(axis=0),
        scores=scores,
        cycles=np.zeros(len(rows), dtype=np.int64),
        evaluations=len(rows) + len(others),
        exact=True,
    )


def _explainer(
    adapter: ModelAdapter, field: Field, others: npt.NDArray[np.float64]
) -> TreeExplainer:
    """Return the explainer of a model against a background; a model's trees are read once.

    Raises:
        ExplanationError: If the model does not show its trees, or they cannot be read.
    """
    from audits.explanations.shapley.tree_structure import read_trees

    known = _READ.get(adapter)
    if known is None:
        structure = getattr(adapter, "trees", None)
        if structure is None:
            raise ExplanationError(f"{adapter.card.key} does not show its trees; use shapley")
        owners = players_of_columns(field, others.shape[1])
        known = TreeExplainer(read_trees(structure()), owners, others, len(field.features))
        _READ[adapter] = known
    return known.against(others)


def _require_same_margin(
    adapter: ModelAdapter, scores: npt.NDArray[np.float64], sums: npt.NDArray[np.float64]
) -> None:
    """Refuse a structure that is not the function the model predicts (up to its constant)."""
    if scores.shape == sums.shape:
        constant = scores - sums
        scale = np.maximum(np.abs(scores).max(axis=0), 1.0)
        if (np.ptp(constant, axis=0) <= MARGIN_TOLERANCE * scale).all():
            return
    raise ExplanationError(
        f"The trees of {adapter.card.key} do not add up to its score on the explained scale; "
        "use shapley"
    )


def explain_by_tree_paths(request: Request, method: Method) -> CaseExplanation:
    """Explain one score by the library's own path-dependent contributions.

    Args:
        request: The case.
        method: ``tree_path``.
    """
    adapter = cast("Any", request.adapter)
    field = table_field(request.adapter)
    columns, base = adapter.native_contributions(request.prepared)
    owners = players_of_columns(field, columns.shape[2])
    effects = np.zeros(len(field.features))
    np.add.at(effects, owners, columns[0, request.index])
    score = float(request.predict(request.prepared)[0, request.index])
    shift = score - float(base[request.index])
    residual = abs(float(effects.sum()) - shift) / max(abs(shift), RESIDUAL_FLOOR)
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=method,
        estimand=PATH_DEPENDENT.format(
            output=request.output, unit=UNITS[request.adapter.output.space]
        ),
        base_value=float(base[request.index]),
        additivity_residual=residual,
        players=player_effects(
            described(field, getattr(request.study, "variables", ())),
            request.raw[field.name].iloc[0],
            effects,
            None,
        ),
        checks=(additivity_check(residual, shift, score),),
        findings=request.findings(),
    )
