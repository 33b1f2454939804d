"""One case of a Parquet study, read without the others, is the case of the whole study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cohorts import open_study
from audits.cohorts.peek import is_peekable, peek_study, yes_no_columns


@pytest.fixture(params=[40, 1000])
def folder(tmp_path, request):
    rng = np.random.default_rng(0)
    n = 300
    table = pd.DataFrame(
        {
            "case_id": [f"c-{at:03d}" for at in range(n)],
            "split": np.where(np.arange(n) < 200, "train", "test"),
            "finding": np.arange(n) % 2,
            "sex": rng.choice(["F", "M"], n),
            "lactate": rng.normal(2, 1, n),
            "grade": rng.integers(0, 3, n),
            "diabetes": np.where(rng.random(n) < 0.2, np.nan, (rng.random(n) < 0.5) * 1.0),
        }
    )
    table.to_parquet(tmp_path / "cases.parquet", index=False, row_group_size=request.param)
    (tmp_path / "variables.csv").write_text(
        "name,label,unit,low,high,code,protected,actionable,description\n"
        "lactate,Lactate,mmol/L,0.5,2,,,,\ngrade,Grade,,,,,,,\ndiabetes,Diabetes,,,,,,,\n"
    )
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "s"\nversion = "1"\n[cases]\ntable = "cases.parquet"\nsplit = "split"\n'
        '[labels.finding]\ncolumn = "finding"\n[groups.sex]\ncolumn = "sex"\n'
        '[inputs.ehr]\nvariables = "variables.csv"\n'
    )
    return tmp_path


def test_a_case_is_the_same_alone_and_among_all(folder):
    whole = open_study(folder)
    one = peek_study(folder, ["c-250"])
    assert one.case_ids == ("c-250",)
    assert one.split == "test"
    assert one.cases.loc["c-250"].equals(whole.cases.loc["c-250"])
    assert one.variables == whole.variables
    assert set(one.inputs) == set(whole.inputs)


def test_cases_of_other_row_groups_and_unknown_ones(folder):
    assert set(peek_study(folder, ["c-210", "c-299", "nobody"]).case_ids) == {"c-210", "c-299"}
    assert "nobody" not in peek_study(folder, ["nobody"]).case_ids
    assert peek_study(folder).variables == open_study(folder).variables


def test_yes_and_no_are_told_from_grades_and_measurements(folder):
    found = yes_no_columns(folder, ["lactate", "grade", "diabetes", "gone"])
    assert found == {"diabetes"}
    assert is_peekable(folder)
