"""Classes of one label: the confusion matrix, for everybody and by group."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_score, recall_score

from audits import audit_predictions
from audits.errors import AuditError

CLASSES = ["a", "b", "c"]


def cohort(n=600, seed=0, *, other=False):
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 4 if other else 3, n)
    scores = rng.normal(size=(n, 4))
    scores[np.arange(n), code] += 1.2
    scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    frame = pd.DataFrame(scores[:, :3], columns=["pa", "pb", "pc"])
    return frame.assign(
        dx=np.array([*CLASSES, "other"])[code],
        sex=rng.choice(["F", "M"], n),
        pid=rng.integers(0, n // 2, n),
    )


def audited(frame, **more):
    asked = {"label": ["dx"] * 3, "score": ["pa", "pb", "pc"], "positive": CLASSES}
    asked |= {"task": "multiclass", "groups": ["sex"]}
    found = audit_predictions(frame, **(asked | more)).to_dict()
    json.dumps(found, allow_nan=False)
    return found["outputs"]


def test_the_matrix_is_that_of_scikit_learn():
    frame = cohort()
    outputs = audited(frame, patient="pid")
    assert [o["name"] for o in outputs] == ["dx=a", "dx=b", "dx=c"]
    assert {o["label"]["column"] for o in outputs} == {"dx"}
    assert "confusion" not in outputs[1]
    section = outputs[0]["confusion"]
    for group in (section["overall"], *section["groups"]):
        rows = frame
        if group["attributes"]:
            rows = frame[frame["sex"] == group["attributes"]["sex"]]
        called = np.array(CLASSES)[rows[["pa", "pb", "pc"]].to_numpy().argmax(axis=1)]
        assert group["matrix"] == confusion_matrix(rows["dx"], called, labels=CLASSES).tolist()
        wanted = balanced_accuracy_score(rows["dx"], called)
        assert group["balanced_accuracy"]["value"] == pytest.approx(wanted)
        for name, function in (("recall", recall_score), ("precision", precision_score)):
            values = function(rows["dx"], called, labels=CLASSES, average=None)
            assert [e["value"] for e in group[name]] == pytest.approx(list(values))
        assert group["accuracy"]["low"] < group["accuracy"]["value"] < group["accuracy"]["high"]


def test_cases_of_a_class_without_a_score_stand_apart():
    frame = cohort(other=True)
    section = audited(frame)[0]["confusion"]["overall"]
    assert section["rows"][-1] == "none of these"
    assert sum(section["matrix"][-1]) == (frame["dx"] == "other").sum()
    assert section["accuracy"]["n"] == (frame["dx"] != "other").sum()


def test_a_class_that_a_group_lacks_has_no_recall():
    frame = cohort()
    frame = frame[(frame["sex"] == "M") | (frame["dx"] != "c")]
    groups = audited(frame)[0]["confusion"]["groups"]
    women = next(g for g in groups if g["attributes"] == {"sex": "F"})
    assert women["recall"][2]["value"] is None
    assert women["balanced_accuracy"]["reason"] == "no case is c"


def test_two_values_of_a_binary_label_are_still_refused():
    with pytest.raises(AuditError, match="two positive values"):
        audited(
            cohort(other=False).assign(dx=lambda f: (f["dx"] == "a") * 1),
            positive=[1, 0, 1],
            task="binary",
        )
