"""One case as a page, a FHIR bundle and DICOM objects, from the sample studies' own files."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from audits.cli.failures import run_guarded as main
from audits.errors import AuditError
from audits.reporting.case import CaseQuestion, ToldCase, case_of_run
from audits.reporting.case.page import case_pdf, page_data
from audits.reporting.dicom.objects import Explained, parametric_map, segmentation
from audits.reporting.dicom.source import copy_deidentification, may_hold_text
from audits.reporting.dicom.structured import structured_report
from audits.reporting.digest import is_intact
from audits.reporting.fhir import case_bundle
from audits.storage import RunWriter, canonical_json, open_run

ROOT = Path(__file__).parents[4]
STUDY = ROOT / "sample_data" / "chest_xray"
CASE = "cxr-300020"


def estimate(value):
    half = 0.05
    return {"value": value, "low": value - half, "high": value + half, "level": 0.95, "n": 400}


def output(name="effusion"):
    metrics = {"tpr": estimate(0.7), "fpr": estimate(0.2), "ppv": estimate(0.6)}
    comparison = {
        "metric": "tpr", "tier": "marginal", "attribute": "sex", "group": {"sex": "F"},
        "reference": "rest", "difference": {"value": -0.2, "low": -0.3, "high": -0.12},
        "difference_90": [-0.28, -0.13], "margin": 0.05, "verdict": "disparity",
        "strength": "confirmed", "worse": "group", "declared": True, "carried_by": [],
    }  # fmt: skip
    return {
        "model": "net@1.0", "name": name, "threshold": {"value": 0.3, "source": "model"},
        "overall": {"n": 900, "metrics": metrics},
        "groups": [
            {"attributes": {"sex": "F"}, "n": 450, "metrics": metrics},
            {"attributes": {"sex": "M"}, "n": 450, "metrics": metrics},
        ],
        "comparisons": [comparison],
    }  # fmt: skip


def told(**changes):
    names = ("name", "label", "value", "unit", "effect", "se")
    players = [
        dict(zip(names, one, strict=True))
        for one in (
            ("lactate", "Lactate", 4.1, "mmol/L", 0.9, 0.01),
            ("age", "Age", 43.0, "a", -0.4, 0.01),
            ("ph", "Arterial pH", "not measured", None, 0.01, 0.02),
        )
    ]
    explanation = {
        "case": "c-1", "model": "net@1.0", "output": "effusion", "method": "shapley",
        "estimand": "Interventional Shapley values.", "players": players, "map": None,
        "background": None, "off_support_share": 0.1,
        "checks": [{"name": "additivity", "value": 0.0, "null": 0.1, "verdict": "reflects"}],
    }  # fmt: skip
    base = {
        "case": "c-1",
        "run": {
            "id": "run-1", "created": "2026-11-21T13:15:57Z", "release": "internal",
            "study": {"name": "ward", "version": "1.0", "sha256": "5" * 64},
            "evidence_sha256": "e" * 64,
        },
        "model": {"id": "net", "version": "1.0", "weights_sha256": "a" * 64,
                  "manifest_sha256": "b" * 64,
                  "card": {"developer": "Acme", "limitations": "Adults only."}},
        "output": output(),
        "score": {"logit": 0.4, "probability": 0.6, "value": None},
        "threshold": 0.3,
        "levels": {"sex": "F"},
        "groups": (output()["groups"][0],),
        "explanation": explanation,
        "folder": None,
    }  # fmt: skip
    return ToldCase(**{**base, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one real sample image with a map that was made for this test."""
    import pandas as pd

    image = pydicom.dcmread(STUDY / "images" / f"{CASE}.dcm")
    patient = np.zeros((image.Rows, image.Columns), np.float32)
    patient[40:90, 60:120] = 1.0
    patient[150:170, 20:40] = -0.4
    out = tmp_path_factory.mktemp("cases") / "run"
    entry = {**told().explanation, "case": CASE, "method": "gradcam", "players": [],
             "map": {"file": "map.npz", "layer": "l", "native_size": [8, 8]}}  # fmt: skip
    with RunWriter(out) as writer:
        writer.write_json("internal/run.json", {"study": str(STUDY)})
        cases = {"case_id": [CASE], "patient": [0], "group__sex": ["F"]}
        writer.write_table("internal/cases.parquet", pd.DataFrame(cases))
        scores = {"case_id": [CASE], "logit__effusion": [0.4], "prob__effusion": [0.6]}
        writer.write_table("internal/predictions/net@1.0.parquet", pd.DataFrame(scores))
        folder = f"internal/explanations/net@1.0/{CASE}/effusion.gradcam"
        writer.write_json(f"{folder}/explanation.json", entry)
        native = patient[:: image.Rows // 8, :: image.Columns // 8][:8, :8]
        writer.write_arrays(f"{folder}/map.npz", {"native": native, "patient": patient})
        held = told().run
        writer.write_json(
            "evidence.json",
            {
                "run": {"id": held["id"], "created": held["created"],
                        "internal_sha256": writer.internal_sha256()},
                "release": "internal",
                "study": held["study"],
                "models": [dict(told().model)],
                "outputs": [output()],
            },
        )  # fmt: skip
        writer.commit()
    return open_run(out)


def test_a_case_is_read_from_a_run(run):
    found = case_of_run(run, CaseQuestion(case=CASE))
    assert (found.name, found.called, found.levels) == ("effusion", True, {"sex": "F"})
    assert [g["attributes"] for g in found.groups] == [{"sex": "F"}]
    for question, match in (
        (CaseQuestion(case="nobody"), "has no case 'nobody'"),
        (CaseQuestion(case=CASE, model="x@1"), "has no model 'x@1'"),
        (CaseQuestion(case=CASE, output="x"), "no output 'x'"),
    ):
        with pytest.raises(AuditError, match=match):
            case_of_run(run, question)


def test_the_page_says_risk_basis_counter_evidence_reliability_and_limits():
    page = page_data(told())
    assert [t["value"] for t in page["tiles"]] == ["60.0 %", "Flagged", "60.0 %"]
    assert [(b["label"], b["value"]) for b in page["raising"]] == [("Lactate", "4.1 mmol/L")]
    assert [b["label"] for b in page["lowering"]] == ["Age"]
    assert [r["label"] for r in page["reliability"]["rows"]] == ["Everybody", "Sex: F"]
    assert page["reliability"]["rows"][1]["cells"][0]["mark"] == "disparity"
    assert any("20.0 points lower" in text for text in page["warnings"])
    assert any("Adults only." in text for text in page["limits"])
    assert "Not for primary diagnosis" in page["notice"]


def test_only_what_speaks_against_the_patients_own_groups_is_warned_of():
    held = output()
    own = {**held["comparisons"][0], "attribute": "race", "group": {"race": "Black"}}
    others = {**own, "group": {"race": "White"}, "worse": "reference"}
    elsewhere = {**own, "group": {"race": "Asian"}}
    held["comparisons"] = [own, others, elsewhere]
    warned = page_data(told(output=held, levels={"race": "Black"}))["warnings"]
    assert len(warned) == 1
    assert "Worse off: Race: Black" in warned[0]
    held["comparisons"] = [others]  # of two levels one comparison speaks for both
    assert len(page_data(told(output=held, levels={"race": "Black"}))["warnings"]) == 1
    held["comparisons"] = [{**own, "worse": "reference"}]  # the patient's own group is better off
    assert not page_data(told(output=held, levels={"race": "Black"}))["warnings"]


def test_a_masked_group_is_said_to_be_suppressed():
    masked = {"attributes": {"sex": "F"}, "n": None, "suppressed": True,
              "metrics": {"tpr": {"value": None, "suppressed": True}}}  # fmt: skip
    row = page_data(told(groups=(masked,)))["reliability"]["rows"][1]
    assert row["n"] == "suppressed"
    assert row["cells"][0]["text"] == "suppressed"


def test_the_page_is_one_tagged_intact_page_and_the_same_every_time(run):
    pikepdf = pytest.importorskip("pikepdf")
    case = case_of_run(run, CaseQuestion(case=CASE))
    plain = case_pdf(run, case)
    assert is_intact(plain)
    assert plain == case_pdf(run, case)
    with pikepdf.open(io.BytesIO(plain)) as document:
        assert len(document.pages) == 1
        assert document.Root.MarkInfo.Marked
        attached = document.attachments["explanation.json"].get_file().read_bytes()
        assert attached == canonical_json(case.explanation)
        assert "/Image" not in str(document.pages[0].get("/Resources"))


def test_the_image_is_on_the_page_only_when_asked_for(run):
    case = case_of_run(run, CaseQuestion(case=CASE))
    plain, shown = case_pdf(run, case), case_pdf(run, case, with_image=True)
    assert b"/Subtype/Image" not in plain.replace(b" ", b"")
    assert b"/Subtype/Image" in shown.replace(b" ", b"")


def test_the_bundle_is_valid_r4_and_tagged_as_asserted_by_a_machine():
    fhir = pytest.importorskip("fhir.resources.R4B.bundle")
    bundle = case_bundle(told())
    fhir.Bundle.model_validate(bundle)
    resources = [e["resource"] for e in bundle["entry"]]
    assert [r["resourceType"] for r in resources] == ["Device", "RiskAssessment", "Provenance"]
    assert all(r["meta"]["security"][0]["code"] == "AIAST" for r in (*resources, bundle))
    device, risk, provenance = resources
    assert device["version"] == [{"value": "1.0"}]
    assert risk["prediction"][0]["probabilityDecimal"] == 0.6
    assert "Lactate 4.1 mmol/L (+0.90)" in risk["prediction"][0]["rationale"]
    assert provenance["target"][0]["reference"] == bundle["entry"][1]["fullUrl"]
    assert provenance["reason"][0]["coding"][0]["code"] == "AIAST"
    (agent,) = provenance["agent"]
    assert agent["role"] == [{"coding": device["type"]["coding"]}]
    assert agent["role"][0]["coding"][0]["code"] == "Artificial-Intelligence"
    assert agent["type"]["coding"][0]["code"] == "performer"
    made_from = [(e["role"], e["what"]["identifier"]["value"]) for e in provenance["entity"]]
    assert made_from == [("source", "e" * 64), ("source", "5" * 64), ("derivation", "b" * 64)]
    assert case_bundle(told()) == bundle


def test_a_score_without_probability_has_none_in_the_bundle():
    fhir = pytest.importorskip("fhir.resources.R4B.bundle")
    bundle = case_bundle(told(score={"logit": None, "probability": None, "value": 2.0}, model=None))
    fhir.Bundle.model_validate(bundle)
    assert "probabilityDecimal" not in json.dumps(bundle)


def checked(path):
    """Run dciodvfy over a file and return its errors."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


@pytest.fixture(scope="module")
def objects(run, tmp_path_factory):
    pytest.importorskip("highdicom")
    out = tmp_path_factory.mktemp("dicom") / "objects"
    assert (
        main(["report", str(run.path), "--format", "dicom", "--case", CASE, "--out", str(out)]) == 0
    )
    return out


def test_a_radiograph_gets_a_region_an_overlay_and_a_report_without_errors(objects):
    assert sorted(p.name for p in objects.iterdir()) == [
        "SHA256SUMS",
        "overlay.dcm",
        "report.dcm",
        "segmentation.dcm",
    ]
    assert main(["verify", str(objects)]) == 0
    for path in objects.glob("*.dcm"):
        assert checked(path) == [], path.name


def test_dcmtk_reads_them(objects):
    for tool in ("dcmdump", "dsrdump"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} (Debian's dcmtk) is not installed")
    report = subprocess.run(
        ["dsrdump", str(objects / "report.dcm")], capture_output=True, text=True, check=True
    ).stdout
    assert "Certainty of Finding" in report
    assert "(130403,DCM" in report
    for path in objects.glob("*.dcm"):
        subprocess.run(["dcmdump", "-q", str(path)], capture_output=True, check=True)


def test_objects_refer_to_the_archives_instance_and_repeat_its_deidentification(objects):
    source = pydicom.dcmread(STUDY / "images" / f"{CASE}.dcm", stop_before_pixels=True)
    region = pydicom.dcmread(objects / "segmentation.dcm")
    assert (
        region.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
        == source.SOPInstanceUID
    )
    assert int(region.pixel_array.sum()) == 50 * 60
    overlay = pydicom.dcmread(objects / "overlay.dcm")
    assert overlay.BurnedInAnnotation == "NO"
    for path in objects.glob("*.dcm"):
        made = pydicom.dcmread(path)
        assert made.PatientIdentityRemoved == source.PatientIdentityRemoved
        assert made.DeidentificationMethod == source.DeidentificationMethod
        assert made.StudyInstanceUID == source.StudyInstanceUID


def test_the_same_case_gives_the_same_bytes(run, objects, tmp_path):
    from audits.reporting import export_case

    again = export_case(run, "dicom", tmp_path / "again", CaseQuestion(case=CASE))
    for path in objects.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_a_ct_slice_gets_a_parametric_map(tmp_path):
    pytest.importorskip("highdicom")
    source = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    values = np.zeros((source.Rows, source.Columns))
    values[30:60, 30:70] = 0.8
    values[80:90, 80:90] = -0.2
    entry = {**told().explanation, "method": "integrated_gradients", "players": []}
    case = Explained(told=told(explanation=entry), sources=[source], map=values, version="0")
    made = parametric_map(case)
    made.Laterality = ""
    region = segmentation(case)
    report = structured_report(case, region)
    stored = np.frombuffer(made.FloatPixelData, np.float32).reshape(values.shape)
    assert np.array_equal(stored, values.astype(np.float32))
    for name, one in (("map", made), ("segmentation", region), ("report", report)):
        copy_deidentification(source, one)
        assert one.PatientIdentityRemoved == "NO"
        one.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
        errors = checked(tmp_path / f"{name}.dcm")
        # The sample slice of 1997 itself lacks or breaks some attributes, which objects repeat.
        own = checked(get_testdata_file("CT_small.dcm"))
        assert [e for e in errors if e not in own] == [], name


def test_no_region_is_no_segmentation():
    pytest.importorskip("highdicom")
    source = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    entry = {**told().explanation, "method": "gradcam", "players": []}
    values = -np.ones((source.Rows, source.Columns))
    case = Explained(told=told(explanation=entry), sources=[source], map=values, version="0")
    assert segmentation(case) is None
    assert structured_report(case, None).SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"


@pytest.mark.parametrize(
    ("said", "modality", "kinds", "may"),
    [("NO", "US", ["DERIVED"], False), ("YES", "CR", ["ORIGINAL"], True), (None, "US", [], True),
     (None, "CR", ["ORIGINAL", "PRIMARY"], False), (None, "CR", ["DERIVED", "SECONDARY"], True)],
)  # fmt: skip
def test_absence_of_a_statement_is_no_denial_of_text(said, modality, kinds, may):
    dataset = pydicom.Dataset()
    dataset.Modality, dataset.ImageType = modality, kinds
    if said:
        dataset.BurnedInAnnotation = said
    assert may_hold_text(dataset) is may


def test_wrong_use_is_one_sentence(run, tmp_path, capsys):
    path, out = str(run.path), str(tmp_path / "x")
    for args, match in (
        (["--format", "fhir"], "name it with --case"),
        (["--format", "html", "--case", CASE], "tells about a whole run"),
        (["--format", "pdf", "--output", "effusion"], "needs --case"),
    ):
        assert main(["report", path, "--out", out, *args]) == 2
        assert match in capsys.readouterr().err
