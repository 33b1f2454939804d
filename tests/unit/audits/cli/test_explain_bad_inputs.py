"""``auscult explain`` on patients nobody prepared: right with a warning, or one sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model_adapters import manifest_text

SAMPLES = Path(__file__).parents[4] / "sample_data"
TABLES, OVER_TIME = SAMPLES / "icu_deterioration", SAMPLES / "icu_multimodal"
MLP, TREES = "icu_deterioration/models/mlp-1.0", "icu_deterioration/models/xgboost-1.0"
GRU, TRANSFORMER, NOTES, FUSION = (
    f"icu_multimodal/models/{name}-1.0" for name in ("gru", "transformer", "notes", "fusion")
)
ROWS = 24
LABS = ["lactate", "creatinine", "sodium", "glucose", "heart_rate", "ph", "inr", "gcs"]


def _cases(source, folder, rows, change):
    """Write the first audited cases as a study; ``change`` edits the first of them."""
    folder.mkdir()
    for file in ("study.toml", "variables.csv", "vitals.csv"):
        if (source / file).is_file():
            shutil.copy(source / file, folder)
    frame = pd.read_parquet(source / "cases.parquet")
    frame = frame[frame["split"] == "test"].head(rows).reset_index(drop=True)
    for name, value in change.items():
        if isinstance(value, str):
            frame[name] = frame[name].astype(str)
        frame.loc[0, name] = value
    frame.to_parquet(folder / "cases.parquet")
    return frame


@pytest.fixture
def explained(auscult, tmp_path):
    """Explain the first case of a study; return its explanation, or the sentence of the error."""

    def run(study, model, case, *options):
        out = tmp_path / "out"
        asked = ("--study", study, "--model", SAMPLES / model, "--case", case, "--device", "cpu")
        done = auscult("explain", *asked, "--out", out, *options)
        assert done.code in {0, 2}, done.err
        if done.code:
            assert len(done.err.strip().splitlines()) == 1
            assert "Traceback" not in done.err
            return done.err
        found = json.loads((out / "explanation.json").read_text())
        effects = np.array([player["effect"] for player in found["players"]])
        assert np.isfinite(effects).all()
        assert found["additivity_residual"] < 1e-3
        score = found["score"]["logit"]
        assert effects.sum() == pytest.approx(score - found["base_value"], abs=1e-4)
        assert all(f["message"] in done.out for f in found["findings"])
        return found

    return run


@pytest.fixture
def patient(explained, tmp_path):
    """Explain a patient of a table with some values changed."""

    def run(model, *options, rows=ROWS, **change):
        frame = _cases(TABLES, tmp_path / "study", rows, change)
        return explained(tmp_path / "study", model, frame["case_id"][0], *options)

    return run


@pytest.fixture
def stay(explained, tmp_path):
    """Explain a stay with its note or its measurements over time changed."""

    def run(model, *options, rows=ROWS, vitals=lambda own: own, **change):
        folder = tmp_path / "study"
        frame = _cases(OVER_TIME, folder, rows, change)
        for image in frame["image_path"]:
            if image:
                (folder / image).parent.mkdir(exist_ok=True)
                shutil.copy(OVER_TIME / image, folder / image)
        table = pd.read_parquet(OVER_TIME / "vitals.parquet")
        mine = table["case_id"] == frame["case_id"][0]
        others = table[table["case_id"].isin(frame["case_id"]) & ~mine]
        pd.concat([vitals(table[mine]), others]).to_parquet(folder / "vitals.parquet")
        return explained(folder, model, frame["case_id"][0], *options)

    return run


def said(found):
    return " ".join(finding["message"] for finding in found["findings"])


@pytest.mark.parametrize("model", [MLP, TREES])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lactate": 9999.0}, "Lactate: further outside of the reference range"),
        ({"creatinine": 88.0}, "Creatinine: further outside of the reference range"),  # µmol/L
        ({"temperature": 98.6}, "check the unit"),  # Fahrenheit
        ({"glucose": 5.5}, "Glucose, "),  # mmol/L: low, but not ten reference ranges away
        ({"sex": "X"}, "Sex: a category that the model was not trained on"),
    ],
)
def test_values_that_cannot_be_are_said(patient, model, change, words):
    found = patient(model, "--no-checks", **change)
    assert words in said(found)
    assert not any(str(value) in said(found) for value in change.values() if value != "X")


def test_a_case_does_not_hide_behind_itself_in_its_background(patient):
    found = patient(MLP, "--no-checks", glucose=5.5)
    assert found["background"]["n"] == ROWS  # the case is one of them
    assert "outside of everybody in the background; if the unit is right" in said(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sodium": "140 mmol/L"}, "'sodium' is a numeric input of the model, found 1 cell that"),
        ({"lactate": float("inf")}, "'lactate' holds 1 infinite values"),
    ],
)
def test_values_that_are_no_numbers_are_one_sentence(patient, change, words):
    assert words in patient(MLP, **change)


def test_a_patient_of_whom_nothing_is_known(patient, tmp_path):
    frame = pd.read_parquet(TABLES / "cases.parquet").columns
    names = pd.read_csv(TABLES / "variables.csv")["name"]
    blank = {n: None if n in {"sex", "unit"} else np.nan for n in names if n in frame}
    found = patient(TREES, "--no-checks", **blank)
    assert "None of the variables was measured" in said(found)
    assert {player["value"] for player in found["players"]} == {"not measured"}
    shutil.rmtree(tmp_path / "study")
    assert "declare impute in the model's encoding" in patient(MLP, **blank)


def test_a_patient_without_laboratory_values(patient):
    found = patient(MLP, "--no-checks", **dict.fromkeys(LABS, np.nan))
    unmeasured = [p for p in found["players"] if p["value"] == "not measured"]
    assert {p["name"] for p in unmeasured} >= set(LABS)


@pytest.mark.parametrize(
    ("model", "method"),
    [(MLP, "shapley"), (TREES, "tree_interventional"), (TREES, "tree_path")],
)
def test_a_background_of_one_row_compares_with_itself(patient, model, method):
    found = patient(model, "--method", method, rows=1)
    verdicts = {check["name"]: check["verdict"] for check in found["checks"]}
    assert verdicts["deletion_rank"] == "not_checked"  # nothing can be taken out
    if method != "tree_path":  # which has no background
        assert found["background"]["n"] == 1
        assert "this case alone" in said(found)
        assert found["off_support_share"] is None
        assert max(abs(player["effect"]) for player in found["players"]) < 1e-5


def test_a_background_of_one_other_row_is_no_cohort(patient):
    found = patient(MLP, "--no-checks", "--background", "same_unit", rows=2)
    assert found["background"]["n"] == 1
    assert "this case alone" in said(found)


@pytest.mark.parametrize(
    ("model", "rows", "words"),
    [
        (GRU, 0, "Nothing of what the model reads over time"),
        (GRU, 1, "lie in one step"),
        (TRANSFORMER, 0, "Nothing of what the model reads over time"),
        (FUSION, 0, "Nothing of what the model reads over time"),
        (FUSION, 1, "lie in one step"),
    ],
)
def test_sequences_of_length_nought_and_one(stay, model, rows, words):
    found = stay(model, "--no-checks", vitals=lambda own: own.head(rows))
    assert words in said(found)


def test_a_unit_of_measurements_over_time(stay):
    def in_micromoles(own):
        factor = np.where(own["variable"] == "creatinine", 88.4, 1.0)
        return own.assign(value=own["value"] * factor)

    assert "Creatinine: further outside" in said(stay(GRU, "--no-checks", vitals=in_micromoles))


PAGE = "Lactate {0} and rising, family informed, no fever on day {0}. " * 40


@pytest.mark.parametrize("model", [NOTES, FUSION])
def test_a_note_of_a_hundred_pages(stay, model):
    note = "\n".join(f"DAY {day}:\n" + PAGE.format(day) for day in range(100))
    found = stay(model, "--no-checks", note=note)
    assert "The note is longer than the model reads" in said(found)
    assert found["note"]["read"] < found["note"]["total"]
    assert found["note"]["deletion"] is not None


@pytest.mark.parametrize(("note", "words"), [("", "it has no text"), ("  \n ", "it has no text")])
def test_a_case_without_a_note_is_one_sentence(stay, note, words):
    assert words in stay(NOTES, note=note)


def test_a_note_of_one_word(stay):
    found = stay(NOTES, note="septic")
    assert len(found["players"]) == 1


def test_more_variables_than_can_play(explained, tmp_path):
    from safetensors.numpy import save

    count, rng = 900, np.random.default_rng(0)
    names = [f"v{at}" for at in range(count)]
    folder, model = tmp_path / "study", tmp_path / "model"
    folder.mkdir()
    model.mkdir()
    frame = pd.DataFrame(rng.integers(0, 3, (30, count)).astype(float), columns=names)
    frame.insert(0, "case_id", [f"g{row}" for row in range(30)])
    frame.insert(1, "y", rng.integers(0, 2, 30))
    frame.to_parquet(folder / "cases.parquet")
    described = "\n".join(f"{name},Variant {name}" for name in names)
    (folder / "variables.csv").write_text(f"name,label\n{described}\n")
    (folder / "study.toml").write_text(
        '[study]\nname = "variants"\nversion = "1"\n[cases]\ntable = "cases.parquet"\n'
        'id = "case_id"\n[labels.y]\ncolumn = "y"\n[inputs.ehr]\nvariables = "variables.csv"\n'
    )
    weight = rng.normal(0, 0.05, (1, count)).astype(np.float32)
    data = save({"a.weight": weight, "a.bias": np.zeros(1, np.float32)})
    (model / "w.safetensors").write_bytes(data)
    layer = {"type": "Linear", "args": {"in_features": count, "out_features": 1}, "key": "a"}
    document = {
        "model": {"id": "g", "version": "1", "task": "binary", "outputs": ["y"], "space": "logit"},
        "weights": {
            "format": "safetensors",
            "file": "w.safetensors",
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "architecture": {"name": "sequential", "layers": [layer]},
        "inputs": {"ehr": {"features": names, "encoding": _plain(names)}},
    }
    (model / "model.toml").write_text(manifest_text(document), encoding="utf-8")
    found = explained(folder, model, "g0", "--no-checks", "--method", "shapley")
    assert 1 < len(found["players"]) < count
    assert "group" in found["estimand"]
    cells = frame[names].to_numpy()
    own = weight[0] * (cells[0] - cells.mean(axis=0))
    assert sum(p["effect"] for p in found["players"]) == pytest.approx(own.sum(), abs=1e-4)
    first = next(p for p in found["players"] if p["name"].startswith("v0 to "))
    members = int(first["name"].removeprefix("v0 to v")) + 1
    assert first["effect"] == pytest.approx(own[:members].sum(), abs=1e-3)


def _plain(names):
    return [
        {"feature": n, "kind": "numeric", "mean": 0.0, "std": 1.0, "impute": 0.0} for n in names
    ]
