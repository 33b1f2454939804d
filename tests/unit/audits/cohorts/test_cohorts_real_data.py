"""Real patients' tables and images."""

from __future__ import annotations

import pandas as pd

from audits.cohorts import open_table
from audits.cohorts.images import open_image


def test_nih_underdiagnosis_opens_with_its_published_counts(shared_data):
    folder = shared_data / "nih-underdiagnosis"
    table = open_table(
        folder / "predictions_seed76.parquet",
        labels="label_No_Finding",
        scores="prob_No_Finding",
        patient="patient_id",
        groups=["sex", "age:20,40,60,80"],
    )
    published = pd.read_csv(folder / "published_no_finding_by_sex.csv").query("seed == 76").iloc[0]
    sex, age = table.attributes()
    assert age.levels == ("<20", "20-<40", "40-<60", "60-<80", ">=80")
    known = table.labels["label_No_Finding"].values
    for code, level in enumerate(sex.levels):
        here = known[sex.codes == code]
        # The published columns count label 0 ("NNF") and label 1 ("PNF").
        assert (
            int((here == 1).sum()) == published[f"#NNF_{level}"]
            or int((here == 1).sum()) == published[f"#PNF_{level}"]
        )
    assert len(table.case_ids) == 6373
    assert not table.skipped


def test_diabetes_admissions_count_their_patients(shared_data):
    folder = shared_data / "diabetes-admissions"
    frame = pd.read_parquet(folder / "predictions.parquet")
    events = pd.read_parquet(folder / "events.parquet")
    frame["readmitted"] = frame["encounter_id"].isin(events["encounter_id"])
    table = open_table(
        frame,
        labels="readmitted",
        scores="LGBM_score",
        patient="patient_nbr",
        groups=["race", "age", "gender"],
        case_id="encounter_id",
    )
    assert table.n_patients == 69_987
    race, age, _ = table.attributes()
    assert race.levels[-1] == "Unknown"
    counts = {level: int((race.codes == code).sum()) for code, level in enumerate(race.levels)}
    assert counts["AfricanAmerican"] == 18_772
    assert counts["Unknown"] == 2_232
    assert "[20-50)" in age.levels
    assert round(float((table.labels["readmitted"].values == 1).mean()), 4) == 0.1139


def test_nih_radiographs_open(shared_data):
    files = sorted((shared_data / "nih-chexnet" / "images").glob("*.png"))
    assert len(files) == 96
    for path in files[::12]:
        image = open_image(path, "png")
        assert image.pixels.shape == (1024, 1024)
        assert not image.colour
        assert image.high == 255.0
        assert image.pixels.max() <= 255
