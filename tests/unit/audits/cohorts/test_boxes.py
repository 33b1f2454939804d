"""Boxes around findings, filled on the stored image; what is none is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from audits.cohorts.boxes import filled, read_boxes
from audits.errors import StudyError


@pytest.fixture
def table(tmp_path):
    def write(*rows):
        path = tmp_path / "boxes.csv"
        path.write_text("\n".join(["case_id,label,x,y,width,height", *rows]), encoding="utf-8")
        return path

    return write


def test_boxes_of_one_case_and_label_belong_together(table):
    path = table("007,nodule,2,1,3,2", "007,nodule,8.4,0,1.0,1", "007,mass,0,0,1,1")
    boxes = read_boxes(path, "case_id")
    assert set(boxes) == {("007", "nodule"), ("007", "mass")}
    inside = filled(boxes["007", "nodule"], (4, 10))
    expected = np.zeros((4, 10), dtype=bool)
    expected[1:3, 2:5] = True
    expected[0, 8:9] = True
    assert np.array_equal(inside, expected)


@pytest.mark.parametrize("row", ["c,nodule,2,1,0,2", "c,nodule,2,1,,2"])
def test_a_box_without_area_is_one_sentence(table, row):
    with pytest.raises(StudyError, match=r"1 boxes have no area .* row 1") as caught:
        read_boxes(table("c,nodule,1,1,1,1", row), "case_id")
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("case_id,finding,x,y,width,height\nc,a,1,1,1,1\n", encoding="utf-8")
    with pytest.raises(StudyError, match="no column 'label'"):
        read_boxes(path, "case_id")
