"""What people said about cases: kept whole, never changed, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner

from audits.cli.commands import auscult
from audits.errors import StoreError
from audits.storage import CaseReview, Reviews, reviews_bytes

LINE = CaseReview(
    time="2026-11-20T10:00:00Z",
    reviewer="a.reader",
    role="clinician",
    run="run-a",
    study_sha256="c" * 64,
    model="toy@1.0",
    output="nodule",
    case="c-001",
    kind="disagree",
    predicted=0.2,
    threshold=0.5,
    reason="A nodule lies behind the heart.",
)


def test_lines_are_added_and_found_by_case_and_run(tmp_path):
    reviews = Reviews(tmp_path)
    assert reviews.listed() == []
    reviews.add(LINE)
    reviews.add(replace(LINE, kind="agree", reason=""))
    reviews.add(replace(LINE, run="run-b"))
    assert [one.kind for one in reviews.of_case("run-a", "nodule", "c-001")] == [
        "disagree",
        "agree",
    ]
    assert len(reviews.listed("run-b")) == 1
    assert reviews.listed()[0] == LINE


@pytest.mark.parametrize(
    "change",
    [{"reason": "  "}, {"kind": "estimate"}, {"kind": "estimate", "own_estimate": 1.2}],
)
def test_a_line_that_says_nothing_is_refused(tmp_path, change):
    with pytest.raises(StoreError, match="c-001"):
        Reviews(tmp_path).add(replace(LINE, **change))
    assert Reviews(tmp_path).listed() == []


def test_people_at_once_lose_no_line(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: Reviews(tmp_path).add(replace(LINE, case=f"c-{i}")), range(24)))
    assert {one.case for one in Reviews(tmp_path).listed()} == {f"c-{i}" for i in range(24)}


def test_the_export_holds_every_field_and_no_formula(tmp_path):
    reviews = [LINE, replace(LINE, reason="=cmd|' /C calc'!A0")]
    rows = list(csv.DictReader(io.StringIO(reviews_bytes(reviews, "csv").decode())))
    assert rows[0]["case"] == "c-001"
    assert rows[0]["predicted"] == "0.2"
    assert rows[1]["reason"].startswith("'=")
    assert json.loads(reviews_bytes(reviews, "json"))[1]["reason"].startswith("=")
    with pytest.raises(StoreError, match="csv or json"):
        reviews_bytes(reviews, "xlsx")


def test_the_command_writes_the_reviews_of_a_run(tmp_path):
    Reviews(tmp_path / "store").add(LINE)
    out = tmp_path / "reviews.json"
    options = ["--store", str(tmp_path / "store"), "--format", "json", "--out", str(out)]
    result = CliRunner().invoke(auscult, ["reviews", "--run", "run-a", *options])
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())[0]["reviewer"] == "a.reader"
