"""Errors of numbers in full, and metrics that a caller brings."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from audits import audit_predictions
from audits.errors import AuditError, PolicyError


def lengths(n=800, seed=2, repeats=1):
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n // repeats), repeats)
    truth = rng.gamma(3, 2, n)
    error = rng.normal(0.3, 1.5, n // repeats)[patient]
    return pd.DataFrame(
        {"pid": patient, "g": np.where(patient % 2, "a", "b"), "y": truth, "s": truth + error}
    )


def residuals(frame, **more):
    found = audit_predictions(
        frame, label="y", score="s", task="regression", space="value", groups=["g"], **more
    ).to_dict()
    json.dumps(found, allow_nan=False)
    return found["outputs"][0]["residuals"]


def test_limits_of_agreement_and_quantiles():
    frame = lengths()
    section = residuals(frame)
    for group in section["groups"]:
        error = (frame["s"] - frame["y"])[frame["g"] == group["attributes"]["g"]]
        limits = group["limits_of_agreement"]
        for name, sign in (("lower", -1), ("upper", 1)):
            wanted = error.mean() + sign * 1.96 * error.std()
            assert limits[name]["value"] == pytest.approx(wanted)
            # Bland and Altman (1986): se of a limit is about sd * sqrt(3/n).
            half = (limits[name]["high"] - limits[name]["low"]) / 2 / 1.96
            assert half == pytest.approx(error.std() * np.sqrt(3 / len(error)), rel=0.15)
        for entry in group["quantiles"]:
            assert entry["value"] == pytest.approx(np.quantile(error, entry["share"]))
            assert entry["low"] < entry["value"] < entry["high"]


def test_repeated_patients_widen_quantiles_and_limits():
    once, again = (residuals(lengths(n, repeats=r), patient="pid") for n, r in ((200, 1), (800, 4)))
    for name in ("lower", "upper"):
        widths = [
            s["overall"]["limits_of_agreement"][name]["high"]
            - s["overall"]["limits_of_agreement"][name]["low"]
            for s in (once, again)
        ]
        assert widths[1] == pytest.approx(widths[0], rel=0.35)
    assert again["overall"]["quantiles"][2]["deff"] == pytest.approx(4, rel=0.05)


def test_too_few_cases_have_no_far_quantile():
    section = residuals(lengths(8))
    far = section["overall"]["quantiles"][0]
    assert far["low"] is None
    assert "no interval" in far["reason"]


def cohort(n=400, seed=1):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    return pd.DataFrame(
        {
            "pid": rng.integers(0, n // 2, n),
            "sex": rng.choice(["F", "M"], n),
            "y": y,
            "s": np.clip(0.3 * y + rng.random(n) * 0.7, 0, 1),
        }
    )


def custom(frame, metrics=None, **more):
    found = audit_predictions(
        frame,
        label="y",
        score="s",
        groups=["sex"],
        threshold=0.5,
        custom_metrics=metrics,
        **more,
    ).to_dict()
    json.dumps(found, allow_nan=False)
    return found["outputs"][0]["custom"]


def test_callables_are_those_of_metric_frame_with_a_patient_bootstrap():
    frame = cohort()
    section = custom(
        frame,
        {"balanced": balanced_accuracy_score, "ranking": (roc_auc_score, "score")},
        patient="pid",
    )
    wanted = {
        "balanced": (balanced_accuracy_score, (frame["s"] >= 0.5).astype(int)),
        "ranking": (roc_auc_score, frame["s"]),
    }
    for metric in section["metrics"]:
        function, given = wanted[metric["name"]]
        table = MetricFrame(
            metrics=function, y_true=frame["y"], y_pred=given, sensitive_features=frame["sex"]
        )
        assert metric["overall"]["value"] == pytest.approx(table.overall)
        for group in metric["groups"]:
            estimate = group["estimate"]
            assert estimate["value"] == pytest.approx(table.by_group[group["attributes"]["sex"]])
            assert estimate["low"] < estimate["value"] < estimate["high"]
            assert estimate["method"].startswith("patient bootstrap")


def test_the_same_seed_gives_the_same_interval():
    one, other = (custom(cohort(), {"f1": f1_score}, seed=5) for _ in range(2))
    assert one == other


def test_a_handful_of_patients_gets_no_bootstrap():
    frame = cohort(60).assign(pid=np.arange(60) % 9)
    estimate = custom(frame, {"f1": f1_score}, patient="pid")["metrics"][0]["overall"]
    assert (estimate["low"], estimate["high"]) == (None, None)
    assert estimate["reason"] == "no interval: 9 patients, 10 needed"


def test_a_metric_that_fails_is_null_with_the_kind_of_failure():
    frame = cohort()
    frame.loc[frame["sex"] == "F", "y"] = 1

    def broken(y_true, y_pred):
        raise RuntimeError("patient 17 is odd")

    section = custom(frame, {"ranking": (roc_auc_score, "score"), "broken": broken})
    by_name = {m["name"]: m for m in section["metrics"]}
    women = next(g for g in by_name["ranking"]["groups"] if g["attributes"] == {"sex": "F"})
    assert women["estimate"]["value"] is None
    assert "undefined in this group" in women["estimate"]["reason"]
    assert by_name["broken"]["overall"]["reason"] == "undefined in this group (RuntimeError)"


def test_a_policy_may_name_metrics_of_scikit_learn_and_nothing_else():
    named = custom(cohort(), policy={"audit": {"custom_metrics": ["matthews_corrcoef"]}})
    assert named["metrics"][0]["name"] == "matthews_corrcoef"
    with pytest.raises(PolicyError, match="not on the list"):
        custom(cohort(), policy={"audit": {"custom_metrics": ["os.system"]}})


@pytest.mark.parametrize("given", [{"f": 3}, {"f": (f1_score, "logit")}])
def test_what_cannot_be_called_is_refused(given):
    with pytest.raises(AuditError, match="expected a callable"):
        custom(cohort(), given)
