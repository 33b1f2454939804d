"""Codes by form and check digit, columns of codes, and values in another unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits.cohorts import open_study
from audits.cohorts.codes import check_code, coded_columns
from audits.running import quality
from model_adapters.base import Feature

ROOT = Path(__file__).parents[4]
DIABETES = ROOT.parent / "shared" / "data" / "diabetes-admissions"


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("LOINC:2160-0", "recognised"),
        ("loinc:718-7", "recognised"),
        ("LOINC:2160-1", "malformed"),
        ("LOINC:2160", "malformed"),
        ("SNOMED:73211009", "recognised"),
        ("SNOMED-CT:73211008", "malformed"),
        ("ICD-10:E11.9", "recognised"),
        ("ICD-10:11.9", "malformed"),
        ("ICD10CM:S72.001A", "recognised"),
        ("ICD-9:250.83", "recognised"),
        ("ICD9:V58.67", "recognised"),
        ("ICD-9:E9", "malformed"),
        ("local:17", "unknown_system"),
        ("2160-0", "unknown_system"),
    ],
)
def test_a_code_is_checked_by_form_and_digit(written, state):
    found = check_code(written)
    assert found.state == state
    assert bool(found.reason) == (state != "recognised")


@pytest.mark.parametrize("good", ["2160-0", "59408-5", "6690-2"])
def test_every_other_last_digit_is_wrong(good):
    states = [check_code(f"LOINC:{good[:-1]}{digit}").state for digit in range(10)]
    assert states.count("recognised") == 1


@pytest.mark.parametrize("good", ["73211009", "84114007", "709044004", "363346000"])
def test_a_slip_of_a_snomed_code_is_found(good):
    for at in range(len(good)):
        for digit in "0123456789":
            slip = good[:at] + digit + good[at + 1 :]
            assert (check_code(f"SNOMED:{slip}").state == "recognised") == (slip == good)


def test_the_codes_of_the_sample_study_can_be_what_they_say():
    study = open_study(ROOT / "sample_data" / "icu_deterioration")
    checked = quality.code_systems(study.cases, study.variables)
    assert len(checked["variables"]) > 20
    assert {one["state"] for one in checked["variables"]} == {"recognised"}
    assert "unit" in checked["without_code"]


def test_columns_of_codes_are_told_from_numbers_and_words():
    frame = pd.DataFrame(
        {
            "dx": ["250.83", "428", "V58.67", "276", "E909", "401.9"],
            "icd10": ["E11.9", "I10", "N18.3", "J44.1", "C34.90", "I50.9"],
            "days": ["1", "2", "3", "4", "5", "6"],
            "count": [250, 428, 276, 401, 585, 496],
            "word": ["a", "b", "c", "d", "e", "f"],
        }
    )
    found = {one.column: one.system for one in coded_columns(frame, list(frame.columns))}
    assert found == {"dx": "ICD-9", "icd10": "ICD-10"}


def test_no_column_of_real_admissions_is_taken_for_codes():
    if not DIABETES.is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    frame = pd.read_parquet(DIABETES / "predictions.parquet")
    assert coded_columns(frame, list(frame.columns)) == ()


def feature(name, low, high, unit=None):
    return Feature(name=name, label=name, unit=unit, normal=(low, high))


def test_values_in_another_unit_are_named():
    frame = pd.DataFrame(
        {"temperature": np.r_[np.full(90, 37.0), np.full(10, 98.6)], "glucose": np.full(100, 100.0)}
    )
    found = quality.units(
        frame, [feature("temperature", 36, 38, "Cel"), feature("glucose", 70, 140)]
    )
    by_name = {entry["variable"]: entry for entry in found}
    assert by_name["temperature"]["doubts"] == [{"conversion": "°F to °C", "k": 10, "n": 10}]
    assert by_name["glucose"]["state"] == "not_declared"
    assert by_name["glucose"]["doubts"] == []


def test_one_person_under_two_numbers_is_counted_apart():
    frame = pd.DataFrame({"a": [1, 1, 2, 3, 3], "b": [5, 5, 6, 7, 7]})
    found = quality.doubled_rows(frame, ["a", "b"], np.array([0, 1, 2, 3, 3]))
    assert found["rows"] == {"count": 2}
    assert found["under_other_patients"] == {"count": 1}
