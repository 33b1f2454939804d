"""Do the features tell site, scanner, sex, age or race apart, and does the score use that?

Encoding is not use (Glocker et al., eBioMedicine 2023), so two numbers stand side by side and none
is a verdict. A linear probe, cross-validated by patient on features whose mean within each
combination of labels was taken away: its AUC says whether an attribute can be read off the features
beyond the findings. Then what tells the levels' means apart is erased (Belrose et al., NeurIPS
2023): how far each case's score moves against the others', beside erasures of as many directions
drawn from the features' own spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cancel import Cancel, never
from audits.explanations.cams.tokens import declared_tokens
from audits.explanations.cluster_means import cluster_means
from audits.explanations.shortcuts.features import (
    Erasure,
    PooledFeatures,
    layered_engine,
    pooled_features,
    removal_effects,
)

if TYPE_CHECKING:
    from audits.cohorts import Attribute, Study
    from model_adapters.base import ModelAdapter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_CASES = 200
FEWEST_PATIENTS = 20
"""Of a level; smaller ones are left out of the probe."""
FOLDS = 5
RANDOM_SPACES = 39
RESAMPLES = 200
SHRINKAGE = 0.1
NO_LAYER = "declare a target_layer: tokens in windows have no one grid whose features are probed"
REASON = "fewer than two levels with {n} patients among the cases that were read"


def probe_attributes(
    study: Study,
    adapter: ModelAdapter,
    attributes: Sequence[Attribute],
    *,
    seed: int = 0,
    cancel: Cancel = never,
) -> list[dict[str, Any]]:
    """Probe a model's pooled features for every attribute of a study.

    Args:
        study: Its audited cases; those whose inputs are shipped are drawn from.
        adapter: The model; without layers there is nothing to probe.
        attributes: Aligned to the study's cases.
        seed: Seed of the draw, the folds and the random subspaces.
        cancel: Asked between portions.

    Returns:
        Per attribute ``model``, ``attribute``, ``n``, ``patients``, ``levels``, ``auc`` (ESTIMATE,
        one level against the rest, averaged) and ``use``: per output ``effect`` (ESTIMATE of the
        mean distance the score moves), ``random`` (mean over subspaces) and its rank ``p``; with
        ``reason`` where it cannot be probed. Empty for models without layers.
    """
    engine = layered_engine(adapter)
    if engine is None and declared_tokens(adapter) is not None:
        return [_unprobed(adapter, attribute.name, NO_LAYER) for attribute in attributes]
    if engine is None or not attributes:
        return []
    shipped = np.flatnonzero(study.available(adapter.inputs))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(shipped)[:MOST_CASES])
    if not len(drawn):
        return []
    features = pooled_features(study, engine, [study.case_ids[row] for row in drawn], cancel=cancel)
    rows = np.array([study.row(case) for case in features.case_ids])
    patients = rows if study.patients is None else np.asarray(study.patients)[rows]
    centred = _within(features.values, _strata(study, adapter, rows))
    precision = _precision(centred)
    out, spaces, probed = [], [], []
    for attribute in attributes:
        codes = np.asarray(attribute.codes)[rows]
        kept, levels = _kept_levels(codes, attribute.levels, patients)
        entry: dict[str, Any] = {
            "model": adapter.card.key,
            "attribute": attribute.name,
            "n": int(kept.sum()),
            "patients": len(np.unique(patients[kept])),
            "levels": levels,
        }
        out.append(entry)
        if len(levels) < 2:  # noqa: PLR2004 - two levels to tell apart
            entry |= {"auc": None, "use": [], "reason": REASON.format(n=FEWEST_PATIENTS)}
            continue
        entry["auc"] = _probe_auc(centred[kept], codes[kept], patients[kept], seed)
        spaces.append(_erasure(_level_directions(centred[kept], codes[kept]), precision))
        probed.append(entry)
    _add_use(engine, features, (centred, precision), patients, spaces, probed, rng, cancel)
    return out


def _unprobed(adapter: ModelAdapter, attribute: str, reason: str) -> dict[str, Any]:
    counts = {"n": 0, "patients": 0, "levels": [], "auc": None, "use": []}
    return {"model": adapter.card.key, "attribute": attribute, **counts, "reason": reason}


def _strata(study: Study, adapter: ModelAdapter, rows: Ints) -> Ints:
    """Return a code for each combination of the labels that the model's outputs have."""
    names = [name for name in adapter.output.names if name in study.labels]
    if not names:
        return np.zeros(len(rows), dtype=np.int64)
    table = np.stack([np.asarray(study.labels[name].values)[rows] for name in names], axis=1)
    return np.unique(table, axis=0, return_inverse=True)[1].reshape(-1)


def _within(values: Floats, strata: Ints) -> Floats:
    out = values.copy()
    for stratum in np.unique(strata):
        out[strata == stratum] -= values[strata == stratum].mean(axis=0)
    return out


