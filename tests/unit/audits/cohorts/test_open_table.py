"""Audits without a model: one table of labels and scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cohorts import open_table
from audits.errors import StudyError


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["p", "q", "r", "s"],
            "y": [1, 0, None, 1],
            "s": [0.9, 0.2, 0.5, np.nan],
            "z": [0, 1, 0, 1],
            "u": [0.1, 0.2, 0.3, 0.4],
            "pid": [7, 7, 8, 9],
            "sex": ["F", "M", None, "F"],
            "age": [15, 20, 70, 41],
            "logit": [-3.0, 4.0, np.inf, 0.0],
        }
    )


def test_rows_without_label_or_score_are_listed_and_the_others_kept(frame):
    table = open_table(frame, labels="y", scores="s", case_id="id", patient="pid")
    assert table.case_ids == ("p", "q", "r", "s")
    assert table.labels["y"].values.tolist() == [1, 0, -1, 1]
    assert table.scores[0].usable.tolist() == [True, True, False, False]
    assert [one.to_dict() for one in table.skipped] == [
        {"case": "r", "reason": "The label 'y' is missing."},
        {"case": "s", "reason": "The score 's' is missing."},
    ]
    assert table.patients.tolist() == [0, 0, 1, 2]
    assert table.n_patients == 3


def test_cases_are_row_numbers_without_an_id_column(frame):
    table = open_table(frame, labels="z", scores="u")
    assert table.case_ids == ("0", "1", "2", "3")
    assert table.patients is None
    assert table.name == "table"
    assert not table.skipped


def test_labels_and_scores_pair_in_order(frame):
    table = open_table(frame, labels=["y", "z"], scores=["s", "u"])
    assert [(one.name, one.column) for one in table.scores] == [("y", "s"), ("z", "u")]
    assert [one.case for one in table.skipped] == ["2", "3"]


def test_groups_and_intersections(frame):
    table = open_table(
        frame, labels="z", scores="u", groups=["sex", "age:20,40"], intersections=[["sex", "age"]]
    )
    assert table.groups == ("sex", "age")
    sex, age = table.attributes()
    assert sex.levels == ("F", "M", "Unknown")
    assert age.levels == ("<20", "20-<40", ">=40")
    assert table.intersections == (("sex", "age"),)
    assert age.take(np.array([0, 3])).codes.tolist() == [0, 2]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_say_the_same_as_tables(frame, tmp_path, suffix):
    path = tmp_path / f"preds{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    table = open_table(path, labels="y", scores="s", groups=["sex"], patient="pid", case_id="id")
    inline = open_table(frame, labels="y", scores="s", groups=["sex"], patient="pid", case_id="id")
    assert table.name == "preds"
    assert table.case_ids == inline.case_ids
    np.testing.assert_array_equal(table.scores[0].values, inline.scores[0].values)
    np.testing.assert_array_equal(table.patients, inline.patients)
    assert table.attributes()[0].levels == inline.attributes()[0].levels


def test_csv_keeps_leading_zeros_and_the_word_none(tmp_path):
    path = tmp_path / "preds.csv"
    path.write_text("id,y,s,payer\n007,1,.5,None\n07,0,.25,NA\n", encoding="utf-8-sig")
    table = open_table(path, labels="y", scores="s", groups=["payer"], case_id="id")
    assert table.case_ids == ("007", "07")
    assert table.attributes()[0].levels == ("None", "Unknown")


def test_float32_scores_are_widened_not_rounded():
    values = np.array([0.1, 0.7], dtype=np.float32)
    table = open_table(pd.DataFrame({"y": [0, 1], "s": values}), labels="y", scores="s")
    assert table.scores[0].values.dtype == np.float64
    assert table.scores[0].values[0] == float(values[0]) != 0.1


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([1, 0, 1], 1),
        ([1.0, 0.0, np.nan], 1),
        (["1", "0", "1"], 1),
        ([1, 0, 1], "1"),
        ([True, False, True], 1),
        ([True, False, True], "true"),
        (["yes", "no", "yes"], "yes"),
        (pd.Categorical(["yes", "no", "yes"]), "yes"),
        (pd.array([1, 0, None], dtype="Int8"), 1),
        ([2, 1, 2], 2),
    ],
)
def test_a_positive_value_is_recognised_in_every_dress(values, positive):
    frame = pd.DataFrame({"y": values, "s": [0.1, 0.2, 0.3]})
    read = open_table(frame, labels="y", scores="s", positive=positive).labels["y"].values
    assert read.tolist()[:2] == [1, 0]


def test_a_label_without_positives_is_a_finding(frame):
    frame["none"] = 0
    table = open_table(frame, labels="none", scores="u")
    assert "no case that is positive" in table.findings[0].message
    frame["all"] = 1
    table = open_table(frame, labels="all", scores="u")
    assert "no case that is negative" in table.findings[0].message


def test_logits_are_ranked_and_infinite_ones_skipped(frame):
    table = open_table(frame, labels="z", scores="logit", space="logit")
    assert table.scores[0].usable.tolist() == [True, True, False, True]
    assert [one.case for one in table.skipped] == ["2"]


def test_numbers_for_labels(frame):
    label = open_table(frame, labels="age", scores="u", task="regression").labels["age"]
    assert label.target.tolist() == [15.0, 20.0, 70.0, 41.0]
    assert label.known.all()


def test_a_class_against_the_rest():
    frame = pd.DataFrame({"grade": [0, 1, 2], "s": [0.1, 0.2, 0.3]})
    table = open_table(frame, labels="grade", scores="s", positive=2, task="multiclass")
    assert table.labels["grade"].values.tolist() == [0, 0, 1]


def test_missing_patients_are_their_own(frame):
    frame["pid"] = [7, 7, None, None]
    table = open_table(frame, labels="z", scores="u", patient="pid")
    assert table.n_patients == 3
    assert "2 rows have no 'pid'" in table.findings[0].message


@pytest.mark.parametrize(
    "values", [["7", "7", "", "8"], [7, "7", None, "8"], pd.Categorical(["a", "a", None, "b"])]
)
def test_patients_are_counted_once_whatever_their_dtype(frame, values):
    table = open_table(frame.assign(pid=values), labels="z", scores="u", patient="pid")
    assert table.patients.tolist() == [0, 0, 2, 1]
    assert table.n_patients == 3


def test_an_empty_group_is_a_finding(frame):
    frame["race"] = None
    table = open_table(frame, labels="z", scores="u", groups=["race"])
    assert table.findings[0].where == "groups.race"
    assert "no value at all" in table.findings[0].message


BAD = {
    "three values": ({"labels": "age", "scores": "u"}, ["'age'", "4", "say which"]),
    "third value": ({"labels": "three", "scores": "u"}, ["'three'", "two values", "3 (0, 1, 2)"]),
    "positive absent": ({"labels": "z", "scores": "u", "positive": 5}, ["'z'", "5", "0, 1"]),
    "label typo": ({"labels": "zz", "scores": "u"}, ["'zz'", "did you mean 'z'?", "id, y, s"]),
    "score typo": ({"labels": "z", "scores": "logits"}, ["'logits'", "did you mean 'logit'?"]),
    "score too large": ({"labels": "z", "scores": "age"}, ["'age'", "4 scores", "row 0", "space"]),
    "score text": ({"labels": "z", "scores": "sex"}, ["'sex'", "3 cells", "no number"]),
    "no usable row": ({"labels": "z", "scores": "empty"}, ["'empty'", "no row", "at least one"]),
    "unpaired": ({"labels": ["y", "z"], "scores": ["s"]}, ["2 labels", "1 scores", "one score"]),
    "positives": (
        {"labels": ["y", "z"], "scores": ["s", "u"], "positive": [1]},
        ["1 for 2 labels", "give one"],
    ),
    "two positives": (
        {"labels": ["z", "z"], "scores": ["s", "u"], "positive": [1, 0]},
        ["'z'", "two positive values", "copy"],
    ),
    "group typo": ({"labels": "z", "scores": "u", "groups": ["agee:5"]}, ["'agee'", "'age'"]),
    "patient typo": ({"labels": "z", "scores": "u", "patient": "patient"}, ["'patient'"]),
    "double ids": (
        {"labels": "z", "scores": "u", "case_id": "pid"},
        ["'pid'", "1 id more", "first 7", "keep one row"],
    ),
    "missing ids": (
        {"labels": "z", "scores": "u", "case_id": "sex"},
        ["'sex'", "empty in 1 rows", "row 2", "id"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_sentence(name, frame, assert_sentence):
    options, parts = BAD[name]
    frame["three"] = [0, 1, 2, 0]
    frame["empty"] = np.nan
    with pytest.raises(StudyError) as caught:
        open_table(frame, **options)
    assert_sentence(caught.value, *parts)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("gone.csv", None, ["no such file", "check the name"]),
        ("t.txt", b"y,s\n1,.5\n", ["'.txt'", "convert"]),
        ("t.parquet", b"not parquet", ["cannot be read", "again"]),
        ("t.csv", b"", ["cannot be read"]),
        ("t.csv", b"y,s\n", ["no row", "at least one"]),
        ("t.csv", b"y,s\n1,\xff\n", ["cannot be read"]),
        ("t.csv", b"y;s\n1;.5\n", ["'y'", "separated by commas"]),
    ],
)
def test_unreadable_files_are_one_sentence(name, content, parts, tmp_path, assert_sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError) as caught:
        open_table(tmp_path / name, labels="y", scores="s")
    assert_sentence(caught.value, name, *parts)


def test_doubled_columns_and_empty_tables_are_refused(frame, assert_sentence):
    double = pd.concat([frame, frame[["y"]]], axis=1)
    with pytest.raises(StudyError) as caught:
        open_table(double, labels="y", scores="s")
    assert_sentence(caught.value, "'y'", "twice", "keep one")
    with pytest.raises(StudyError) as caught:
        open_table(frame.iloc[:0], labels="y", scores="s")
    assert_sentence(caught.value, "no row")


def test_an_error_shows_no_patient_s_value(frame):
    frame["secret"] = [123456.0, 0.1, 0.2, 0.3]
    with pytest.raises(StudyError) as caught:
        open_table(frame, labels="z", scores="secret")
    assert "123456" not in str(caught.value)


def test_the_hash_follows_the_content(frame, tmp_path):
    changed = frame.assign(s=frame["s"] + 0.01)
    first = open_table(frame, labels="y", scores="s").sha256
    assert first == open_table(frame.copy(), labels="y", scores="s").sha256
    assert first != open_table(changed, labels="y", scores="s").sha256
    assert len(first) == 64
