"""Sums over cells, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.cohorts import Attribute
from audits.comparison.layout import LayoutMaker
from audits.comparison.moments import joint_sums
from audits.comparison.sums import CellSums, ClassSums

rows = st.lists(st.tuples(st.integers(0, 6), st.floats(-1e3, 1e3)), max_size=60)


@given(rows, st.booleans())
def test_rows_side_by_side_and_apart_have_the_same_sums(found, ordered: bool):
    found = sorted(found) if ordered else found
    code = np.array([cell for cell, _ in found], dtype=np.int64)
    values = np.array([value for _, value in found], dtype=np.float64)
    sums = CellSums(code, 8)
    inside = [code == cell for cell in range(8)]
    assert sums.counts.tolist() == [int(one.sum()) for one in inside]
    np.testing.assert_allclose(sums.sum(values), [values[one].sum() for one in inside], atol=1e-9)


@pytest.mark.parametrize("joined", [True, False])
def test_sums_of_classes_are_those_of_each_group(joined: bool):
    rng = np.random.default_rng(1)
    n = 400
    codes = rng.integers(-1, 3, n).astype(np.int32)
    attribute = Attribute(
        name="g", column="g", kind="demographic", levels=tuple("abc"), codes=codes
    )
    layout = LayoutMaker(["g"], []).layout(n, None, [attribute])
    cells, values = rng.integers(0, 8, n).astype(np.uint8), rng.normal(size=n)
    positive = cells >= 4
    classes = ClassSums(layout, positive, joint_sums(layout, cells) if joined else None)
    split = layout.splits[1]
    for given_values, one in ((values, values), (None, np.ones(n))):
        by_class = classes.over(split, given_values)
        for at, label in enumerate((True, False)):
            expected = [
                one[(codes == group) & (positive == label)].sum() for group in (0, 1, 2, -1)
            ]
            np.testing.assert_allclose(by_class[at], expected, atol=1e-9)
