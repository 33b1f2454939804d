"""What a person hands over by mistake: one sentence each, with what was found and what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.errors import AuditError, PolicyError, StudyError
from audits.policy import load_policy


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    score = np.round(rng.random(60), 3)
    return pd.DataFrame({"y": y, "s": score, "sex": rng.choice(["F", "M"], 60)})


@pytest.mark.parametrize(
    ("write", "name", "said"),
    [
        (lambda t, p: p.write_bytes(b""), "a.csv", ["the file is empty"]),
        (lambda t, p: t.to_csv(p, encoding="utf-16"), "a.csv", ["UTF-16", "save it as CSV"]),
        (
            lambda t, p: t.assign(sex="Ä").to_csv(p, encoding="latin-1"),
            "a.csv",
            ["not encoded as UTF-8", "save it as CSV"],
        ),
        (lambda t, p: t.to_parquet(p), "a.csv", ["Parquet table under another name"]),
        (
            lambda t, p: p.write_bytes(b"PK\x03\x04\xff\xfe"),
            "a.csv",
            ["workbook", "save the sheet"],
        ),
        (lambda t, p: p.write_bytes(b"PK\x03\x04"), "a.xlsx", [".xlsx", "save the sheet as one"]),
        (
            lambda t, p: t.to_csv(p, sep=";", decimal=","),
            "a.csv",
            ["not to be separated by commas", "points in decimals"],
        ),
        (
            lambda t, p: t.assign(s=t.s.map("{:.3f}".format).str.replace(".", ",")).to_csv(p),
            "a.csv",
            ["60 cells that are no number", "decimal comma instead of a point"],
        ),
        (
            lambda t, p: t.assign(s=["low", *map(str, t.s[1:])]).to_csv(p),
            "a.csv",
            ["1 cell that is no number", "correct it"],
        ),
    ],
)
def test_a_file_of_another_kind_is_named_for_what_it_is(table, tmp_path, write, name, said):
    path = tmp_path / name
    write(table, path)
    with pytest.raises(StudyError) as error:
        audit_predictions(path, label="y", score="s", groups=["sex"], threshold=0.5)
    for part in said:
        assert part in str(error.value)


def test_a_label_that_is_also_the_score_is_refused(table):
    with pytest.raises(StudyError, match="both as label and as score"):
        audit_predictions(table, label="y", score="y", groups=["sex"], threshold=0.5)


@pytest.mark.parametrize(
    "asked", [{"threshold": 1.4}, {"threshold": None, "policy": {"thresholds": {"y": -0.2}}}]
)
def test_a_threshold_that_no_risk_reaches_is_refused(table, asked):
    with pytest.raises(AuditError, match="between 0 and 1"):
        audit_predictions(table, label="y", score="s", groups=["sex"], **asked)


def test_a_threshold_of_values_may_lie_anywhere(table):
    found = audit_predictions(
        table, label="y", score="s", groups=["sex"], threshold=1.4, space="value"
    ).to_dict()
    assert found["outputs"][0]["threshold"]["value"] == 1.4


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"audit": {"alfa": 0.05}}, "audit.alfa is no setting of a policy (did you mean 'alpha'?)"),
        ({"supression": {}}, "supression is no setting of a policy (did you mean 'suppression'?)"),
        ({"audit": {"alpha": "5%"}}, "audit.alpha: must be a number, found '5%'"),
    ],
)
def test_a_typo_in_a_policy_is_met_with_the_name_that_was_meant(policy, said):
    with pytest.raises(PolicyError) as error:
        load_policy(policy)
    assert said in str(error.value)
