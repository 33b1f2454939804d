"""Effects over a random sample of the cohort: what drives the model in general, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.explanations.backgrounds import CaseSource, audit_background
from audits.explanations.case import methods_for
from audits.explanations.cohort import TABLE_METHODS, patient_codes, sample_estimate, sample_game
from audits.explanations.measurement import measurement_effects
from audits.explanations.result import BackgroundId, Method
from audits.explanations.sample import open_sample
from audits.explanations.shapley import Stop
from audits.explanations.spaces import UNITS
from audits.explanations.variables import described, table_field
from audits.explanations.wide_tables import is_wide
from audits.types import Finding, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

    from model_adapters.base import Feature, ModelAdapter

CASES_PER_STEP = 200
SPLIT_CASES = 200
STEPS_STOP = Stop(relative=0.1, absolute=0.02, min_cycles=1, max_cycles=1, seconds=0.0)
"""One cycle of the background per case: the mean over many cases averages its error out."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalEffects:
    """Effects of every variable on every output of randomly drawn cases.

    Attributes:
        case_ids: Who was drawn.
        patients: (n,) patient codes.
        features: The players.
        raw: Their values as the study gives them, (n, players).
        outputs: Names of the outputs.
        unit: Unit of the effects.
        effects: (n, players, outputs).
        measured: Part due to being measured or not, same shape; NaN where the question is idle
            or the case was not among the first ones, which alone are split.
        background: What they are measured against.
        method: How.
        findings: What to say of it.
    """

    case_ids: tuple[str, ...]
    patients: Ints
    features: tuple[Feature, ...]
    raw: pd.DataFrame
    outputs: tuple[str, ...]
    unit: str
    effects: Floats
    measured: Floats
    background: BackgroundId
    method: Method
    findings: tuple[Finding, ...]

    def frame(self) -> pd.DataFrame:
        """Return case, output, variable, value, effect and the part of being measured, long."""
        import pandas as pd

        count, players, outputs = self.effects.shape
        names = [feature.name for feature in self.features]
        values = self.raw[names].astype("string").to_numpy(dtype=object)
        shape = (count, players, outputs)
        return pd.DataFrame(
            {
                "case_id": np.repeat(np.array(self.case_ids, dtype=object), players * outputs),
                "output": np.tile(np.array(self.outputs, dtype=object), count * players),
                "variable": np.tile(np.repeat(np.array(names, dtype=object), outputs), count),
                "value": np.broadcast_to(values[:, :, None], shape).ravel(),
                "effect": self.effects.ravel(),
                "measured": self.measured.ravel(),
            }
        )


def global_effects(
    study: CaseSource,
    adapter: ModelAdapter,
    count: int,
    *,
    seed: int = 0,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> GlobalEffects | None:
    """Explain every output of randomly drawn cases against one background, in bounded steps.

    Args:
        study: An opened study.
        adapter: A loaded model.
        count: How many cases are drawn; all where there are fewer.
        seed: Seed of everything drawn.
        progress: Told how far it is.
        cancel: Asked between steps.

    Returns:
        The effects, or None for a model that takes anything but one table of at most 500
        variables, or no case of which can be opened.
    """
    if len(adapter.inputs) != 1 or adapter.inputs[0].modality != "table":
        return None
    if is_wide(adapter.inputs[0]):
        return None
    method = next((one for one in methods_for(adapter) if one in TABLE_METHODS), None)
    case_ids = draw_cases(study, adapter, count, seed=seed)
    if method is None or not case_ids:
        return None
    cohort = audit_background(study, adapter, seed=seed)
    field = table_field(adapter)
    parts: list[tuple[tuple[str, ...], pd.DataFrame, Floats, Floats]] = []
    done: Method = method
    findings: tuple[Finding, ...] = ()
    for start in range(0, len(case_ids), CASES_PER_STEP):
        stop_if(cancel)
        progress(start / len(case_ids), f"Effects of {len(case_ids):,} random cases")
        ids = case_ids[start : start + CASES_PER_STEP]
        sample = open_sample(study, adapter, ids, seed=seed + start, background=cohort)
        scored = np.flatnonzero(np.isfinite(sample.scores).all(axis=1))
        if len(scored) < len(sample.case_ids):
            sample = sample.only(scored.tolist())
        if not sample.case_ids:
            continue
        game = sample_game(sample, cohort)
        estimate, done, findings = sample_estimate(sample, game, cohort, method, stop=STEPS_STOP)
        split = np.full_like(estimate.effects, np.nan)
        if start < SPLIT_CASES:
            split = measurement_effects(
                game, field, sample.raw, cohort, estimate, seed=seed
            ).effects
        parts.append((sample.case_ids, sample.raw[field.name], estimate.effects, split))
    progress(1.0, "Effects of random cases are there")
    if not parts:
        return None
    import pandas as pd

    drawn = tuple(case for ids, *_ in parts for case in ids)
    patients = patient_codes(study, drawn)
    return GlobalEffects(
        case_ids=drawn,
        patients=np.arange(len(drawn)) if patients is None else patients,
        features=described(field, getattr(study, "variables", ())),
        raw=pd.concat([raw for _, raw, _, _ in parts]),
        outputs=adapter.output.names,
        unit=UNITS[adapter.output.space],
        effects=np.concatenate([effects for _, _, effects, _ in parts]),
        measured=np.concatenate([split for *_, split in parts]),
        background=cohort.id,
        method=done,
        findings=findings,
    )


def draw_cases(
    study: CaseSource, adapter: ModelAdapter, count: int, *, seed: int
) -> tuple[str, ...]:
    """Return randomly drawn cases whose inputs are there; all where there are fewer."""
    ids = list(study.case_ids)
    ask = getattr(study, "available", None)
    if ask is not None:
        there: Sequence[bool] = ask(adapter.inputs)
        ids = [case for case, here in zip(ids, there, strict=True) if here]
    order = np.random.default_rng(seed).permutation(len(ids))[:count]
    return tuple(ids[place] for place in np.sort(order))
