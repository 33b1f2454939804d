"""The parts of a run that no statistic covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audits
from audits import audit_predictions
from audits.cancel import CancelledRun
from audits.cohorts import Attribute, LabelColumn
from audits.errors import AuditError, StudyError
from audits.policy import load_policy
from audits.running import run_predictions_audit
from audits.running.quality import (
    implausible_values,
    missing_values,
    prevalence_by_month,
    shared_patients,
)
from audits.running.requirements import requirements_of
from audits.running.selection import Judged, choose_cases
from audits.running.thresholds import paired_thresholds, threshold_of
from audits.storage import canonical_json, open_run
from model_adapters import Feature, ModelCard


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    score = rng.random(300)
    return pd.DataFrame(
        {
            "y": (rng.random(300) < score).astype(int),
            "s": score,
            "sex": rng.choice(["F", "M"], 300),
            "age": rng.integers(20, 80, 300),
            "pid": rng.integers(0, 150, 300),
        }
    )


def test_the_public_names_load_on_use():
    assert set(audits.__all__) <= set(dir(audits))
    assert callable(audits.explain_case)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        audits.nothing  # noqa: B018 - the access is the test


def test_the_function_is_the_command(table, tmp_path):
    path = tmp_path / "t.parquet"
    table.to_parquet(path)
    asked = {"groups": ["sex", "age:40,60"], "intersections": [["sex", "age"]], "patient": "pid"}
    result = audit_predictions(
        path, label="y", score="s", threshold=0.5, why=None, **asked
    ).to_dict()
    run = run_predictions_audit(
        path,
        tmp_path / "run",
        labels="y",
        scores="s",
        thresholds=[0.5],
        store=tmp_path / "store",
        **asked,
    )
    assert canonical_json(run.evidence["outputs"]) == canonical_json(result["outputs"])
    assert run.evidence["data_quality"] == result["data_quality"]
    assert run.evidence["study"]["patients"] == table["pid"].nunique()


def test_a_policy_may_be_data(table):
    policy = {"audit": {"groups": ["sex"]}, "margin": {"tpr": 0.2}, "thresholds": {"y": 0.3}}
    evidence = audit_predictions(table, label="y", score="s", policy=policy).to_dict()
    (output,) = evidence["outputs"]
    assert output["threshold"]["source"] == "policy"
    assert output["threshold"]["value"] == 0.3
    assert {g["attributes"].get("sex") for g in output["groups"]} == {"F", "M"}


def test_groups_the_policy_does_not_name_are_exploratory(table):
    policy = {"audit": {"groups": ["sex"]}}
    evidence = audit_predictions(
        table, label="y", score="s", groups=["age:40"], threshold=0.5, policy=policy
    ).to_dict()
    for one in evidence["outputs"][0]["comparisons"]:
        assert one["declared"] == (one["attribute"] == "sex" and one["verdict"] is not None)


def test_an_intersection_the_policy_does_not_declare_is_named(table):
    policy = {"audit": {"groups": ["sex"], "intersections": []}}
    asked = {"groups": ["sex", "age:40"], "intersections": [["sex", "age"]]}
    evidence = audit_predictions(table, label="y", score="s", policy=policy, **asked).to_dict()
    assert any(f["where"] == "intersection sex×age" for f in evidence["findings"])


def test_a_misspelt_name_in_the_policy_is_a_finding(table):
    policy = {
        "audit": {"groups": ["sex"], "reference": {"sexx": "F", "sex": "rest"}},
        "thresholds": {"diedd": 0.4},
        "causes": {"population": {"race": {"a": 1.0}}, "second_label": {"cost": "score"}},
    }
    found = audit_predictions(
        table, label="y", score="s", groups=["sex"], threshold=0.5, policy=policy
    ).to_dict()["findings"]
    assert [f["where"].split(": ")[1] for f in found if "no effect" in f["message"]] == [
        "thresholds.diedd",
        "audit.reference.sexx",
        "causes.population.race",
        "causes.second_label.cost",
    ]


def test_a_threshold_comes_from_command_policy_or_model():
    assert threshold_of("y", command=0.1, policy={"y": 0.2}, model=0.3).source == "command"
    assert threshold_of("y", command=None, policy={"y": 0.2}, model=0.3).source == "policy"
    assert threshold_of("y", command=None, policy={}, model=0.3).value == 0.3
    assert threshold_of("y", command=None, policy={}).value is None


def test_thresholds_pair_in_order():
    assert paired_thresholds([], ["a", "b"]) == [None, None]
    assert paired_thresholds([0.1], ["a", "b"]) == [0.1, 0.1]
    assert paired_thresholds([0.1, 0.2], ["a", "b"]) == [0.1, 0.2]
    with pytest.raises(AuditError, match="found 2 for 3"):
        paired_thresholds([0.1, 0.2], ["a", "b", "c"])
    with pytest.raises(AuditError, match="finite number, found nan"):
        paired_thresholds([float("nan")], ["a"])


def test_a_cancelled_run_leaves_nothing(table, tmp_path):
    path = tmp_path / "t.parquet"
    table.to_parquet(path)
    with pytest.raises(CancelledRun):
        run_predictions_audit(
            path,
            tmp_path / "run",
            labels="y",
            scores="s",
            store=tmp_path / "store",
            cancel=lambda: True,
        )
    assert not (tmp_path / "run").exists()


def test_a_failing_disk_leaves_nothing(table, tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    table.to_parquet(path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("audits.storage.writer.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        run_predictions_audit(
            path, tmp_path / "run", labels="y", scores="s", store=tmp_path / "store"
        )
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob(".run.*"))


def attribute(codes, levels):
    return Attribute(
        name="g",
        column="g",
        kind="demographic",
        levels=levels,
        codes=np.asarray(codes, dtype=np.int32),
    )


def test_errors_doubts_finds_and_every_group_are_explained():
    rng = np.random.default_rng(0)
    y = (rng.random(1000) < 0.1).astype(np.int8)
    score = np.clip(0.3 * y + 0.6 * rng.random(1000), 0, 1)
    rare = np.zeros(1000, dtype=int)
    rare[500:503] = 1
    usable = np.ones(1000, dtype=bool)
    usable[:100] = False
    judged = [Judged(y=y, score=score, threshold=0.5)]
    groups = [attribute(rare, ("common", "rare"))]
    rows = choose_cases(usable, judged, groups, count=30, seed=1)
    assert len(rows) == len(set(rows)) == 30
    assert usable[rows].all()
    assert list(rows) == sorted(rows)
    called = score[rows] >= 0.5
    for wanted in (
        (y[rows] == 1) & ~called,
        (y[rows] == 0) & called,
        (y[rows] == 1) & called,
        np.abs(score[rows] - 0.5) < 0.03,
        rare[rows] == 1,
    ):
        assert wanted.sum() >= 3
    again = choose_cases(usable, judged, groups, count=30, seed=1)
    other = choose_cases(usable, judged, groups, count=30, seed=2)
    assert list(rows) == list(again)
    assert list(rows) != list(other)


@pytest.mark.parametrize(("usable", "count"), [(3, 50), (0, 50), (10, 0)])
def test_no_more_cases_than_there_are(usable, count):
    keep = np.arange(10) < usable
    judged = [Judged(y=np.zeros(10, np.int8), score=np.zeros(10), threshold=None)]
    rows = choose_cases(keep, judged, [], count=count, seed=0)
    assert len(rows) == min(usable, count)


def test_quality_counts_what_is_missing_and_far_off():
    frame = pd.DataFrame({"lactate": [1.0, 2.0, None, 900.0], "sex": ["F", None, "M", "F"]})
    assert missing_values(frame, ["lactate", "sex"])[0] == {
        "variable": "lactate",
        "n": 4,
        "missing": 1,
        "share": 0.25,
    }
    lactate = Feature(name="lactate", label="Lactate", unit="mmol/L", normal=(0.5, 2.0))
    (found,) = implausible_values(frame, [lactate])
    assert (found["k"], found["n"]) == (1, 3)


def dated(values):
    labels = {
        "died": LabelColumn(
            name="died",
            column="died",
            positive=1,
            task="binary",
            values=np.array([1, 0, 1, -1, 1], dtype=np.int8),
        )
    }
    return prevalence_by_month(pd.Series(values, name="seen"), labels)


@pytest.mark.parametrize(
    "values",
    [
        ["2023-04-30", "2023-04-01", "2023-05-31T23:59:59", "2023-04-02", None],
        pd.to_datetime(["2023-04-30", "2023-04-01", "2023-05-31", "2023-04-02", None]),
    ],
    ids=["texts", "dates"],
)
def test_prevalence_is_counted_by_calendar_month(values):
    found = dated(values)
    assert found["undated"] == {"count": 1}
    assert [(m["month"], m["k"], m["n"]) for m in found["months"]] == [
        ("2023-04", 1, 2),
        ("2023-05", 1, 1),
    ]


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], ["a", "b", "c", "d", "e"], [None] * 5])
def test_a_time_that_is_no_date_says_so(values):
    found = dated(values)
    assert found["state"] == "not_available"
    assert "'seen' holds no date" in found["reason"]
    assert prevalence_by_month(None, {})["reason"] == "No time column is declared."


def test_patients_in_two_splits_are_counted():
    table = pd.DataFrame({"pid": ["a", "a", "b", "c"], "split": ["train", "test", "test", "val"]})
    found = {tuple(e["splits"]): e["patients"] for e in shared_patients(table, "pid", "split")}
    assert found == {("test", "train"): 1, ("test", "val"): 0, ("train", "val"): 0}
    assert shared_patients(table, None, "split") == []


def test_what_is_owed_has_a_state():
    policy = load_policy({"audit": {"required_groups": ["sex", "race"]}, "margin": {"tpr": 0.2}})
    card = ModelCard(
        id="m",
        version="1",
        weights_sha256="",
        manifest_sha256="",
        format="xgboost",
        declared={"intended_use": "Triage", "known_limits": "Adults only", "colour": "blue"},
    )
    states = {r.id: r.state for r in requirements_of(policy, ["sex"], [card])}
    assert states["group.sex"] == "computed"
    assert states["group.race"] == "not_available"
    assert states["reason.margin.tpr"] == "not_available"
    assert states["reason.margin.fpr"] == "declared"
    assert states["card.m@1.intended_use"] == "declared"
    assert states["card.m@1.training_data"] == "not_available"
    assert states["card.m@1.limitations"] == "declared"
    assert states["card.m@1.colour"] == "declared"
    assert "card.m@1.known_limits" not in states


def test_an_unreadable_table_with_a_policy_is_one_sentence(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(StudyError, match=r"t\.parquet"):
        audit_predictions(path, label="y", score="s", policy={"audit": {"groups": ["sex"]}})


def test_a_run_is_found_again_by_its_folder(table, tmp_path):
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    out = Path(tmp_path / "deep" / "run")
    run_predictions_audit(path, out, labels="y", scores="s", store=tmp_path / "store")
    assert open_run(out).info["predictions"] == str(path)
