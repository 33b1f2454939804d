"""Nothing is made from a run that was altered: what is made of it would verify as intact."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from audits.errors import StoreError
from audits.reporting import export_run
from audits.running.predictions import run_predictions_audit
from audits.storage import open_run, verify_run


@pytest.fixture
def run(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"y": rng.integers(0, 2, 80), "s": rng.random(80)})
    table["sex"] = np.where(rng.random(80) < 0.5, "F", "M")
    out = tmp_path / "run"
    table.to_csv(tmp_path / "t.csv", index=False)
    run_predictions_audit(
        tmp_path / "t.csv", out=out, labels="y", scores="s", groups=["sex"], thresholds=[0.5],
        why=False, store=tmp_path / "store",
    )  # fmt: skip
    return out


def edited(path, change):
    evidence = json.loads(path.read_bytes())
    change(evidence)
    path.write_text(json.dumps(evidence))


@pytest.mark.parametrize("form", ["md", "json", "csv"])
def test_no_export_is_made_of_edited_evidence(run, tmp_path, form):
    target = tmp_path / f"out.{form}"
    export_run(open_run(run), form, target)
    target.unlink()
    edited(run / "evidence.json", lambda e: e["study"].update(cases=81))
    assert not verify_run(run).intact
    with pytest.raises(StoreError, match=r"evidence\.json: was altered since the run was written"):
        export_run(open_run(run), form, target)
    assert not target.exists()


def test_without_a_manifest_nobody_can_tell(run, tmp_path):
    (run / "manifest.json").unlink()
    with pytest.raises(StoreError, match="nobody can tell"):
        export_run(open_run(run), "md", tmp_path / "out.md")


def test_a_run_of_a_newer_schema_is_not_read_as_if_it_were_understood(run):
    edited(run / "evidence.json", lambda e: e.update(schema_version="2.0"))
    with pytest.raises(StoreError, match=r"schema 2\.0, and this version of Auscult reads"):
        _ = open_run(run).evidence
