"""Tables hold what the evidence holds, digit for digit."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from audits.errors import AuditError, StoreError
from audits.reporting import evidence_tables, export_run, tables_zip
from audits.storage import Run

EVIDENCE = {
    "release": "internal",
    "skipped": [{"case": "=cmd()", "reason": "label is missing"}],
    "outputs": [
        {
            "model": "m@1",
            "name": "effusion",
            "overall": {"n": 3, "metrics": {"tpr": {"value": 0.1 + 0.2, "k": 1, "n": 3}}},
            "groups": [
                {
                    "attributes": {"sex": "F"},
                    "metrics": {"tpr": {"value": None, "reason": "no positives", "n": 0}},
                }
            ],
            "comparisons": [
                {
                    "metric": "tpr",
                    "group": {"sex": "F"},
                    "reference": "rest",
                    "difference": {"value": -0.5, "low": -0.9, "high": 0.1},
                    "difference_90": [-0.8, 0.0],
                    "n_needed": {"to_equivalence": 30, "to_disparity": None},
                    "p": 1e-17,
                    "declared": True,
                }
            ],
        }
    ],
}


def rows(name, evidence=EVIDENCE):
    table = next(t for t in evidence_tables(evidence) if t.name == name)
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def test_groups_hold_every_estimate_exactly():
    overall, women = rows("groups")
    assert overall["attributes"] == "{}"
    assert float(overall["value"]) == 0.1 + 0.2
    assert json.loads(women["attributes"]) == {"sex": "F"}
    assert women["value"] == ""
    assert women["reason"] == "no positives"
    assert women["n"] == "0"


def test_comparisons_are_flat():
    (one,) = rows("comparisons")
    assert one["difference_90_low"] == "-0.8"
    assert one["to_equivalence"] == "30"
    assert float(one["p"]) == 1e-17
    assert one["declared"] == "true"


def test_text_cannot_become_a_formula():
    assert rows("skipped")[0]["case"] == "'=cmd()"


def test_the_zip_explains_every_column_and_is_reproducible():
    data = tables_zip(EVIDENCE)
    assert tables_zip(EVIDENCE) == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        meanings = list(csv.DictReader(io.StringIO(archive.read("data_dictionary.csv").decode())))
    assert names == {"groups.csv", "comparisons.csv", "skipped.csv", "data_dictionary.csv"}
    assert all(m["meaning"] for m in meanings)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evidence.json").write_text(json.dumps(EVIDENCE))
    return Run(path=tmp_path / "run")


def test_json_is_the_evidence(run, tmp_path):
    out = export_run(run, "json", tmp_path / "deep" / "e.json")
    assert json.loads(out.read_text()) == EVIDENCE
    assert [p.name for p in out.parent.iterdir()] == ["e.json"]


def test_an_unknown_format_is_one_sentence(run, tmp_path):
    with pytest.raises(AuditError, match="there is no format 'docx'; use one of csv, dicom"):
        export_run(run, "docx", tmp_path / "r.pdf")


def test_an_existing_file_is_kept(run, tmp_path):
    (tmp_path / "e.json").write_text("mine")
    with pytest.raises(StoreError, match="already exists"):
        export_run(run, "json", tmp_path / "e.json")
    assert (tmp_path / "e.json").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_one_sentence(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        export_run(run, "csv", tmp_path / "file" / "t.zip")