def _kept_levels(
    codes: npt.NDArray[Any], names: Sequence[str], patients: Ints
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    kept = np.zeros(len(codes), dtype=np.bool_)
    levels = []
    for code, name in enumerate(names):
        inside = codes == code
        if len(np.unique(patients[inside])) >= FEWEST_PATIENTS:
            kept |= inside
            levels.append(str(name))
    return kept, levels


def _probe_auc(
    values: Floats, codes: npt.NDArray[Any], patients: Ints, seed: int
) -> dict[str, Any]:
    """Return the mean one-against-rest AUC of held-out patients, with a bootstrap by patient."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    levels = np.unique(codes)
    scores = np.zeros((len(codes), len(levels)))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(
        values, codes, patients
    ):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=500))
        probe.fit(values[train], codes[train])
        found = probe.predict_proba(values[test])
        for place, level in enumerate(probe[-1].classes_):
            scores[test, np.searchsorted(levels, level)] = found[:, place]
    truth = codes[:, None] == levels[None]
    value = _mean_auc(scores, truth)
    ids, members = np.unique(patients, return_inverse=True)
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(len(ids) + 1))
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(RESAMPLES):
        picked = rng.integers(0, len(ids), len(ids))
        rows = np.concatenate([order[starts[one] : starts[one + 1]] for one in picked])
        draws.append(_mean_auc(scores[rows], truth[rows]))
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return {
        "value": value,
        "low": float(low),
        "high": float(high),
        "level": 0.95,
        "n": len(codes),
        "n_patients": len(ids),
        "method": "percentile bootstrap by patient of held-out scores",
    }


def _mean_auc(scores: Floats, truth: npt.NDArray[np.bool_]) -> float:
    from scipy.stats import rankdata

    found = []
    for column in range(scores.shape[1]):
        inside = truth[:, column]
        k, n = int(inside.sum()), len(inside)
        if 0 < k < n:
            ranks = rankdata(scores[:, column])
            found.append((ranks[inside].sum() - k * (k + 1) / 2) / (k * (n - k)))
    return float(np.mean(found)) if found else float("nan")


def _precision(values: Floats) -> Floats:
    """Return the inverse covariance, a tenth of it shrunk to a multiple of the identity."""
    covariance = values.T @ values / max(1, len(values) - 1)
    level = float(np.trace(covariance)) / len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * max(level, 1e-12) * np.eye(len(covariance))
    return np.asarray(np.linalg.inv(shrunk))


def _level_directions(values: Floats, codes: npt.NDArray[Any]) -> Floats:
    """Return directions in which the levels' means differ, (levels - 1, channels)."""
    means = np.stack([values[codes == level].mean(axis=0) for level in np.unique(codes)])
    return np.asarray((means - means.mean(axis=0))[:-1])


def _erasure(directions: Floats, precision: Floats) -> Erasure:
    """Return what leaves no linear trace of the directions and changes the rest least."""
    read = directions @ precision
    readers = np.linalg.pinv(read @ directions.T) @ read
    return Erasure(directions=directions, readers=readers)


def _random_erasures(
    values: Floats, precision: Floats, size: int, rng: np.random.Generator
) -> list[Erasure]:
    """Return erasures of directions drawn from the features' own spread: they do vary."""
    weights = rng.normal(size=(RANDOM_SPACES, size, len(values))) / len(values) ** 0.5
    return [_erasure(one @ values, precision) for one in weights]


def _add_use(  # noqa: PLR0913, PLR0917 - one pass serves all attributes
    engine: Any,
    features: PooledFeatures,
    spread: tuple[Floats, Floats],
    patients: Ints,
    spaces: Sequence[Erasure],
    entries: Sequence[dict[str, Any]],
    rng: np.random.Generator,
    cancel: Cancel,
) -> None:
    """Add to each entry how far the scores move without its directions, and without random ones."""
    sizes = sorted({len(space.directions) for space in spaces})
    random = {size: _random_erasures(*spread, size, rng) for size in sizes}
    everything = [*spaces, *(space for size in sizes for space in random[size])]
    if not spaces:
        return
    shifted = removal_effects(engine, features, everything, cancel=cancel)
    # What every case loses alike is a new intercept and tells no case from another.
    moved = np.abs(shifted - shifted.mean(axis=2, keepdims=True))
    place = {size: len(spaces) + at * RANDOM_SPACES for at, size in enumerate(sizes)}
    for own, (space, entry) in enumerate(zip(spaces, entries, strict=True)):
        start = place[len(space.directions)]
        null = moved[start : start + RANDOM_SPACES].mean(axis=2)
        estimates = cluster_means(moved[own].T, patients, int(rng.integers(2**31)))
        entry["use"] = [
            {
                "output": name,
                "effect": estimates[index].to_dict(),
                "random": float(null[:, index].mean()),
                "p": float(1 + (null[:, index] >= moved[own, index].mean()).sum())
                / (1 + RANDOM_SPACES),
            }
            for index, name in enumerate(engine.adapter.output.names)
        ]
