"""Effects of clinical variables: the players, their values and the explanation of a case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.backgrounds import Background, as_array
from audits.explanations.input_findings import input_findings
from audits.explanations.measurement import MeasurementEffects, measurement_effects
from audits.explanations.request import Request
from audits.explanations.result import (
    CaseExplanation,
    Check,
    MeasurementPart,
    Method,
    PlayerEffect,
    Verdict,
)
from audits.explanations.shapley import FieldsGame, ShapleyEstimate, Stop, cell_game, shapley_values
from audits.explanations.shapley.estimate import RESIDUAL_FLOOR, RESIDUAL_LIMIT
from audits.explanations.shapley.games import ROWS_PER_CALL, ROWS_PER_CALL_ON_GPU
from audits.explanations.shapley.support import off_support_share
from audits.explanations.spaces import UNITS
from audits.explanations.wide_tables import explain_wide, is_wide
from audits.types import Finding

if TYPE_CHECKING:
    import pandas as pd

    from model_adapters.base import Feature, Field, ModelAdapter, OutputSpec

NOT_MEASURED = "not measured"
FEWEST_POINTS = 2
# Rounding of a float32 sum of some hundred terms, relative to its size.
FLOAT32_RESOLUTION = 5e-6
INTERVENTIONAL = (
    "Interventional Shapley value of each clinical variable in {output}, in {unit}, against the "
    "background cohort{others}"
)


def table_field(adapter: ModelAdapter) -> Field:
    """Return the model's first table input.

    Raises:
        ExplanationError: If it has none.
    """
    for field in adapter.inputs:
        if field.modality == "table":
            return field
    found = ", ".join(f"{field.name} ({field.modality})" for field in adapter.inputs) or "none"
    raise ExplanationError(
        f"{adapter.card.key}: effects of variables need a table input, found {found}; "
        "use a map method"
    )


def described(field: Field, variables: Sequence[Feature]) -> tuple[Feature, ...]:
    """Return the model's features with the study's label, unit, code and flags.

    The columns stay the model's; a variable the study does not describe keeps the model's words.
    """
    known = {feature.name: feature for feature in variables}
    return tuple(
        replace(
            known.get(feature.name, feature),
            columns=feature.columns,
            levels=feature.levels or known.get(feature.name, feature).levels,
        )
        for feature in field.features
    )


def players_of_columns(field: Field, columns: int) -> npt.NDArray[np.int64]:
    """Return which feature owns each encoded column.

    Raises:
        ExplanationError: If a column is owned twice or by nobody.
    """
    owners = np.full(columns, -1, dtype=np.int64)
    for player, feature in enumerate(field.features):
        for column in feature.columns:
            if not 0 <= column < columns or owners[column] != -1:
                raise ExplanationError(
                    f"inputs.{field.name}: column {column} of feature {feature.name!r} is owned "
                    f"twice or does not exist among {columns} columns; correct its encoding"
                )
            owners[column] = player
    if (owners < 0).any():
        orphan = int(np.flatnonzero(owners < 0)[0])
        raise ExplanationError(
            f"inputs.{field.name}: column {orphan} belongs to no feature; correct its encoding"
        )
    return owners


def table_game(
    predict: Callable[[Mapping[str, Any]], npt.NDArray[np.float64]],
    field: Field,
    cases: Mapping[str, Any],
    background: Background,
    *,
    device: str = "cpu",
) -> FieldsGame:
    """Return the game whose players are a table's clinical variables.

    Args:
        predict: Maps field name -> batch to (n, outputs) on the explained scale.
        field: The table.
        cases: Prepared rows.
        background: What effects are measured against.
        device: Where the model runs; sets how many hybrids it is asked about at once.
    """
    return cell_game(
        predict=predict,
        field=field.name,
        cases=cases,
        background=background.prepared[field.name],
        player_of_cell=players_of_columns(field, cases[field.name].shape[1]),
        players=len(field.features),
        rows_per_call=ROWS_PER_CALL if device == "cpu" else ROWS_PER_CALL_ON_GPU,
    )


def explain_by_shapley(
    request: Request, method: Method, stop: Stop | None = None
) -> CaseExplanation:
    """Estimate the effect of every clinical variable on one score.

    Args:
        request: The case.
        method: ``shapley``.
        stop: When to stop; default :class:`~audits.explanations.shapley.Stop`.
    """
    field = table_field(request.adapter)
    background = request.background()
    game = table_game(
        request.predict, field, request.prepared, background, device=request.adapter.device
    )
    if is_wide(field):
        features = described(field, getattr(request.study, "variables", ()))
        return explain_wide(request, game, background, features, method)
    estimate = shapley_values(game, seed=request.seed, stop=stop)
    return explanation_of_estimate(request, estimate, background, game=game, method=method)


def explanation_of_estimate(
    request: Request,
    estimate: ShapleyEstimate,
    background: Background,
    *,
    game: FieldsGame,
    method: Method,
    findings: tuple[Finding, ...] = (),
) -> CaseExplanation:
    """Build the explanation of the only row of an estimate, with the part of being measured."""
    field = table_field(request.adapter)
    parts = measurement_effects(game, field, request.raw, background, estimate, seed=request.seed)
    return explanation_of_row(
        request, estimate, background, parts, method=method, findings=findings
    )


def explanation_of_row(  # noqa: PLR0913 - a row of a whole sample's estimate
    request: Request,
    estimate: ShapleyEstimate,
    background: Background,
    parts: MeasurementEffects,
    *,
    method: Method,
    row: int = 0,
    findings: tuple[Finding, ...] = (),
) -> CaseExplanation:
    """Build the explanation of one row of an estimate.

    The residual compares the effects with the score that was predicted for the case alone, so it
    also shows a model whose scores depend on the rest of the batch.
    """
    field = table_field(request.adapter)
    alone = np.broadcast_to(request.predict(request.prepared)[0], estimate.scores.shape)
    residual = float(estimate.residual(alone)[row, request.index])
    base, score = float(estimate.base[request.index]), float(alone[row, request.index])
    prepared = as_array(request.prepared[field.name])[0]
    others = "." if len(request.adapter.inputs) == 1 else "; other inputs stay the case's own."
    return CaseExplanation(
        case=request.case,
        model=request.adapter.card.key,
        output=request.output,
        score=request.score,
        method=method,
        estimand=INTERVENTIONAL.format(
            output=request.output, unit=UNITS[request.adapter.output.space], others=others
        ),
        background=background.id,
        base_value=base,
        additivity_residual=residual,
        off_support_share=off_support_share(
            prepared,
            as_array(background.prepared[field.name]),
            players_of_columns(field, len(prepared)),
            seed=request.seed,
        ),
        players=player_effects(
            described(field, getattr(request.study, "variables", ())),
            request.raw[field.name].iloc[0],
            estimate.effects[row, :, request.index],
            estimate.se[row, :, request.index],
            (parts.effects[row, :, request.index], parts.se[row, :, request.index]),
            _curves(request.adapter.output, estimate.effects[row]),
        ),
        checks=(additivity_check(residual, score - base, score),),
        findings=(
            *request.findings(),
            *input_findings(
                request.case,
                described(field, getattr(request.study, "variables", ())),
                request.raw[field.name].iloc[0],
                background.raw[field.name][background.others(request.case)],
            ),
            *findings,
        ),
    )


def additivity_check(residual: float, shift: float, score: float) -> Check:
    """Return the check that effects add up; it proves the code, not the explanation.

    Args:
        residual: Gap relative to max(|shift|, 0.01).
        shift: Score minus base value.
        score: The score; models give it in float32, and a gap below that resolution proves
            nothing, however small the shift it is compared with.
    """
    gap = residual * max(abs(shift), RESIDUAL_FLOOR)
    resolved = gap > FLOAT32_RESOLUTION * max(1.0, abs(score))
    verdict: Verdict = "fails" if residual > RESIDUAL_LIMIT and resolved else "reflects"
    return Check(name="additivity", value=residual, null=RESIDUAL_LIMIT, verdict=verdict)


def player_effects(
    features: Sequence[Feature],
    values: pd.Series[Any],
    effects: npt.NDArray[np.float64],
    errors: npt.NDArray[np.float64] | None,
    measured: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None,
    curves: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> tuple[PlayerEffect, ...]:
    """Return one effect per variable, in the order of the model's inputs.

    Args:
        features: The players.
        values: The case's own values by variable name.
        effects: (players,).
        errors: (players,) standard errors, NaN where unknown; None where exact by construction.
        measured: Part due to being measured or not and its errors, (players,) each; NaN where
            the question is idle.
        curves: Output -> effects on it (players,), where outputs are points in time, or None.
    """
    return tuple(
        PlayerEffect(
            name=feature.name,
            label=feature.label,
            value=plain_value(values[feature.name]),
            unit=feature.unit,
            effect=float(effects[player]),
            se=_error(errors, player),
            measurement=_part(measured, player),
            low=feature.normal[0] if feature.normal else None,
            high=feature.normal[1] if feature.normal else None,
            code=feature.code,
            curve=() if curves is None else _curve(curves, player),
        )
        for player, feature in enumerate(features)
    )


def plain_value(value: Any) -> float | str:
    """Return a number, a category's name, or ``"not measured"``."""
    import pandas as pd

    if value is None or pd.isna(value):
        return NOT_MEASURED
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return _as_written(float(value))
    return str(value)


def _as_written(value: float) -> float:
    """Return 11.2 for the 11.199999809 that a float32 column makes of it."""
    single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def _curves(
    output: OutputSpec, effects: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.float64]] | None:
    """Return effects on every output of a survival curve or of a forecast's horizons."""
    if len(output.names) < FEWEST_POINTS or output.task not in {"survival", "regression"}:
        return None
    return {name: effects[:, place] for place, name in enumerate(output.names)}


def _curve(
    curves: Mapping[str, npt.NDArray[np.float64]], player: int
) -> tuple[tuple[str, float], ...]:
    return tuple((name, float(effects[player])) for name, effects in curves.items())


def _part(
    measured: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None, player: int
) -> MeasurementPart | None:
    if measured is None or math.isnan(measured[0][player]):
        return None
    return MeasurementPart(effect=float(measured[0][player]), se=_error(measured[1], player))


def _error(errors: npt.NDArray[np.float64] | None, player: int) -> float | None:
    if errors is None:
        return 0.0
    return None if math.isnan(errors[player]) else float(errors[player])
