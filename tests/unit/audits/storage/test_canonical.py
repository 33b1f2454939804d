"""Results are written in one way only."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import StoreError
from audits.storage import canonical_json, file_name_of, name_of_file, sha256_of


def test_keys_are_sorted_and_text_is_utf8():
    assert canonical_json({"b": 1, "a": "≥80"}) == '{"a":"≥80","b":1}\n'.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_bit_for_bit(value):
    assert json.loads(canonical_json([value]))[0] == value


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float64("nan"), np.array([np.nan])])
def test_nan_is_refused(bad):
    with pytest.raises(StoreError, match="null with a reason"):
        canonical_json({"value": bad})


def test_objects_are_refused():
    with pytest.raises(StoreError, match="no plain data"):
        canonical_json({"value": object()})


def test_numpy_is_taken_as_plain_values():
    mixed = {"i": np.int64(3), "f": np.float64(0.1), "a": np.arange(2), "b": np.bool_(True)}
    assert json.loads(canonical_json(mixed)) == {"i": 3, "f": 0.1, "a": [0, 1], "b": True}


def test_equal_results_have_equal_hashes():
    assert sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})


@given(st.text(min_size=1))
def test_any_name_is_a_file_name_and_back(name):
    stem = file_name_of(name)
    assert "/" not in stem
    assert not stem.startswith(".")
    assert name_of_file(stem) == name
