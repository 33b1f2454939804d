"""Effects over a random sample of the cohort: what drives the model in general, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never, stop_if
from audits.explanations.backgrounds import Background, CaseSource, audit_background
from audits.explanations.case import methods_for
from audits.explanations.cohort import TABLE_METHODS, patient_codes, sample_estimate, sample_game
from audits.explanations.global_parts import Origin, Step, joined, parts_step, sequence_step
from audits.explanations.measurement import measurement_effects
from audits.explanations.parts.notes import removed_text
from audits.explanations.result import BackgroundId, Method
from audits.explanations.sample import Sample, open_sample
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
_SHARE = {"table": 1.0, "sequence": 0.5, "text": 1.0, "several": 0.25}
"""How many cases are explained for every one asked for; those of several inputs cost most."""
UNSPLIT = {
    "text": "A note is read as it stands; whether something was measured is no input of the model.",
    "several": "Effects of a model with several inputs are not split into being measured and the "
    "value; audit its measurements as a model of their own to see what orders tell it.",
}
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
        origins: Where each player comes from: a variable, a section of a note, a region.
        words: Section -> the words of each case's section, None where it lacks it. They are
            compared with groups and never written.
        unsplit: Why effects are not split into being measured and the value, or None.
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
    origins: tuple[Origin, ...]
    words: Mapping[str, tuple[frozenset[str] | None, ...]]
    unsplit: str | None = None

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
        The effects, or None for a model whose inputs are images or scores alone, or one table of
        more than 500 variables, or no case of which can be opened.
    """
    modalities = [one.modality for one in adapter.inputs]
    if not set(modalities) & {"table", "sequence", "text"} or any(map(is_wide, adapter.inputs)):
        return None
    wanted = max(1, round(count * _SHARE[_kind(modalities)]))
    case_ids = draw_cases(study, adapter, wanted, seed=seed)
    if not case_ids:
        return None
    removal = modalities == ["text"]
    cohort = None if removal else audit_background(study, adapter, seed=seed)
    plan = _Plan(study=study, adapter=adapter, background=cohort, seed=seed)
    steps: list[Step] = []
    for start in range(0, len(case_ids), CASES_PER_STEP):
        stop_if(cancel)
        progress(start / len(case_ids), f"Effects of {len(case_ids):,} random cases")
        step = plan.step(case_ids[start : start + CASES_PER_STEP], start, cancel)
        if step is not None:
            steps.append(step)
    progress(1.0, "Effects of random cases are there")
    if not steps:
        return None
    whole = joined(steps)
    patients = patient_codes(study, whole.case_ids)
    return GlobalEffects(
        case_ids=whole.case_ids,
        patients=np.arange(len(whole.case_ids)) if patients is None else patients,
        features=whole.features,
        raw=whole.raw,
        outputs=adapter.output.names,
        unit=UNITS[adapter.output.space],
        effects=whole.effects,
        measured=whole.measured,
        background=removed_text() if cohort is None else cohort.id,
        method=plan.method,
        findings=plan.findings,
        origins=whole.origins,
        words=whole.words,
        unsplit=UNSPLIT.get(_kind(modalities)),
    )


def _kind(modalities: Sequence[str]) -> str:
    return modalities[0] if len(modalities) == 1 else "several"


@dataclass(slots=True, kw_only=True)
class _Plan:
    """One model with what its cases are explained against, and how that went.

    Attributes:
        study: The study.
        adapter: The model.
        background: The cohort; None where text is removed.
        seed: Seed of everything drawn.
        method: The method that gave the effects of the last step.
        findings: What to say of it.
    """

    study: CaseSource
    adapter: ModelAdapter
    background: Background | None
    seed: int
    method: Method = "shapley"
    findings: tuple[Finding, ...] = ()

    def step(self, ids: Sequence[str], start: int, cancel: Cancel) -> Step | None:
        """Return the effects of some cases; None where no one of them can be scored."""
        sample = open_sample(
            self.study, self.adapter, ids, seed=self.seed + start, background=self.background
        )
        scored = np.flatnonzero(np.isfinite(sample.scores).all(axis=1))
        if len(scored) < len(sample.case_ids):
            sample = sample.only(scored.tolist())
        if not sample.case_ids:
            return None
        if sample.is_one_table and self.background is not None:
            return self._table(sample, self.background, split=start < SPLIT_CASES)
        modalities = [one.modality for one in self.adapter.inputs]
        if modalities == ["sequence"] and self.background is not None:
            return sequence_step(sample, self.background, stop=STEPS_STOP, split=start == 0)
        return parts_step(sample, stop=STEPS_STOP, cancel=cancel)

    def _table(self, sample: Sample, background: Background, *, split: bool) -> Step:
        field = table_field(self.adapter)
        game = sample_game(sample, background)
        method = next(one for one in methods_for(self.adapter) if one in TABLE_METHODS)
        estimate, self.method, self.findings = sample_estimate(
            sample, game, background, method, stop=STEPS_STOP
        )
        measured = np.full_like(estimate.effects, np.nan)
        if split:
            measured = measurement_effects(
                game, field, sample.raw, background, estimate, seed=self.seed
            ).effects
        features = described(field, getattr(self.study, "variables", ()))
        return Step(
            case_ids=sample.case_ids,
            features=features,
            origins=tuple(Origin(kind="variable", variable=one.name) for one in features),
            raw=sample.raw[field.name],
            effects=estimate.effects,
            measured=measured,
            words={},
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
