"""Point estimates equal fairlearn's and scikit-learn's; regression equals statsmodels'."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from fairlearn.metrics import (
    MetricFrame,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from scipy.special import logit
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    precision_score,
    roc_auc_score,
)

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy

CONFUSION = {
    "tpr": true_positive_rate,
    "fpr": false_positive_rate,
    "tnr": true_negative_rate,
    "fnr": false_negative_rate,
    "selection_rate": selection_rate,
    "accuracy": accuracy_score,
    "ppv": precision_score,
}
RANKING = {
    "auroc": roc_auc_score,
    "auprc": average_precision_score,
    "brier": brier_score_loss,
}


def cohort(n=3000, seed=5):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], n),
            "age": rng.choice(["<40", "40-<60", ">=60"], n, p=[0.2, 0.3, 0.5]),
            "y": rng.integers(0, 2, n),
        }
    )
    frame["score"] = np.round(1 / (1 + np.exp(-(frame["y"] - 0.5 + rng.normal(size=n)))), 3)
    return frame


def audited(frame, threshold=0.5):
    attributes = tuple(
        Attribute(
            name=name,
            column=name,
            kind="demographic",
            levels=tuple(sorted(frame[name].unique())),
            codes=pd.Categorical(frame[name]).codes.astype(np.int32),
        )
        for name in ("sex", "age")
    )
    output = ScoredOutput(
        name="y",
        y=frame["y"].to_numpy(),
        score=frame["score"].to_numpy(),
        threshold=threshold,
        attributes=attributes,
    )
    policy = load_policy(None, groups=["sex", "age"], intersections=[["sex", "age"]])
    return audit_fairness([output], policy).outputs[0]


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_metric_frame_of_every_group(threshold):
    frame = cohort()
    result = audited(frame, threshold)
    features = frame[["sex", "age"]]
    hard = MetricFrame(
        metrics=CONFUSION,
        y_true=frame["y"],
        y_pred=(frame["score"] >= threshold).astype(int),
        sensitive_features=features,
    )
    soft = MetricFrame(
        metrics=RANKING, y_true=frame["y"], y_pred=frame["score"], sensitive_features=features
    )
    cells = [group for group in result.groups if len(group.attributes) == 2]
    assert len(cells) == 6
    for group in cells:
        key = (group.attributes["sex"], group.attributes["age"])
        for metrics, peer in ((CONFUSION, hard), (RANKING, soft)):
            for name in metrics:
                expected = peer.by_group.loc[key, name]
                assert group.metrics[name].value == pytest.approx(expected, abs=1e-12)
    for metrics, peer in ((CONFUSION, hard), (RANKING, soft)):
        for name in metrics:
            assert result.overall.metrics[name].value == pytest.approx(
                peer.overall[name], abs=1e-12
            )


def test_calibration_equals_logistic_regression():
    frame = cohort()
    result = audited(frame)
    for group in (result.overall, *result.groups):
        rows = np.ones(len(frame), dtype=bool)
        for name, level in group.attributes.items():
            rows &= (frame[name] == level).to_numpy()
        part = frame[rows]
        fit = sm.GLM(
            part["y"], sm.add_constant(logit(part["score"])), family=sm.families.Binomial()
        ).fit(cov_type="HC0")
        for name, index in (("calibration_intercept", 0), ("calibration_slope", 1)):
            estimate = group.metrics[name]
            assert estimate.value == pytest.approx(fit.params.iloc[index], abs=1e-8)
            half = (estimate.high - estimate.low) / 2
            assert half == pytest.approx(1.96 * fit.bse.iloc[index], rel=0.03)
        observed = part["y"].sum() / part["score"].sum()
        assert group.metrics["oe_ratio"].value == pytest.approx(observed, abs=1e-12)


def test_net_benefit_is_its_definition():
    frame = cohort()
    result = audited(frame, 0.2)
    called = frame["score"] >= 0.2
    n = len(frame)
    expected = (called & (frame["y"] == 1)).sum() / n - (called & (frame["y"] == 0)).sum() / n / 4
    assert result.overall.metrics["net_benefit"].value == pytest.approx(expected, abs=1e-12)


def test_average_precision_interval_follows_the_bootstrap():
    frame = cohort(800)
    estimate = audited(frame).overall.metrics["auprc"]
    rng = np.random.default_rng(0)
    values = []
    for _ in range(400):
        part = frame.iloc[rng.integers(0, len(frame), len(frame))]
        values.append(average_precision_score(part["y"], part["score"]))
    assert (estimate.high - estimate.low) / 3.92 == pytest.approx(np.std(values), rel=0.15)
