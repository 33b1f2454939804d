"""What is true of the study, measured: the content of ``truth.json``.

Everything here is computed from the shipped cases and the shipped models by formulas written out
on the spot, on purpose without Auscult's own statistics: it is what those are checked against.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata, spearmanr

from sample_data.generate.icu.scoring import Scorer, Scores

Rows = npt.NDArray[np.bool_]

OUTPUT = "deterioration"
RECORDED = "recorded_deterioration"
PROXY = "deprivation_index"
ATTRIBUTES = ("sex", "age_band", "race", "ethnicity", "language", "insurance", "unit", "site")
AGE_BANDS = (45, 65, 80)


def measure_truth(audited: pd.DataFrame, scorers: Sequence[Scorer], seed: int) -> dict[str, Any]:
    """Measure every planted effect and its unplanted neighbours.

    Args:
        audited: The audited split.
        scorers: The models, thresholds chosen.
        seed: Seed of the permutations by which the proxy is measured.

    Returns:
        Plain data, as written to ``truth.json``.
    """
    scores = {scorer.key: scorer.probabilities(audited) for scorer in scorers}
    alerts = {scorer.key: scorer.alerts(audited) for scorer in scorers}
    black = (audited["race"] == "Black").to_numpy()
    first = [scorer for scorer in scorers if PROXY in scorer.features]
    return {
        "output": OUTPUT,
        "cases": len(audited),
        "patients": int(audited["patient_id"].nunique()),
        "positives": int(audited[OUTPUT].sum()),
        "models": {
            scorer.key: {"weights_sha256": scorer.weights_sha256, "threshold": scorer.threshold}
            for scorer in scorers
        },
        "planted": [
            _label_access(audited, black, scores, alerts),
            _proxy(audited, black, first, alerts, seed),
            _fine(audited, scores, alerts),
            _regression(audited, scores, alerts),
        ],
        "groups": {
            key: {
                name: {
                    level: describe(audited, rows, scores[key], alerts[key])
                    for level, rows in levels(audited, name).items()
                }
                for name in ATTRIBUTES
            }
            for key in scores
        },
    }


def levels(frame: pd.DataFrame, name: str) -> dict[str, Rows]:
    """Return which rows are in which level of an attribute; missing is ``Unknown``, the last."""
    if name == "age_band":
        cuts = [str(cut) for cut in AGE_BANDS]
        names = [f"<{cuts[0]}", *(f"{a}-<{b}" for a, b in itertools.pairwise(cuts))]
        names.append(f">={cuts[-1]}")
        codes = np.digitize(frame["age"], AGE_BANDS)
        return {text: codes == at for at, text in enumerate(names)}
    found = {str(v): (frame[name] == v).to_numpy() for v in sorted(frame[name].dropna().unique())}
    missing = frame[name].isna().to_numpy()
    return {**found, "Unknown": missing} if missing.any() else found


def describe(frame: pd.DataFrame, rows: Rows, scores: Scores, alerts: Rows) -> dict[str, Any]:
    """Measure one group: counts, rates, AUROC and observed over expected."""
    positive = rows & (frame[OUTPUT] == 1).to_numpy()
    negative = rows & ~positive
    expected = float(scores[rows].sum())
    return {
        "n": int(rows.sum()),
        "patients": int(frame.loc[rows, "patient_id"].nunique()),
        "positives": int(positive.sum()),
        "tpr": _rate(alerts, positive),
        "fpr": _rate(alerts, negative),
        "auroc": _auroc(scores[positive], scores[negative]),
        "oe_ratio": int(positive.sum()) / expected,
    }


def _label_access(
    frame: pd.DataFrame, black: Rows, scores: Mapping[str, Scores], alerts: Mapping[str, Rows]
) -> dict[str, Any]:
    truth, recorded = (_positives(frame, label) for label in (OUTPUT, RECORDED))
    return {
        "id": "label_access",
        "kind": "label_bias",
        "planted_in": ["icu-xgboost@1.0", "icu-mlp@1.0"],
        "mitigated_in": ["icu-mlp@2.0"],
        "attributes": {"race": "Black"},
        "metric": "tpr",
        "mechanism": (
            "In the label that 1.0 learnt, a deterioration counts only if it left a record of "
            "treatment; where access was worse, few did."
        ),
        "recorded_share_of_deteriorations": {
            "group": _rate(recorded, truth & black),
            "reference": _rate(recorded, truth & ~black),
        },
        "measured": {
            key: {
                "adjudicated": _gap(alerts[key], truth, black),
                "recorded": _gap(alerts[key], recorded, black),
                "oe_ratio_adjudicated": int(truth[black].sum()) / float(values[black].sum()),
                "oe_ratio_recorded": int(recorded[black].sum()) / float(values[black].sum()),
            }
            for key, values in scores.items()
        },
    }


def _proxy(
    frame: pd.DataFrame,
    black: Rows,
    scorers: Sequence[Scorer],
    alerts: Mapping[str, Rows],
    seed: int,
) -> dict[str, Any]:
    known = frame["race"].notna().to_numpy()
    index = frame[PROXY].to_numpy(np.float64)
    return {
        "id": "proxy",
        "kind": "proxy_input",
        "planted_in": [scorer.key for scorer in scorers],
        "mitigated_in": ["icu-mlp@2.0"],
        "variable": PROXY,
        "stands_for": {"race": "Black"},
        "association": {
            "auroc": _auroc(index[black & known], index[~black & known]),
            "spearman": float(spearmanr(index[known], black[known]).statistic),
            "n": int(known.sum()),
        },
        "measured": {
            scorer.key: {
                **_swap(frame, black, scorer, alerts[scorer.key], seed),
                **_effect_share(frame, scorer, seed),
            }
            for scorer in scorers
        },
    }


def _swap(
    frame: pd.DataFrame, black: Rows, scorer: Scorer, alerts: Rows, seed: int
) -> dict[str, Any]:
    """Give the group the proxy values of the rest, drawn at random, and measure the gap again."""
    truth = _positives(frame, OUTPUT)
    swapped = frame.copy()
    draws = np.random.default_rng(seed).choice(frame.loc[~black, PROXY], int(black.sum()))
    swapped.loc[black, PROXY] = draws
    before = _gap(alerts, truth, black)
    after = _gap(scorer.alerts(swapped), truth, black)
    return {
        "tpr_with_proxy_of_the_rest": after,
        "share_of_tpr_gap": 1 - after["difference"] / before["difference"],
    }


def _effect_share(frame: pd.DataFrame, scorer: Scorer, seed: int) -> dict[str, Any]:
    """Permute one variable at a time; its effect is the mean absolute change of the logit."""
    order = np.random.default_rng(seed).permutation(len(frame))
    base = scorer.logits(frame)
    effects = {}
    for name in scorer.features:
        mixed = frame.assign(**{name: frame[name].to_numpy()[order]})
        effects[name] = float(np.abs(scorer.logits(mixed) - base).mean())
    ranked = sorted(effects, key=lambda name: -effects[name])
    return {
        "effect_logit": effects[PROXY],
        "effect_share": effects[PROXY] / sum(effects.values()),
        "effect_rank": ranked.index(PROXY) + 1,
        "variables": len(ranked),
    }


def _fine(
    frame: pd.DataFrame, scores: Mapping[str, Scores], alerts: Mapping[str, Rows]
) -> dict[str, Any]:
    women = (frame["sex"] == "F").to_numpy()
    return {
        "id": "fine",
        "kind": "no_disparity",
        "attributes": {"sex": "F"},
        "expected_verdict": "equivalent",
        "measured": {
            key: {
                "group": describe(frame, women, scores[key], alerts[key]),
                "reference": describe(frame, ~women, scores[key], alerts[key]),
            }
            for key in scores
        },
    }


def _regression(
    frame: pd.DataFrame, scores: Mapping[str, Scores], alerts: Mapping[str, Rows]
) -> dict[str, Any]:
    neuro = (frame["unit"] == "Neuro").to_numpy()
    pair = {"base": "icu-mlp@1.0", "candidate": "icu-mlp@2.0"}
    return {
        "id": "regression",
        "kind": "worse_in_new_version",
        **pair,
        "attributes": {"unit": "Neuro"},
        "mechanism": "2.0 was taken off the Glasgow Coma Scale, which matters most in this unit.",
        "measured": {
            role: {
                "group": describe(frame, neuro, scores[key], alerts[key]),
                "rest": describe(frame, ~neuro, scores[key], alerts[key]),
            }
            for role, key in pair.items()
        },
    }


def _positives(frame: pd.DataFrame, label: str) -> Rows:
    return (frame[label] == 1).to_numpy()


def _gap(alerts: Rows, positives: Rows, group: Rows) -> dict[str, Any]:
    one, rest = _rate(alerts, positives & group), _rate(alerts, positives & ~group)
    return {"group": one, "reference": rest, "difference": one["value"] - rest["value"]}


def _rate(hits: Rows, among: Rows) -> dict[str, Any]:
    k, n = int((hits & among).sum()), int(among.sum())
    return {"k": k, "n": n, "value": k / n}


def _auroc(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> float:
    """Return the probability that a positive ranks above a negative (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    wins = ranks.sum() - len(positive) * (len(positive) + 1) / 2
    return float(wins / (len(positive) * len(negative)))
