"""What study.toml may say, and the one sentence where it says something else."""

from __future__ import annotations

import pytest

from audits.cohorts import open_study
from audits.cohorts.spec import load_spec
from audits.errors import StudyError


def test_the_contract_s_example_is_understood(write_study, study_toml):
    spec = load_spec(write_study(study_toml))
    assert spec.study.name == "small"
    assert spec.cases.id == "case_id"
    assert spec.cases.scope == "same_source_test"
    assert spec.labels["effusion"].positive == 1
    assert spec.groups["age_band"].bands == (40.0, 65.0)
    assert spec.groups["site"].kind == "site"
    assert spec.inputs["image"].mask_fields == ("effusion_mask", "lung_mask")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('split = "split"', 'spilt = "split"', ["cases.spilt", "did you mean 'split'?", "rename"]),
        ('table = "cases.parquet"', "", ["cases.table is missing", "add it"]),
        ('kind = "site"', 'kind = "place"', ["groups.site.kind", "'place'", "correct"]),
        ('kind = "png"', 'kind = "bmp"', ["inputs.image.kind", "'bmp'", "png"]),
        ("bands = [40, 65]", 'bands = ["old"]', ["groups.age_band.bands", "'old'"]),
        ('version = "1.0"', "version = 1.0", ["study.version", "string", "1.0"]),
        ('column = "note"', "", ["inputs.note", "column, variables or table"]),
        ("[inputs.note]", "[inputz.note]", ["inputz", "did you mean 'inputs'?"]),
        (
            '[inputs.note]\ncolumn = "note"',
            '[inputs.note]\ncolumn = "note"\nmask_column = "effusion_mask"',
            ["inputs.note", "masks and boxes belong to an image"],
        ),
        (
            'kind = "png"',
            'kind = "png"\nvariables = "variables.csv"',
            ["inputs.image", "column stands alone"],
        ),
        (
            'table = "vitals.parquet"',
            'kind = "png"\ntable = "vitals.parquet"',
            ["inputs.vitals", "needs the column"],
        ),
        ("[study]", "[study", ["not valid TOML", "line"]),
    ],
)
def test_a_mistake_is_one_sentence(write_study, study_toml, assert_sentence, old, new, parts):
    assert old in study_toml
    folder = write_study(study_toml.replace(old, new, 1))
    with pytest.raises(StudyError) as caught:
        open_study(folder)
    assert_sentence(caught.value, "study.toml", *parts)


def test_a_folder_without_a_study_is_named(tmp_path, assert_sentence):
    with pytest.raises(StudyError) as caught:
        open_study(tmp_path)
    assert_sentence(caught.value, str(tmp_path), "study.toml", "give the folder")
