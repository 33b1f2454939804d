"""From columns to levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cohorts import GroupSpec, parse_group
from audits.cohorts.groups import band_names, read_attribute, resolve_groups
from audits.errors import StudyError


def levels_of(values, **spec):
    frame = pd.DataFrame({"g": values})
    attribute = read_attribute(GroupSpec(name="g", column="g", **spec), frame, "cases")
    return attribute.levels, attribute.codes.tolist()


def test_bands_are_half_open_with_open_ends():
    levels, codes = levels_of([19, 20, 39.9, 40, 80, None], bands=(20, 40))
    assert levels == ("<20", "20-<40", ">=40", "Unknown")
    assert codes == [0, 1, 1, 2, 2, 3]


def test_empty_bands_are_dropped():
    assert levels_of([19, 90], bands=(20, 40, 60)) == (("<20", ">=60"), [0, 1])


@pytest.mark.parametrize(
    ("values", "levels", "codes"),
    [
        ([1, 0, 1], ("0", "1"), [1, 0, 1]),
        ([1.0, 0.0, np.nan], ("0", "1", "Unknown"), [1, 0, 2]),
        ([10, 9, 2], ("2", "9", "10"), [2, 1, 0]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        (["M", "F", None], ("F", "M", "Unknown"), [1, 0, 2]),
        (["M", "", "  "], ("M", "Unknown"), [0, 1, 1]),
        (["Unknown", "A", None], ("A", "Unknown"), [1, 0, 1]),
        ([None, None], ("Unknown",), [0, 0]),
        ([-1, 0.5, 1], ("-1", "0.5", "1"), [0, 1, 2]),
    ],
)
def test_values_become_levels_in_their_own_order(values, levels, codes):
    assert levels_of(values) == (levels, codes)


@pytest.mark.parametrize("dtype", ["category", "string", "object", "str"])
def test_every_text_dtype_gives_the_same_levels(dtype):
    values = pd.Series(["b", "a", None], dtype=object).astype(dtype)
    assert levels_of(values) == (("a", "b", "Unknown"), [1, 0, 2])


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64", "category", "boolean"])
def test_every_number_dtype_gives_plain_numbers(dtype):
    values = pd.Series([1, 0, 1]).astype(dtype)
    names = ("False", "True") if dtype == "boolean" else ("0", "1")
    assert levels_of(values) == (names, [1, 0, 1])


def test_an_ordered_category_keeps_its_order_and_declared_levels_come_first():
    stage = pd.Categorical(["late", "early"], categories=["early", "late"], ordered=True)
    assert levels_of(stage)[0] == ("early", "late")
    assert levels_of(["x", "b", "a"], levels=("b",))[0] == ("b", "a", "x")


def test_bands_read_numbers_out_of_text_and_categories():
    levels = levels_of(pd.Series(["19", "45", None], dtype="category"), bands=(20,))[0]
    assert levels == ("<20", ">=20", "Unknown")


def test_five_hundred_levels_are_fine_and_two_thousand_are_not(assert_sentence):
    assert len(levels_of(np.arange(500))[0]) == 500
    with pytest.raises(StudyError) as caught:
        levels_of(np.arange(2000) / 7)
    assert_sentence(caught.value, "'g'", "2,000 different values", "bands")


def test_bands_on_text_are_refused(assert_sentence):
    with pytest.raises(StudyError) as caught:
        levels_of(["old", "7"], bands=(20,))
    assert_sentence(caught.value, "'g'", "cut into bands", "1 cell ", "row 0", "correct")


def test_groups_are_read_as_written():
    assert parse_group("age:20,40").bands == (20.0, 40.0)
    assert parse_group("sex") == GroupSpec(name="sex", column="sex")


def test_a_column_with_a_colon_is_matched_longest_first():
    columns = ["hba1c:mean", "hba1c", "a:b:c", "a:b"]
    assert parse_group("hba1c:mean", columns).column == "hba1c:mean"
    assert parse_group("hba1c:mean:5,7", columns) == GroupSpec(
        name="hba1c:mean", column="hba1c:mean", bands=(5.0, 7.0)
    )
    assert parse_group("a:b:c:1", columns).column == "a:b:c"
    assert parse_group("a:b:1", columns).column == "a:b"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("age:20,x", ["'age'", "numbers", "'20,x'", "age:20,40"]),
        ("age:40,20", ["'age'", "rise", "40,20", "sort"]),
        ("age:20,20", ["rise", "20,20"]),
        ("age:nan", ["finite"]),
    ],
)
def test_wrong_bands_are_one_sentence(text, parts, assert_sentence):
    with pytest.raises(StudyError) as caught:
        parse_group(text, ["age"])
    assert_sentence(caught.value, *parts)


def test_an_intersection_is_banded_as_its_group():
    specs, crossed = resolve_groups(["age:20,40"], [["sex", "age"]], ["age", "sex"])
    assert [(spec.name, spec.bands) for spec in specs] == [("age", (20.0, 40.0)), ("sex", ())]
    assert crossed == (("sex", "age"),)


@pytest.mark.parametrize(
    ("groups", "intersections", "parts"),
    [
        (["age:20", "age:40"], [], ["'age'", "twice", "keep one"]),
        (["age:20"], [["sex", "age:40"]], ["'age'", "otherwise", "once"]),
        ([], [["sex"]], ["at least two", "sex", "name two"]),
        ([], [["sex", "sex"]], ["two different columns"]),
    ],
)
def test_contradicting_groups_are_refused(groups, intersections, parts, assert_sentence):
    with pytest.raises(StudyError) as caught:
        resolve_groups(groups, intersections, ["age", "sex"])
    assert_sentence(caught.value, *parts)


def test_band_names_are_short():
    assert band_names((0.5, 20)) == ("<0.5", "0.5-<20", ">=20")
