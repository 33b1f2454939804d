"""A table read in portions gives the evidence of the table read at once."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audits.cohorts import streamed as cohort
from audits.cohorts.groups import Attribute
from audits.errors import PackageError
from audits.fairness import ScoredOutput, ThresholdExplorer, spill
from audits.fairness import counts as counting
from audits.fairness.explore_counts import explorer_of_counts
from audits.running import run_predictions_audit
from audits.storage import open_run, verify_run

OPTIONS = {
    "labels": ["died", "sepsis"],
    "scores": ["risk", "risk2"],
    "groups": ["sex", "age:40,65", "site"],
    "intersections": [["sex", "age"], ["site", "sex"]],
}


def table(n=4000, *, shared=True, rounded=True, seed=5):
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, n // 3, n)
    of = patient if not shared else np.arange(n)
    risk = rng.beta(1.3, 3.0, n)
    out = pd.DataFrame(
        {
            "died": (rng.random(n) < risk).astype(float),
            "sepsis": np.where(rng.random(n) < 0.3, "yes", "no"),
            "risk": np.round(risk, 3) if rounded else risk,
            "risk2": np.round(rng.random(n), 2),
            "pid": [f"p{code}" for code in patient],
            "sex": np.where(of % 2, "F", "M"),
            "age": 18.0 + (of * 7) % 70,
            "site": pd.array(np.where(of % 11 == 0, None, of % 3), dtype="Int64"),
        }
    )
    out.loc[out.index[::97], "died"] = np.nan
    out.loc[out.index[::89], "risk"] = np.nan
    out.loc[out.index[::301], "pid"] = None
    return out


@pytest.fixture
def small_portions(monkeypatch):
    monkeypatch.setattr(cohort, "PORTION", 300)
    monkeypatch.setattr(spill, "ROWS_PER_BUCKET", 500)


def statistics(evidence):
    """Return what is measured; what rests on sampled patients is looked at on its own."""
    apart = {"causes", "slices", "mitigation", "reliability", "observed_risk"}
    return [{k: v for k, v in item.items() if k not in apart} for item in evidence["outputs"]]


def audited(tmp_path, frame, *, above, **more):
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=700)
    given = {**OPTIONS, "patient": "pid", "positive": [1, "yes"], "thresholds": [0.3, 0.5], **more}
    out = tmp_path / f"run{above}"
    run = run_predictions_audit(path, out, store=tmp_path / "store", stream_above=above, **given)
    return run, run.evidence


def differences(first, second, path="", *, tolerance=1e-7):
    if isinstance(first, dict):
        assert set(first) == set(second), (path, set(first) ^ set(second))
        return [d for k in first for d in differences(first[k], second[k], f"{path}/{k}")]
    if isinstance(first, list):
        assert len(first) == len(second), path
        return [
            d
            for i, (a, b) in enumerate(zip(first, second, strict=True))
            for d in differences(a, b, f"{path}[{i}]")
        ]
    if isinstance(first, float) and isinstance(second, (int, float)):
        close = math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)
        return [] if close else [(path, first, second)]
    return [] if first == second else [(path, first, second)]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("reference", [None, "M"])
def test_portions_give_the_same_evidence(tmp_path, small_portions, shared, reference):
    policy = {"audit": {"reference": {"sex": reference}}} if reference else None
    frame = table(shared=shared)
    _, whole = audited(tmp_path, frame, above=10**9, policy=policy, why=False)
    run, parts = audited(tmp_path, frame, above=0, policy=policy, why=False)
    assert differences(statistics(whole), statistics(parts)) == []
    for name in ("study", "policy", "skipped", "requirements"):
        assert whole[name] == parts[name]
    for name in ("repeated_patients", "prevalence", "missing"):
        assert whole["data_quality"][name] == parts["data_quality"][name]
    assert any("read in portions" in item["message"] for item in parts["findings"])
    assert verify_run(run.path).intact


def test_rows_without_patients_are_their_own(tmp_path, small_portions):
    frame = table().drop(columns="pid")
    _, whole = audited(tmp_path, frame, above=10**9, patient=None, why=False)
    _, parts = audited(tmp_path, frame, above=0, patient=None)
    assert differences(statistics(whole), statistics(parts)) == []


def test_bins_state_what_they_cost(tmp_path, small_portions, monkeypatch):
    frame = table(rounded=False)
    _, whole = audited(tmp_path, frame, above=10**9, why=False)
    monkeypatch.setattr(counting, "BINS", 512)
    monkeypatch.setattr("audits.running.gathered.MOST_ENTRIES", 100)
    monkeypatch.setattr("audits.fairness.streaming.BINS", 512)
    run, parts = audited(tmp_path, frame, above=0)
    said = next(f["message"] for f in parts["outputs"][0]["findings"] if "512 bins" in f["message"])
    bound = float(said.split("AUROC by at most ")[1].split(";")[0])
    exact, binned = (e["outputs"][0]["overall"]["metrics"] for e in (whole, parts))
    assert 0 < abs(exact["auroc"]["value"] - binned["auroc"]["value"]) <= bound < 0.01
    for name in ("tpr", "fpr", "brier", "oe_ratio", "net_benefit"):
        assert binned[name]["value"] == pytest.approx(exact[name]["value"], rel=1e-12)
    assert binned["calibration_slope"]["value"] == pytest.approx(
        exact["calibration_slope"]["value"], rel=1e-2
    )
    with np.load(run.path / "internal" / "counts" / "died.npz", allow_pickle=False) as kept:
        assert int(kept["pos"].sum() + kept["neg"].sum()) == exact["prevalence"]["n"]


def test_what_needs_all_rows_is_read_at_once(tmp_path):
    _, evidence = audited(tmp_path, table(600), above=0, why=True)
    assert "causes" in json.dumps(evidence)
    assert not any("read in portions" in item["message"] for item in evidence["findings"])


def test_a_score_outside_is_refused_with_its_row(tmp_path, small_portions):
    frame = table(900)
    frame.loc[650, "risk"] = 1.5
    with pytest.raises(PackageError, match=r"rows from 600.*outside \[0, 1\], first in row 50"):
        audited(tmp_path, frame, above=0)
    assert not (tmp_path / "run0").exists()


def test_a_run_in_portions_opens(tmp_path, small_portions):
    run, _ = audited(tmp_path, table(600), above=0)
    opened = open_run(run.path)
    assert len(opened.cases) == 0
    assert len(opened.predictions("scores")) == 0


def test_what_needs_rows_rests_on_sampled_patients(tmp_path, small_portions, monkeypatch):
    monkeypatch.setattr("audits.running.patient_sample.SAMPLED_ROWS", 3000)
    frame = table(shared=False).assign(sepsis=lambda rows: rows["died"])
    run, parts = audited(
        tmp_path, frame, above=0, labels=["died"], scores=["risk"], positive=1, thresholds=[0.3]
    )
    output = parts["outputs"][0]
    for name in ("causes", "slices", "mitigation"):
        assert output[name]["state"] == "computed"
    basis = output["causes"]["sample"]
    assert output["reliability"]["sample"] == output["mitigation"]["sample"] == basis
    assert 0.6 < basis["cases"] / basis["of_cases"] < 0.9
    assert basis["of_cases"] == len(frame)
    assert f"{basis['patients']:,} of {basis['of_patients']:,} patients" in output["causes"]["note"]
    gaps = [g for g in output["causes"]["standardised_gaps"]["gaps"] if g["metric"] == "auroc"]
    counted = {g["group"]["sex"]: g["n"] for g in gaps if g["attribute"] == "sex"}
    usable = frame.dropna(subset=["died", "risk"])["sex"].value_counts()
    assert counted
    for sex, n in counted.items():
        assert 0.6 < n / usable[sex] < 0.9  # of the sample, not of all rows
    with np.load(run.path / "internal" / "counts" / "died.npz", allow_pickle=False) as kept:
        rows = pd.Series(kept["sample_patient"]).value_counts()
        assert len(kept["sample_label"]) == basis["cases"]
        explorer = explorer_of_counts(kept, [("sex", "age")])
    whole = frame["pid"].dropna().value_counts()
    known = sorted(rows[rows > 1])
    assert set(known) <= set(whole)  # whole patients, never a part of one
    for threshold in (0.3, 0.117):
        there = explorer.at(threshold)
        exact = ThresholdExplorer(everything(frame)).at(threshold)
        for found, wanted in zip(
            (there.overall, *there.groups[:5]), (exact.overall, *exact.groups[:5]), strict=True
        ):
            assert found.attributes == wanted.attributes
            for metric in ("tpr", "fpr", "ppv", "accuracy", "net_benefit"):
                a, b = found.metrics[metric], wanted.metrics[metric]
                assert (a.value, a.n) == pytest.approx((b.value, b.n), abs=1e-12)
                assert a.high - a.low == pytest.approx(b.high - b.low, rel=0.2)


def everything(frame):
    """Return the rows of the table as they are audited in memory."""
    pid = frame["pid"].where(frame["pid"].notna(), [f"row{i}" for i in range(len(frame))])
    age = np.digitize(frame["age"], [40, 65])
    return ScoredOutput(
        name="died",
        y=frame["died"].fillna(-1).to_numpy(),
        score=frame["risk"].to_numpy(),
        patients=pid.astype("category").cat.codes.to_numpy(dtype=np.int64),
        attributes=(
            attribute("sex", ("F", "M"), frame["sex"].eq("M").to_numpy()),
            attribute("age", ("<40", "40-<65", ">=65"), age),
        ),
    )


def attribute(name, levels, codes):
    """Return an attribute with the given codes."""
    codes = np.asarray(codes, dtype=np.int32)
    return Attribute(name=name, column=name, kind="demographic", levels=levels, codes=codes)
