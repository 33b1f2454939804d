"""A study folder as the rest of the house sees it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cohorts import open_study
from audits.errors import StudyError
from model_adapters.base import Feature, Field, ImageValue

IMAGE = Field(name="image", modality="image")
RECORD = Field(
    name="ehr",
    modality="table",
    features=(
        Feature(name="lactate", label="Lactate"),
        Feature(name="sex", label="Sex", kind="category", levels=("F", "M")),
    ),
)


@pytest.fixture
def study(write_study):
    return open_study(write_study())


def test_only_the_audit_split_is_audited(study):
    assert study.case_ids == ("a", "b", "c", "d", "e", "f")
    assert study.split == "test"
    assert list(study.cases.index) == list(study.case_ids)
    assert study.n_patients == 5
    assert study.patients.tolist() == [0, 0, 1, 2, 3, 4]
    assert (study.name, study.version, study.licence) == ("small", "1.0", "CC0")


def test_another_split_can_be_looked_at(study):
    train = study.in_split("train")
    assert train.case_ids == ("t1", "t2")
    assert train.sha256 != study.sha256


def test_labels_and_groups_are_aligned(study):
    assert study.labels["effusion"].values.tolist() == [1, 0, 0, 1, 0, -1]
    sex, age, site = study.attributes()
    assert sex.levels == ("F", "M", "Unknown")
    assert age.levels == ("<40", "40-<65", ">=65", "Unknown")
    assert age.codes.tolist() == [0, 1, 1, 2, 3, 2]
    assert site.kind == "site"
    assert study.attributes(["sex"])[0].codes.tolist() == sex.codes.tolist()


def test_what_a_reader_must_know_is_a_finding(study):
    assert [one.where for one in study.findings] == ["groups.site"]
    assert [one.to_dict() for one in study.skipped] == [
        {"case": "f", "reason": "None of its labels is there."}
    ]


def test_variables_carry_what_a_clinician_needs(study):
    age, lactate, sex = study.variables
    assert age.protected
    assert not age.actionable
    assert lactate.label == "Lactate"
    assert lactate.unit == "mmol/L"
    assert lactate.normal == (0.5, 2.2)
    assert lactate.code == "LOINC:2524-7"
    assert sex.kind == "category"
    assert sex.levels == ("F", "M")


def test_a_case_that_does_not_open_is_listed_and_the_others_go_on(study):
    batch, usable, skipped = study.raw_batch([IMAGE, RECORD], study.case_ids)
    assert usable == ["a", "b"]
    assert len(batch["image"]) == 2
    assert isinstance(batch["image"][0], ImageValue)
    assert batch["image"][0].pixels.shape == (5, 7)
    assert [one.case for one in skipped] == ["c", "d", "e", "f"]
    assert "images/broken.png" in skipped[0].reason
    assert "no such file" in skipped[1].reason
    assert "not shipped" in skipped[2].reason
    assert batch["ehr"]["lactate"].tolist()[0] == 1.0
    assert np.isnan(batch["ehr"]["lactate"].tolist()[1])
    assert batch["ehr"]["sex"].tolist() == ["F", "M"]


def test_what_is_shipped_is_known_without_opening_it(study):
    assert study.available([IMAGE]).tolist() == [True, True, True, True, False, False]
    assert study.available([RECORD]).all()


def test_a_table_alone_opens_no_image(study):
    batch, usable, skipped = study.raw_batch([RECORD], ["f", "c"])
    assert usable == ["f", "c"]
    assert not skipped
    assert batch["ehr"]["sex"].tolist() == ["F", None]


def test_case_ids_sequences_and_text_are_inputs_too(study):
    fields = [
        Field(name="case_id", modality="case_id"),
        Field(name="vitals", modality="sequence"),
        Field(name="note", modality="text"),
    ]
    batch, usable, skipped = study.raw_batch(fields, ["a", "b", "c"])
    assert usable == ["a", "c"]
    assert batch["case_id"].tolist() == ["a", "c"]
    assert batch["vitals"][0]["value"].tolist() == [90.0, 91.0]
    assert len(batch["vitals"][1]) == 0
    assert batch["note"] == ["Short of breath.", "No fever."]
    assert skipped[0].case == "b"
    assert skipped[0].reason == "Case b: it has no text in 'note'; add one."


def test_masks_are_found_by_output_and_read_as_truth(study):
    one = study.inputs["image"]
    assert one.mask_column("effusion") == "effusion_mask"
    assert one.mask_column("nodule") is None
    assert one.anatomy_mask_column == "lung_mask"
    mask = study.mask("a", "effusion_mask")
    assert mask.dtype == np.bool_
    assert mask.sum() == 5
    assert study.mask("b", "effusion_mask") is None


def test_one_case_can_be_looked_at(study):
    assert study.image("a").pixels.dtype == np.float32
    assert study.note("a") == "Short of breath."
    assert study.note("b") is None
    assert study.sequence("a")["time"].tolist() == [1.0, 2.0]


def test_a_model_s_field_of_another_name_finds_the_only_input_of_its_kind(study):
    batch, usable, _ = study.raw_batch([Field(name="xray", modality="image")], ["a"])
    assert usable == ["a"]
    assert batch["xray"][0].pixels.shape == (5, 7)


def test_the_hash_follows_every_file(write_study, study_toml, study):
    folder = study.folder
    first = study.sha256
    assert open_study(folder).sha256 == first
    (folder / "unrelated.txt").write_text("x", encoding="utf-8")
    assert open_study(folder).sha256 == first
    (folder / "masks" / "a.png").write_bytes((folder / "images" / "a.png").read_bytes())
    second = open_study(folder).sha256
    assert second != first
    (folder / "vitals.parquet").write_bytes(b"other")
    assert open_study(folder).sha256 not in (first, second)


def test_all_rows_are_audited_without_a_test_split(write_study, study_toml, study_cases):
    frame = study_cases.assign(split="x")
    assert len(open_study(write_study(study_toml, frame)).case_ids) == 8
    plain = study_toml.replace('split = "split"', "")
    assert open_study(write_study(plain, name="plain")).split is None


def test_shared_patients_are_said(write_study, study_toml, study_cases):
    frame = study_cases.assign(patient_id=1)
    found = open_study(write_study(study_toml, frame)).findings
    assert any("1 patients have cases inside and outside" in one.message for one in found)


def broken(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    return frame.assign(**values)


BAD = {
    "double id": ({"case_id": ["a"] * 8}, "", "", ["'case_id'", "1 id more", "first a", "one row"]),
    "no id": ({"case_id": [None] * 8}, "", "", ["'case_id'", "empty in 8 rows"]),
    "three values": ({"effusion": [0, 1, 2, 0, 0, 0, 0, 0]}, "", "", ["'effusion'", "3 (0, 1, 2)"]),
    "no column": ({}, 'column = "sex"', 'column = "gender"', ["'gender'", "found: case_id"]),
    "no image column": ({}, '"image_path"', '"image"', ["'image'", "study.toml"]),
    "no mask column": ({}, '"lung_mask"', '"lungs"', ["'lungs'"]),
    "no patient": ({}, '"patient_id"', '"patient"', ["'patient'", "did you mean 'patient_id'?"]),
    "no table": ({}, '"cases.parquet"', '"cases.csv"', ["cases.csv", "no such file"]),
    "outside": ({}, '"cases.parquet"', '"../cases.csv"', ["../cases.csv", "leads out"]),
    "no split": (
        {},
        'split = "split"',
        'split = "split"\naudit_split = "tset"',
        ["'tset'", "test, train", "cases.audit_split"],
    ),
    "split without column": (
        {},
        'split = "split"',
        'audit_split = "test"',
        ["'test'", "cases.split", "name the one"],
    ),
    "no variable": ({}, "variables.csv", "gone.csv", ["gone.csv", "no such file"]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_sentence(
    name, write_study, study_toml, study_cases, assert_sentence
):
    values, old, new, parts = BAD[name]
    toml = study_toml.replace(old, new, 1) if old else study_toml
    folder = write_study(toml, study_cases.assign(**values))
    with pytest.raises(StudyError) as caught:
        open_study(folder)
    assert_sentence(caught.value, *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name,labelx\nage,Age\n", ["'labelx'", "did you mean 'label'?"]),
        ("label\nAge\n", ["'name'"]),
        ("name\nage\nage\n", ["'name'", "more than once", "age"]),
        ("name\nheight\n", ["'height'", "row 0"]),
        ("name,protected\nage,perhaps\n", ["protected in row 0", "true or false", "'perhaps'"]),
        ("name,low\nage,few\n", ["'low'", "reference limits", "row 0"]),
    ],
)
def test_variables_that_do_not_fit_are_one_sentence(text, parts, study, assert_sentence):
    (study.folder / "variables.csv").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        open_study(study.folder)
    assert_sentence(caught.value, "variables.csv", *parts)


@pytest.mark.parametrize(
    ("ask", "parts"),
    [
        (lambda s: s.image("zz"), ["'zz'", "6 audited", "'a'"]),
        (lambda s: s.image("c"), ["images/broken.png", "does not open as png"]),
        (lambda s: s.image("e"), ["Case e", "not shipped"]),
        (lambda s: s.mask("a", "no_mask"), ["'no_mask'"]),
        (lambda s: s.attributes(["race"]), ["'race'", "sex, age_band, site"]),
        (
            lambda s: s.raw_batch([Field(name="ct", modality="signal")], ["a"]),
            ["'ct' (signal)", "image (image)", "declare [inputs.ct]"],
        ),
        (
            lambda s: s.raw_batch(
                [
                    Field(
                        name="ehr",
                        modality="table",
                        features=(Feature(name="lactat", label="Lactate"),),
                    )
                ],
                ["a"],
            ),
            ["'lactat'", "did you mean 'lactate'?"],
        ),
        (
            lambda s: s.raw_batch(
                [Field(name="ehr", modality="table", features=(Feature(name="sex", label="S"),))],
                ["a"],
            ),
            ["'sex'", "numeric input", "1 cell that is"],
        ),
    ],
)
def test_a_wrong_question_is_answered_in_one_sentence(ask, parts, study, assert_sentence):
    with pytest.raises(StudyError) as caught:
        ask(study)
    assert_sentence(caught.value, *parts)


def test_a_path_out_of_the_study_is_not_followed(write_study, study_toml, study_cases):
    (study_cases.loc[0, "image_path"], study_cases.loc[1, "image_path"]) = ("../x.png", "/etc/x")
    study = open_study(write_study(study_toml, study_cases))
    _, usable, skipped = study.raw_batch([IMAGE], ["a", "b"])
    assert not usable
    assert all("leads out of the study folder" in one.reason for one in skipped)
    assert len(study.sha256) == 64
