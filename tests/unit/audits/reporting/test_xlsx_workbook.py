"""The workbook: full numbers, no formula, the same bytes every time."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest

from audits.reporting.tables import evidence_tables
from audits.reporting.workbook import workbook
from audits.storage import canonical_json


@pytest.fixture(scope="module")
def book(exact):
    return openpyxl.load_workbook(io.BytesIO(workbook(exact)))


def column(sheet, name):
    head = [c.value for c in sheet[1]]
    return [row[head.index(name)] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_the_same_evidence_gives_the_same_bytes(exact):
    assert workbook(json.loads(canonical_json(exact))) == workbook(exact)


def test_every_table_is_there_with_its_numbers(book, exact):
    assert book.sheetnames[:4] == ["Cover", "Groups", "Comparisons", "Skipped"]
    assert len(book.sheetnames) == 1 + len(evidence_tables(exact))
    groups = next(t for t in evidence_tables(exact) if t.name == "groups")
    values = [row.get("value") for row in groups.rows]
    # A workbook keeps sixteen digits; the tables as CSV keep all of them.
    found = column(book["Groups"], "value")
    assert [v is None for v in found] == [v is None for v in values]
    shown = [v for v in values if v is not None]
    assert [v for v in found if v is not None] == pytest.approx(shown, rel=1e-14, abs=0)
    assert len(column(book["Requirements"], "id")) == len(exact["requirements"])


def test_nothing_is_a_formula(exact):
    evidence = json.loads(canonical_json(exact))
    evidence["outputs"][0]["name"] = "=1+1"
    evidence["skipped"] = [{"case": "@cmd", "reason": "https://example.org"}]
    found = openpyxl.load_workbook(io.BytesIO(workbook(evidence)))
    for sheet in found:
        assert not [c for row in sheet.iter_rows() for c in row if c.data_type == "f"]
    assert column(found["Groups"], "output")[0] == "=1+1"


def test_a_masked_number_is_an_empty_cell(restricted):
    found = openpyxl.load_workbook(io.BytesIO(workbook(restricted)))
    masked = column(found["Groups"], "suppressed")
    values = column(found["Groups"], "value")
    assert any(masked)
    assert all(v is None for v, m in zip(values, masked, strict=True) if m)
