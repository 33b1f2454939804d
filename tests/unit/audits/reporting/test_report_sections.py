"""Sections 10, 13 and 15: made from what a run holds, silent on nothing."""

from __future__ import annotations

import json

import pydicom
import pytest

from audits.cohorts.images.deidentification import stated_deidentification
from audits.errors import AuditError
from audits.reporting.document import build_document
from audits.reporting.document.blocks import Figure, Grid, Missing, Text
from audits.reporting.figures import chart_svg
from audits.reporting.release import restrict
from audits.reporting.signoff import reviews_summary
from audits.reporting.signoff.filing import Filing
from audits.reporting.signoff.state import SignOff
from audits.storage import canonical_json
from audits.storage.reviews import CaseReview


def estimate(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 80, "level": 0.95}


def months(small=False):
    rows = [("2023-01", 40, 200), ("2023-02", 3 if small else 50, 180), ("2023-03", 60, 210)]
    return [
        {"label": "y", "month": m, "k": k, "n": n, "share": k / n, "low": 0.1, "high": 0.4}
        for m, k, n in rows
    ]


@pytest.fixture
def rich(exact):
    """The small audit with sections that only studies with models have."""
    found = json.loads(canonical_json(exact))
    found["data_quality"] |= {
        "prevalence": [
            {"label": "y", "attribute": "sex", "level": "F", "k": 90, "n": 300, "share": 0.3}
        ],
        "prevalence_by_month": {"state": "computed", "months": months()},
        "deidentification": {
            "state": "computed",
            "n": 280,
            "statements": [{"tag": "PatientIdentityRemoved", "stated": "yes", "k": 280, "n": 280}],
            "options": [
                {"code": "113108", "meaning": "Retain Patient Characteristics", "k": 280, "n": 280}
            ],
        },
    }
    found["shortcuts"] = {
        "context_establishes": "Informs only.", "margin": 0.25,
        "outputs": [
            {
                "model": "m@1", "output": "y", "suspect": "marker", "q": 0.001, "verdict": "used",
                "effect": estimate(2.1), "inserted": estimate(1.9), "sham": estimate(0.0),
            }
        ],
        "probes": [{"model": "m@1", "attribute": "sex", "n": 80, "auc": estimate(0.9)}],
    }  # fmt: skip
    care = {
        "name": "lactate", "label": "Lactate", "rank": 1, "leaks": True,
        "not_measured": estimate(0.5), "mean_absolute_effect": estimate(0.2),
        "share": estimate(0.2),
    }  # fmt: skip
    found["explanations"] = {
        "m@1": {
            "cases": 50,
            "method": "shapley",
            "outputs": [{"name": "y", "badges": [{"verdict": "reflects", "k": 20, "n": 50}]}],
            "global": {"outputs": [{"name": "y", "importance": [], "care_process": [care]}]},
        }
    }
    return found


def blocks(evidence, section, filing=None):
    document = build_document(evidence, filing) if filing else build_document(evidence)
    return next(s for s in document.sections if s.id == section).blocks


def captions(found):
    return " ".join(b.caption for b in found if isinstance(b, (Grid, Figure)))


def test_robustness_shows_time_sites_changed_and_missing_inputs(rich):
    found = blocks(rich, "robustness")
    said = captions(found)
    for words in ("month by month", "between sites", "suspect region", "features know", "measured"):
        assert words in said
    chart = next(b.chart for b in found if isinstance(b, Figure))
    assert "2023-03: 28.6 %" in chart.alt
    svg = chart_svg(chart)
    assert svg == chart_svg(chart)
    assert svg.count("<title>") == 3


def test_a_masked_month_is_a_gap_and_no_number(rich):
    rich["data_quality"]["prevalence_by_month"]["months"] = months(small=True)
    masked = restrict(rich)
    held = masked["data_quality"]["prevalence_by_month"]["months"]
    assert all(m["k"] is None and m["share"] is None for m in held)
    masked["requirements"] = rich["requirements"]
    assert not [b for b in blocks(masked, "robustness") if isinstance(b, Figure)]


def test_what_was_not_tested_is_said(exact):
    said = " ".join(b.text for b in blocks(exact, "robustness") if isinstance(b, Missing))
    assert "corruptions of inputs were not tested" in said
    assert "no drift was measured" in said


def test_oversight_tells_the_workload_and_the_explanations_to_rely_on(rich):
    found = blocks(rich, "oversight")
    assert "at its threshold" in captions(found)
    grid = next(b for b in found if isinstance(b, Grid) and "by what a person" in b.caption)
    assert grid.rows[0].cells[1].text == "20"


def test_the_margin_of_the_shortcut_audit_stands_with_its_reason(rich):
    rich["policy"]["reasons"] = {"shortcuts.margin_logits": "as agreed"}
    told = " ".join(b.text for b in blocks(rich, "errors") if isinstance(b, Text))
    assert "Effects up to 0.25 log-odds do not matter: as agreed" in told


def said(kind, case, reviewer="dr"):
    return CaseReview(
        time="2026-11-21T00:00:00Z", reviewer=reviewer, role="clinician", run="r",
        study_sha256="s", model="m@1", output="y", case=case, kind=kind, reason="x",
    )  # fmt: skip


def test_reviews_count_the_latest_word_and_name_no_case(exact):
    evidence = {**exact, "run": {**exact["run"], "id": "r"}}
    lines = [said("agree", f"c{i}") for i in range(30)] + [said("disagree", "c0")]
    record = reviews_summary(evidence, lines, by="A")
    (one,) = record["outputs"]
    assert (one["n"], one["agreed"], one["disagreed"], one["people"]) == (30, 29, 1, 1)
    assert "c0" not in json.dumps(record)
    found = blocks(evidence, "oversight", Filing(signoff=SignOff(reviews=record)))
    assert "latest word" in captions(found)
    masked = reviews_summary({**evidence, "release": "restricted"}, lines, by="A")["outputs"][0]
    assert masked["suppressed"]
    assert masked["n"] is masked["agreed"] is masked["disagreed"] is None
    with pytest.raises(AuditError, match="nobody has agreed"):
        reviews_summary(evidence, [], by="A")


def test_privacy_records_option_codes_and_the_options_of_the_export(rich):
    found = blocks(rich, "privacy")
    told = canonical_json([str(b) for b in found]).decode()
    assert "113108" in told
    assert "release internal; profiles" in told
    assert "images no" in told


def test_what_images_state_is_counted_and_silence_is_no_denial(tmp_path):
    for at in range(3):
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        made = pydicom.Dataset()
        made.file_meta = meta
        made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", f"1.2.{at}"
        if at:
            made.PatientIdentityRemoved = "YES"
            code = pydicom.Dataset()
            code.CodeValue, code.CodingSchemeDesignator = "113108", "DCM"
            code.CodeMeaning = "Retain Patient Characteristics Option"
            made.DeidentificationMethodCodeSequence = [code]
        made.save_as(tmp_path / f"{at}.dcm", enforce_file_format=True)
    found = stated_deidentification([*sorted(tmp_path.iterdir()), tmp_path / "gone.dcm"])
    assert found["n"] == 3
    removed = {s["stated"]: s["k"] for s in found["statements"] if "Identity" in s["tag"]}
    assert removed == {"yes": 2, "not_stated": 1}
    assert [(o["code"], o["k"]) for o in found["options"]] == [("113108", 2)]
    assert stated_deidentification([])["state"] == "not_available"
