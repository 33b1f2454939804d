"""Weighted cohorts: scikit-learn's estimates, Kish's precision, and what cannot be a weight."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from audits import audit_predictions
from audits.errors import AuditError


def cohort(n=900, seed=6, patients=None):
    rng = np.random.default_rng(seed)
    linear = rng.normal(size=n)
    score = 1 / (1 + np.exp(-np.round(linear + rng.normal(0, 0.7, n), 1)))
    return pd.DataFrame(
        {
            "pid": rng.integers(0, patients or n, n),
            "sex": rng.choice(["F", "M"], n),
            "y": (rng.random(n) < 1 / (1 + np.exp(-linear))).astype(int),
            "p": score,
            "w": rng.gamma(2, 1, n),
        }
    )


def audited(frame, **more):
    asked = {"label": "y", "score": "p", "groups": ["sex"], "threshold": 0.4}
    return audit_predictions(frame, **(asked | more)).to_dict()["outputs"][0]


def test_estimates_are_those_of_scikit_learn_with_sample_weight():
    frame = cohort()
    for group in audited(frame, weight="w")["groups"]:
        rows = frame[frame["sex"] == group["attributes"]["sex"]]
        y, p, w = rows["y"], rows["p"], rows["w"]
        metrics = {name: estimate["value"] for name, estimate in group["metrics"].items()}
        wanted = {
            "auroc": roc_auc_score(y, p, sample_weight=w),
            "auprc": average_precision_score(y, p, sample_weight=w),
            "brier": brier_score_loss(y, p, sample_weight=w),
            "prevalence": np.average(y, weights=w),
            "tpr": np.average(p[y == 1] >= 0.4, weights=w[y == 1]),
            "npv": np.average(1 - y[p < 0.4], weights=w[p < 0.4]),
            "oe_ratio": (w * y).sum() / (w * p).sum(),
        }
        for name, value in wanted.items():
            assert metrics[name] == pytest.approx(value, abs=1e-12)
        fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        fit.fit(np.log(p / (1 - p)).to_numpy()[:, None], y, sample_weight=w)
        assert metrics["calibration_slope"] == pytest.approx(fit.coef_[0, 0], abs=1e-5)
        assert metrics["calibration_intercept"] == pytest.approx(fit.intercept_[0], abs=1e-5)


@pytest.mark.parametrize("patients", [None, 300])
def test_equal_weights_change_nothing(patients):
    frame = cohort(patients=patients).assign(w=2.5)
    plain, weighted = audited(frame, patient="pid"), audited(frame, patient="pid", weight="w")
    for one, other in zip(plain["groups"], weighted["groups"], strict=True):
        assert list(one["metrics"]) == list(other["metrics"])
        for name, estimate in one["metrics"].items():
            found = other["metrics"][name]
            # A bin of equal weight ends within a tie, one of equal counts beside it.
            close = 5e-4 if name == "ece_debiased" else 1e-9
            assert found["value"] == pytest.approx(estimate["value"], abs=close), name
            assert found["n"] == estimate["n"], name
            wide = estimate["high"] - estimate["low"]
            assert found["high"] - found["low"] == pytest.approx(wide, rel=0.06), name
    verdicts = [[c["verdict"] for c in o["comparisons"]] for o in (plain, weighted)]
    assert verdicts[0] == verdicts[1]


def test_unequal_weights_cost_precision_as_kish_says():
    frame = cohort(4000)
    plain, weighted = audited(frame), audited(frame, weight="w")
    worth = frame["w"].sum() ** 2 / (frame["w"] ** 2).sum()
    widths = [
        o["overall"]["metrics"]["prevalence"]["high"] - o["overall"]["metrics"]["prevalence"]["low"]
        for o in (plain, weighted)
    ]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(4000 / worth), rel=0.05)


def test_weights_that_only_scale_change_nothing():
    frame = cohort()
    one, other = (audited(f, weight="w") for f in (frame, frame.assign(w=frame["w"] * 1e6)))
    values = [[e["value"] for e in o["overall"]["metrics"].values()] for o in (one, other)]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["w"].where(f.index != 7, -1), "negative or infinite, first in row 7"),
        (lambda f: f["w"].where(f.index != 7, np.inf), "negative or infinite"),
        (lambda f: f["w"] * 0, "sum to 0"),
        (lambda f: f["w"] * np.nan, "sum to 0"),
        (lambda f: f["sex"], "no number"),
    ],
)
def test_weights_that_cannot_be_are_one_sentence(change, words):
    with pytest.raises(AuditError, match=words):
        audited(cohort(100).assign(w=change), weight="w")


def test_missing_and_zero_weights_leave_a_row_out_and_say_so():
    frame = cohort(200)
    frame.loc[:4, "w"] = np.nan
    frame.loc[5:9, "w"] = 0
    result = audit_predictions(
        frame, label="y", score="p", groups=["sex"], weight="w", threshold=0.4
    ).to_dict()
    assert len(result["skipped"]) == 5
    assert "weight 'w' is missing" in result["skipped"][0]["reason"]
    assert result["outputs"][0]["overall"]["n"] == 190
    assert any("weight 0" in finding["message"] for finding in result["findings"])


def test_hard_groups_are_null_with_a_reason():
    frame = cohort(300)
    frame["group"] = np.select(
        [frame.index < 1, frame.index < 20, frame.index < 40], ["one", "sick", "same"], "rest"
    )
    frame.loc[frame["group"] == "sick", "y"] = 1
    frame.loc[frame["group"] == "same", "p"] = 0.5
    output = audited(frame, weight="w", groups=["group"])
    json.dumps(output, allow_nan=False)
    groups = {g["attributes"]["group"]: g["metrics"] for g in output["groups"]}
    assert groups["sick"]["auroc"]["value"] is None
    assert groups["sick"]["auroc"]["reason"] == "no negatives"
    assert groups["same"]["calibration_slope"]["value"] is None
    for metrics in groups.values():
        for name, estimate in metrics.items():
            assert estimate["value"] is not None or estimate["reason"], name
            if estimate["low"] is not None:
                assert estimate["low"] < estimate["high"], name
            elif estimate["value"] is not None:
                assert "no interval" in estimate["reason"], name


def of_task(task, n=240):
    """Return a table of a task and how it is audited; whole weights stand for that many rows."""
    rng = np.random.default_rng(11)
    lean = rng.normal(size=n)
    frame = pd.DataFrame({"pid": np.arange(n), "g": rng.choice(["a", "b"], n)})
    frame["w"] = rng.integers(1, 4, n).astype(float)
    asked = {"task": task, "groups": ["g"], "patient": "pid"}
    if task == "survival":
        event, left = rng.exponential(8 * np.exp(-lean)), rng.exponential(12, n)
        frame["time"], frame["event"] = np.ceil(np.minimum(event, left)), (event <= left) * 1
        frame["s"] = 1 - np.exp(-6 / (8 * np.exp(-lean - 0.3 * rng.normal(size=n))))
        return frame, asked | {"time": "time", "event": "event", "score": "s", "horizon": 6.0}
    if task == "segmentation":
        frame["overlap"] = rng.beta(8, 2, n)
        frame.loc[::17, "overlap"] = np.nan
        return frame, asked | {"measures": {"dice": "overlap"}}
    frame["y"] = np.rint(2 + lean) if task == "ordinal" else 50 + 9 * lean
    frame["s"] = frame["y"] + np.rint(rng.normal(size=n))
    return frame, asked | {"label": "y", "score": "s", "space": "value"}


@pytest.mark.parametrize("task", ["regression", "ordinal", "survival", "segmentation"])
def test_a_whole_weight_is_that_many_rows_of_one_patient(task):
    frame, asked = of_task(task)
    again = frame.loc[np.repeat(frame.index, frame["w"].astype(int))].reset_index(drop=True)
    weighted = audit_predictions(frame, weight="w", **asked).to_dict()["outputs"][0]
    repeated = audit_predictions(again, **asked).to_dict()["outputs"][0]
    pairs = [(weighted["overall"], repeated["overall"])]
    pairs += list(zip(weighted["groups"], repeated["groups"], strict=True))
    for one, other in pairs:
        for metric, found in one["metrics"].items():
            wanted = other["metrics"][metric]
            assert found["value"] == pytest.approx(wanted["value"], abs=1e-12)
            width = wanted["high"] - wanted["low"]
            assert found["high"] - found["low"] == pytest.approx(width, rel=0.05)
    for one, other in zip(weighted["comparisons"], repeated["comparisons"], strict=True):
        assert one["difference"]["value"] == pytest.approx(other["difference"]["value"], abs=1e-12)
        assert one["p"] == pytest.approx(other["p"], abs=0.02)
    if task == "regression":
        limits = (o["residuals"]["overall"]["limits_of_agreement"] for o in (weighted, repeated))
        first, second = ([e["value"] for e in found.values()] for found in limits)
        assert first == pytest.approx(second, rel=5e-3)


def test_a_detection_has_no_weighted_meaning():
    marks = pd.DataFrame({"image": [1, 1, 2], "y": [1, 0, 1], "s": [0.9, 0.2, 0.7], "w": 1.0})
    with pytest.raises(AuditError, match="per image that was read, which has no weighted meaning"):
        audit_predictions(marks, task="detection", label="y", score="s", image="image", weight="w")
