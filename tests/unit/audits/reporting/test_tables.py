"""Tables hold what the evidence holds, digit for digit."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile

import pytest

from audits.errors import AuditError, StoreError
from audits.reporting import evidence_tables, export_run, tables_zip
from audits.reporting.further_tables import SOURCES
from audits.reporting.table_words import column_meaning
from audits.storage import Run
from audits.storage.manifest import manifest_bytes

EVIDENCE = {
    "release": "internal",
    "models": [],
    "requirements": [],
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
    tables = ("groups", "comparisons", "skipped", "thresholds", "estimates")
    assert names == {f"{name}.csv" for name in (*tables, "data_dictionary")}
    assert all(m["meaning"] for m in meanings)


@pytest.mark.parametrize("release", ["exact", "restricted"])
def test_no_estimate_of_a_run_is_missing_from_its_tables(release, request):
    evidence = request.getfixturevalue(release)
    printed = {
        row.get(name)
        for table in evidence_tables(evidence)
        for row in table.rows
        for name in row
        if isinstance(row.get(name), float)
    }
    held = [found["value"] for found in estimates(evidence) if isinstance(found["value"], float)]
    assert len(held) > 50
    assert not [value for value in held if value not in printed]


def estimates(node):
    """Yield every estimate, wherever it stands."""
    if isinstance(node, list):
        for one in node:
            yield from estimates(one)
    elif isinstance(node, dict):
        if {"value", "low", "high"} <= set(node):
            yield node
        for one in node.values():
            yield from estimates(one)


def test_every_column_of_every_source_has_a_meaning():
    for source in SOURCES:
        for name in source.columns:
            assert column_meaning(source.name, name)


def test_versions_and_explanations_get_tables_of_their_own():
    shown = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    evidence = {
        **EVIDENCE,
        "explanations": {
            "m@1": {
                "outputs": [{"name": "y", "importance": [{"name": "x", "mean_effect": shown}]}],
                "checks": [{"output": "y", "name": "stability", "value": 1.0, "verdict": "weak"}],
            }
        },
        "comparison": {
            "outputs": [
                {"name": "y", "groups": [{"attributes": {}, "metrics": {"tpr": {"delta": shown}}}]}
            ]
        },
    }
    (one,) = rows("importance", evidence)
    assert (one["model"], one["output"], one["mean_effect_low"]) == ("m@1", "y", "0.4")
    (check,) = rows("explanation_checks", evidence)
    assert (check["model"], check["output"], check["verdict"]) == ("m@1", "y", "weak")
    (version,) = rows("versions", evidence)
    assert (version["output"], version["metric"], version["delta_n"]) == ("y", "tpr", "9")


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    data = json.dumps(EVIDENCE).encode()
    (tmp_path / "run" / "evidence.json").write_bytes(data)
    named = {"evidence.json": hashlib.sha256(data).hexdigest()}
    (tmp_path / "run" / "manifest.json").write_bytes(manifest_bytes(named))
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
