"""The study of sequences, notes and radiographs is what its ``truth.json`` says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.cohorts import open_study
from audits.explanations.case import explain_adapter_case
from audits.explanations.counterfactual import search_counterfactuals
from audits.explanations.parts.sentences import sections_of
from audits.explanations.request import open_request
from model_adapters import load_adapter, probabilities, read_manifest
from model_adapters.conformance import check_model_folder
from sample_data.generate.icu_multimodal.__main__ import generate_cohort
from sample_data.generate.icu_multimodal.design import LEAK, SPARSE_LANGUAGE
from sample_data.generate.icu_multimodal.folders import write_variables

FOLDER = Path(__file__).parents[3] / "sample_data" / "icu_multimodal"
MODELS = ("gru-1.0", "transformer-1.0", "notes-1.0", "fusion-1.0")
REGENERATE = "run python -m sample_data.generate.icu_multimodal"


@pytest.fixture(scope="module")
def study():
    return open_study(FOLDER)


@pytest.fixture(scope="module")
def truth():
    return json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def adapters():
    return {name: load_adapter(FOLDER / "models" / name, device="cpu") for name in MODELS}


def planted(truth, name):
    return next(one for one in truth["planted"] if one["id"] == name)


def test_the_seed_gives_the_shipped_cohort(study, truth):
    stays, vitals = generate_cohort()
    shipped = pd.read_parquet(FOLDER / "cases.parquet")
    pd.testing.assert_frame_equal(stays[list(shipped)], shipped, check_exact=True)
    measured = pd.read_parquet(FOLDER / "vitals.parquet")
    assert len(measured) == len(vitals)
    np.testing.assert_array_equal(measured["value"], vitals["value"])
    digest = hashlib.sha256((FOLDER / "cases.parquet").read_bytes()).hexdigest()
    assert truth["cases_sha256"] == digest, REGENERATE


def test_the_folder_is_small():
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 6e6


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_its_promises(name):
    results = check_model_folder(FOLDER / "models" / name, device="cpu")
    assert all(one.passed for one in results), results


def test_what_is_written_of_the_variables_is_the_generators(study, tmp_path):
    write_variables(tmp_path)
    for name in ("variables.csv", "vitals.csv"):
        assert (FOLDER / name).read_bytes() == (tmp_path / name).read_bytes(), REGENERATE
    tuned_on = study.in_split("tune").sha256
    for name in MODELS:
        assert read_manifest(FOLDER / "models" / name).output.thresholds_chosen_on == tuned_on


def test_a_raised_pressure_would_change_the_call(study, adapters):
    """The planted decline shows in lactate and pressure; pressure is what a treatment aims at."""
    found = search_counterfactuals(open_request(study, adapters["gru-1.0"], "M03510"), seconds=60)
    assert "lactate" not in found.variables
    before, after = found.found[0].changes["map"]
    assert before < after
    assert found.found[0].after.probability < found.target < found.before.probability


def true_positives(study, adapter, count):
    positive = [
        case
        for case, label, language, here in zip(
            study.case_ids,
            study.labels["deterioration"].values,
            study.cases["language"],
            study.available(adapter.inputs),
            strict=True,
        )
        if label == 1 and here and language != SPARSE_LANGUAGE
    ]
    raw, usable, _ = study.raw_batch(adapter.inputs, positive[:60])
    risk = probabilities(adapter.predict(adapter.prepare(raw)), adapter.output)[:, 0]
    order = np.argsort(-risk)[:count]
    return [usable[row] for row in order]


@pytest.mark.parametrize("name", ["gru-1.0", "transformer-1.0"])
def test_explanations_find_the_planted_course(study, truth, adapters, name):
    wanted = planted(truth, "late_trend")
    names = {f"{one}@18-24h" for one in wanted["variables"]}
    assert wanted["window_hours"] == [18.0, 24.0]
    hits, shares = [], []
    for case in true_positives(study, adapters[name], 4):
        found = explain_adapter_case(study, adapters[name], case)
        ranked = sorted(found.players, key=lambda player: -player.effect)
        hits.append(ranked[0].name in names)
        raising = sum(p.effect for p in found.players if p.effect > 0)
        shares.append(sum(p.effect for p in found.players if p.name in names) / raising)
    assert np.mean(hits) >= 0.75
    assert np.mean(shares) >= 0.5


def test_explanations_find_the_leaking_sentence(study, truth, adapters):
    wanted = planted(truth, "care_process_leak")
    assert (wanted["section"], wanted["sentence"]) == ("plan", LEAK)
    assert wanted["share_of_positives"] > 10 * wanted["share_of_negatives"]
    hits = []
    for case in true_positives(study, adapters["notes-1.0"], 8):
        note = study.note(case, "note")
        if LEAK not in note:
            continue
        found = explain_adapter_case(study, adapters["notes-1.0"], case)
        at = note.index(LEAK)
        leaking = next(
            s.name for one in sections_of(note) for s in one.sentences if s.start <= at < s.end
        )
        hits.append(max(found.players, key=lambda player: player.effect).name == leaking)
        assert found.note.deletion.after < found.note.deletion.before - 1
    assert len(hits) >= 5
    assert np.mean(hits) >= 0.9


def test_a_fusion_splits_its_score_between_what_it_reads(study, adapters):
    case = true_positives(study, adapters["fusion-1.0"], 1)[0]
    found = explain_adapter_case(study, adapters["fusion-1.0"], case)
    effects = {one.name: one.effect for one in found.modalities}
    assert set(effects) == {"image", "ehr", "vitals", "note"}
    assert sum(effects.values()) == pytest.approx(found.score.logit - found.base_value, abs=1e-4)
    assert effects["vitals"] > 0.5 or effects["note"] > 0.5


@pytest.mark.parametrize("name", ["gru-1.0", "notes-1.0"])
def test_the_audit_finds_the_planted_gap_and_no_other(study, truth, adapters, name):
    adapter = adapters[name]
    raw, usable, _ = study.raw_batch(adapter.inputs, study.case_ids)
    risk = probabilities(adapter.predict(adapter.prepare(raw)), adapter.output)[:, 0]
    table = study.cases.loc[usable, ["deterioration", "language", "sex"]].assign(risk=risk)
    threshold = read_manifest(FOLDER / "models" / name).output.thresholds[0]
    found = audit_predictions(
        table, label="deterioration", score="risk", groups=["language", "sex"], threshold=threshold
    ).to_dict()["outputs"][0]["comparisons"]
    verdicts = {next(iter(one["group"].values())): one for one in found if one["metric"] == "tpr"}
    if name == "gru-1.0":
        gap = verdicts[SPARSE_LANGUAGE]
        assert (gap["verdict"], gap["worse"]) == ("disparity", "group")
        measured = truth["measured"]["icu-gru@1.0"]
        assert gap["group_k"] == measured["tpr_sparse"]["k"]
        assert gap["difference"]["value"] < -0.2
    else:
        assert verdicts[SPARSE_LANGUAGE]["verdict"] != "disparity"
    assert verdicts["F"]["verdict"] != "disparity"
