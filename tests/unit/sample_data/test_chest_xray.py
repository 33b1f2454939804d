"""The shipped study is what its generator draws, and its truth is what its files say."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from sample_data.generate.chest_xray.design import FINDINGS, SITES
from sample_data.generate.chest_xray.population import Case, draw_cases
from sample_data.generate.chest_xray.rendering import prepared, radiograph_of
from sample_data.generate.chest_xray.shipping import case_table, choose_shipped
from sample_data.generate.chest_xray.texts import POLICY, STUDY
from sample_data.generate.chest_xray.truth import auroc, measure_gaps, measure_plaque_rates

STUDY_FOLDER = Path(__file__).parents[3] / "sample_data" / "chest_xray"
VERSIONS = ("1.0", "2.0")
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_parquet(STUDY_FOLDER / "cases.parquet")


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return json.loads((STUDY_FOLDER / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return draw_cases("test")


def _model(version: str) -> dict[str, Any]:
    return tomllib.loads((STUDY_FOLDER / "models" / version / "model.toml").read_text("utf-8"))


def _scores(version: str) -> pd.DataFrame:
    return pd.read_parquet(STUDY_FOLDER / "models" / version / "scores.parquet")


def _calls(version: str) -> dict[str, np.ndarray]:
    scores, thresholds = _scores(version), _model(version)["model"]["thresholds"]
    probability = 1 / (1 + np.exp(-scores[list(FINDINGS)].to_numpy()))
    return {name: probability[:, i] >= thresholds[i] for i, name in enumerate(FINDINGS)}


def _entry(
    truth: dict[str, Any], version: str, output: str, metric: str, attributes: dict[str, str]
) -> dict[str, Any]:
    (found,) = (
        entry
        for entry in truth["measured"][f"chest-xray@{version}"]["groups"]
        if (entry["output"], entry["metric"]) == (output, metric)
        and entry["attributes"] == attributes
    )
    return found


def test_the_study_stays_small():
    size = sum(file.stat().st_size for file in STUDY_FOLDER.rglob("*") if file.is_file())
    assert size < 25 * MEGABYTE


@pytest.mark.parametrize("version", VERSIONS)
def test_hashes_of_weights_and_scores_are_those_declared(version: str):
    manifest = _model(version)
    for section in ("weights", "precomputed"):
        file = STUDY_FOLDER / "models" / version / manifest[section]["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == manifest[section]["sha256"]


def test_the_written_declarations_are_the_generators():
    assert (STUDY_FOLDER / "study.toml").read_text(encoding="utf-8") == STUDY
    assert (STUDY_FOLDER / "policy.toml").read_text(encoding="utf-8") == POLICY


def test_the_case_table_is_what_the_seed_draws(table: pd.DataFrame, cases: list[Case]):
    pd.testing.assert_frame_equal(table, case_table(cases, choose_shipped(cases)))
    assert table["case_id"].is_unique
    assert 1.3 <= len(table) / table["patient_id"].nunique() <= 2


def test_splits_share_no_patient_and_no_case(cases: list[Case]):
    other = draw_cases("train") + draw_cases("tune")
    assert not {case.case_id for case in cases} & {case.case_id for case in other}
    assert not {case.patient_id for case in cases} & {case.patient_id for case in other}


def test_every_shipped_file_is_there_and_nothing_else(table: pd.DataFrame):
    columns = ["image_path", *(name for name in table.columns if name.endswith("_mask"))]
    named = {path for column in columns for path in table[column] if path}
    found = {
        file.relative_to(STUDY_FOLDER).as_posix()
        for folder in ("images", "masks")
        for file in (STUDY_FOLDER / folder).iterdir()
    }
    assert named == found
    assert 240 <= (table["image_path"] != "").sum() <= 320


def test_shipped_images_hold_what_the_shortcut_audit_needs(table: pd.DataFrame):
    shipped = table[table["image_path"] != ""]
    marked = shipped[shipped["marker"] == "plaque"]
    assert marked.loc[marked["effusion"] == 1, "patient_id"].nunique() >= 40
    assert marked.loc[marked["effusion"] == 0, "patient_id"].nunique() >= 40
    assert set(shipped["site"]) == {site.name for site in SITES}
    young = shipped[(shipped["sex"] == "F") & (shipped["age"] < 40)]
    assert young["nodule"].sum() >= 25
    for name in FINDINGS:
        assert shipped[name].sum() >= 40
        assert (shipped.loc[shipped[name] == 1, f"{name}_mask"] != "").all()
        assert (shipped.loc[shipped[name] == 0, f"{name}_mask"] == "").all()


def test_dicom_files_are_radiographs_of_nobody(table: pd.DataFrame):
    seen = set()
    for row in table[table["image_path"] != ""].itertuples():
        data = pydicom.dcmread(STUDY_FOLDER / row.image_path, stop_before_pixels=True)
        assert data.Modality == "CR"
        assert data.SOPClassUID.name == "Computed Radiography Image Storage"
        assert data.file_meta.TransferSyntaxUID.is_compressed
        assert (data.BitsAllocated, data.BitsStored) == (16, 12)
        assert data.PatientID == row.patient_id
        assert data.PatientIdentityRemoved == "YES"
        assert "Synthetic" in data.DeidentificationMethod
        assert (data.PatientSex, data.PatientAge) == (row.sex, f"{row.age:03d}Y")
        assert data.ViewPosition == row.view
        assert list(data.PatientOrientation) == ["L", "F"]
        assert "Laterality" not in data
        assert row.site in data.InstitutionName
        seen.add((row.site, data.PhotometricInterpretation))
    assert ("Riverside", "MONOCHROME1") in seen
    assert ("Northgate", "MONOCHROME2") in seen
    assert len(seen) == len(SITES)


@pytest.mark.parametrize("site", [site.name for site in SITES])
def test_an_image_drawn_again_has_the_pixels_and_masks_that_are_shipped(
    table: pd.DataFrame, cases: list[Case], site: str
):
    row = table[(table["image_path"] != "") & (table["site"] == site)].iloc[0]
    case = next(case for case in cases if case.case_id == row["case_id"])
    image = radiograph_of(case)
    stored = pydicom.dcmread(STUDY_FOLDER / row["image_path"]).pixel_array
    drawn = 4095 - image.pixels if case.site.inverted else image.pixels
    # Other builds of NumPy may round a handful of pixels to the neighbouring grey level.
    difference = np.abs(stored.astype(int) - drawn.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001
    for name, mask in image.masks.items():
        if row[f"{name}_mask"]:
            assert (np.asarray(Image.open(STUDY_FOLDER / row[f"{name}_mask"])) == mask).all()
        else:
            assert not mask.any()


def test_masks_lie_where_they_should(table: pd.DataFrame):
    for row in table[table["nodule_mask"] != ""].head(20).itertuples():
        nodule = np.asarray(Image.open(STUDY_FOLDER / row.nodule_mask))
        lung = np.asarray(Image.open(STUDY_FOLDER / row.lung_mask))
        assert nodule.dtype == np.bool_
        assert (nodule & lung).sum() > 0.8 * nodule.sum()
        if row.marker_mask:
            assert not (np.asarray(Image.open(STUDY_FOLDER / row.marker_mask)) & lung).any()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_adapter_on_the_dicom_files_gives_the_shipped_scores(table: pd.DataFrame, version: str):
    from audits.cohorts import open_study
    from model_adapters import load_adapter

    study = open_study(STUDY_FOLDER)
    adapter = load_adapter(STUDY_FOLDER / "models" / version, device="cpu")
    shipped = table[table["image_path"] != ""]
    some = [group["case_id"].iloc[i] for _, group in shipped.groupby("site") for i in range(4)]
    raw, usable, skipped = study.raw_batch(adapter.inputs, some)
    assert (usable, skipped) == (some, [])
    scores = _scores(version).set_index("case_id").loc[some, list(FINDINGS)]
    assert adapter.predict(adapter.prepare(raw)) == pytest.approx(scores.to_numpy(), abs=1e-4)


@pytest.mark.parametrize("version", VERSIONS)
def test_truth_is_what_cases_and_scores_say(
    table: pd.DataFrame, truth: dict[str, Any], version: str
):
    scores = _scores(version)
    assert scores["case_id"].tolist() == table["case_id"].tolist()
    measured = truth["measured"][f"chest-xray@{version}"]
    calls = _calls(version)
    assert measured["groups"] == measure_gaps(table, calls)
    assert measured["plaque_rates"] == measure_plaque_rates(table, calls["effusion"])
    declared = _model(version)["model"]["thresholds"]
    assert measured["thresholds"] == dict(zip(FINDINGS, declared, strict=True))
    for name in FINDINGS:
        overall = measured["overall"][name]
        positive = table[name].to_numpy() == 1
        assert overall["tpr"] == calls[name][positive].mean()
        assert overall["fpr"] == calls[name][~positive].mean()
        assert overall["auroc"] == pytest.approx(auroc(positive, scores[name].to_numpy()))
    assert truth["cases"] == len(table)
    assert truth["shipped"] == (table["image_path"] != "").sum()


def test_nodules_of_young_women_are_missed_by_the_first_version_only(truth: dict[str, Any]):
    planted = {"sex": "F", "age_band": "18-<40"}
    first = _entry(truth, "1.0", "nodule", "tpr", planted)
    second = _entry(truth, "2.0", "nodule", "tpr", planted)
    assert first["n"] >= 120
    assert first["difference"] <= -0.25
    assert abs(second["difference"]) < 0.1
    for neighbour in ({"sex": "M", "age_band": "18-<40"}, {"sex": "F", "age_band": "40-<60"}):
        assert _entry(truth, "1.0", "nodule", "tpr", neighbour)["difference"] > -0.1


def test_the_first_version_uses_the_plaque_and_the_second_does_not(truth: dict[str, Any]):
    first, second = (truth["measured"][f"chest-xray@{v}"] for v in VERSIONS)
    assert first["marker"]["occluded: plaque"]["mean_logit_change"] > 2
    assert abs(first["marker"]["sham: plaque"]["mean_logit_change"]) < 0.3
    assert abs(second["marker"]["occluded: plaque"]["mean_logit_change"]) < 0.3
    rates = first["plaque_rates"]
    with_plaque, without = "fpr, with plaque", "fpr, same site without plaque"
    assert rates[with_plaque]["value"] - rates[without]["value"] > 0.25
    assert _entry(truth, "1.0", "effusion", "fpr", {"site": "Northgate"})["difference"] > 0.1
    assert abs(_entry(truth, "2.0", "effusion", "fpr", {"site": "Northgate"})["difference"]) < 0.05


@pytest.mark.parametrize("version", VERSIONS)
def test_insurance_is_truly_fine(truth: dict[str, Any], version: str):
    for name in FINDINGS:
        for metric in ("tpr", "fpr"):
            entry = _entry(truth, version, name, metric, {"insurance": "private"})
            assert min(entry["n"], entry["rest_n"]) >= 400
            assert abs(entry["difference"]) < 0.05


def test_the_second_version_pays_with_its_sensitivity_for_large_hearts(truth: dict[str, Any]):
    first, second = (truth["measured"][f"chest-xray@{v}"]["overall"] for v in VERSIONS)
    lost = first["cardiomegaly"]["tpr"] - second["cardiomegaly"]["tpr"]
    assert 0.03 < lost < 0.25
    assert second["nodule"]["auroc"] > first["nodule"]["auroc"]
    assert second["effusion"]["auroc"] > first["effusion"]["auroc"]


def test_exposure_says_nothing_about_marker_or_site(cases: list[Case]):
    frame = pd.DataFrame(
        {
            "exposure": [case.exam.exposure for case in cases],
            "site": [case.site.name for case in cases],
            "marker": [case.marker is not None for case in cases],
        }
    )
    for column in ("site", "marker"):
        means = frame.groupby(column)["exposure"].mean()
        assert means.max() - means.min() < 0.04


def test_what_the_network_sees_is_the_adapters_preprocessing(cases: list[Case]):
    image = radiograph_of(cases[0])
    seen = prepared(image.pixels, image.low, image.high)
    assert seen.shape == (1, 128, 128)
    assert -2 <= seen.min() < seen.max() <= 2
