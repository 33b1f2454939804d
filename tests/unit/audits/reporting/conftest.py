"""One small audit for all formats, exact and restricted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits import audit_predictions
from audits.cli.failures import run_guarded as main
from audits.explanations.shortcuts import MeasuredSuspect, judge_shortcuts
from audits.reporting import restrict, seal
from audits.reporting.pdf import report_pdf
from audits.storage import open_run

ROWS = 700
SAMPLE = Path(__file__).parents[4] / "sample_data" / "icu_multimodal"
STUDY = """
[study]
name = "ward"
version = "1.0"
[cases]
table = "cases.parquet"
id = "case_id"
patient = "patient_id"
[labels.deterioration]
column = "deterioration"
positive = 1
[groups.sex]
column = "sex"
[inputs.note]
column = "note"
"""


def table() -> pd.DataFrame:
    """Return scores with a planted disparity and cells of fewer than ten people."""
    rng = np.random.default_rng(7)
    sex = rng.choice(["F", "M"], ROWS)
    band = rng.choice(["<40", "40-<80", ">=80"], ROWS, p=[0.48, 0.48, 0.04])
    y = rng.random(ROWS) < 0.35
    seen = np.where((sex == "F") & (band == "<40"), 0.35, 0.9)
    score = np.where(y & (rng.random(ROWS) < seen), 0.8, 0.2) + rng.normal(0, 0.05, ROWS)
    frame = {"y": y.astype(int), "s": score.clip(0, 1), "sex": sex, "age_band": band}
    return pd.DataFrame({**frame, "patient": np.arange(ROWS) // 2})


@pytest.fixture(scope="session")
def exact():
    result = audit_predictions(
        table(),
        label="y",
        score="s",
        groups=["sex", "age_band"],
        intersections=[["sex", "age_band"]],
        patient="patient",
        threshold=0.5,
    )
    return seal(result.to_dict(), "0" * 64)


@pytest.fixture(scope="session")
def restricted(exact):
    evidence = restrict(exact)
    evidence["policy"] = {
        **evidence["policy"],
        "suppression": {"release": "restricted", "cell": 10},
    }
    return seal(evidence, "0" * 64)


@pytest.fixture(scope="session")
def survival():
    """An audit of a survival outcome: further measures, a horizon, no threshold."""
    rng = np.random.default_rng(3)
    sex = rng.choice(["F", "M"], ROWS)
    risk = rng.normal(0, 1, ROWS)
    event, leaving = rng.exponential(20 * np.exp(-risk)), rng.exponential(30, ROWS)
    frame = pd.DataFrame(
        {
            "sex": sex,
            "risk": 1 / (1 + np.exp(-risk - rng.normal(0, 0.4, ROWS) * (sex == "F"))),
            "days": np.minimum(event, leaving).round(1) + 0.1,
            "death": (event <= leaving).astype(int),
        }
    )
    result = audit_predictions(
        frame, label="death", event="death", time="days", score="risk", task="survival",
        groups=["sex"],
    )  # fmt: skip
    return seal(result.to_dict(), "0" * 64)


@pytest.fixture(scope="session")
def regression():
    """An audit of a number: errors with their limits of agreement."""
    rng = np.random.default_rng(4)
    truth = rng.normal(60, 10, ROWS)
    frame = {"sex": rng.choice(["F", "M"], ROWS), "ef": truth, "s": truth + rng.normal(0, 4, ROWS)}
    result = audit_predictions(
        pd.DataFrame(frame), label="ef", score="s", task="regression", space="value",
        groups=["sex"],
    )  # fmt: skip
    return seal(result.to_dict(), "0" * 64)


def ward(folder: Path) -> tuple[Path, pd.DataFrame]:
    """Write a study of 240 simulated notes that all hold words found nowhere else."""
    held = pd.read_parquet(SAMPLE / "cases.parquet").query("split == 'test' and note.notna()")
    cases = held.groupby("deterioration").head(120).reset_index(drop=True)
    told = cases["sex"].map({"F": "zebrafinch", "M": "marmoset"})
    cases["note"] = cases["note"] + " Quillfeather saw a " + told + "."
    folder.mkdir()
    columns = ["case_id", "patient_id", "sex", "note", "deterioration"]
    cases[columns].to_parquet(folder / "cases.parquet")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder, cases


@pytest.fixture(scope="session")
def noted(tmp_path_factory):
    """A run of a model that reads notes, and the cases with their notes."""
    base = tmp_path_factory.mktemp("notes")
    study, cases = ward(base / "study")
    command = ["audit", "--study", study, "--model", SAMPLE / "models" / "notes-1.0"]
    command += ["--explain-cases", 4, "--check-cases", 1, "--store", base / "store"]
    assert main([str(word) for word in [*command, "--out", base / "run"]]) == 0
    return base, cases


def suspect(name, effect):
    """Return what the removal of a suspect did to 40 cases of 20 patients."""
    rng = np.random.default_rng(len(name))
    return MeasuredSuspect(
        model="old@1.0",
        outputs=("y",),
        suspect=name,
        case_ids=tuple(f"c{at}" for at in range(40)),
        patients=np.arange(40) // 2,
        labels=rng.integers(0, 2, (40, 1)).astype(np.int8),
        effect=rng.normal(effect, 0.6, (40, 1)),
        sham=rng.normal(0, 0.6, (40, 1)),
        inserted=rng.normal(effect, 0.6, (20, 1)),
        inserted_patients=np.arange(20),
        mass_share=rng.random((40, 1)),
        area_share=np.full(40, 0.03),
    )


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory):
    """Two versions over one table, with a shortcut audit, exact."""
    base = tmp_path_factory.mktemp("compared")
    frame = table()
    noise = np.random.default_rng(5).normal(0, 0.2, ROWS)
    frame["new"] = (frame["s"] + noise).clip(0, 1)
    frame.to_csv(base / "t.csv", index=False)
    command = ["compare", "--predictions", base / "t.csv", "--label", "y", "--patient", "patient"]
    command += ["--base-score", "s", "--candidate-score", "new", "--threshold", "0.5"]
    command += ["--group", "sex", "--group", "age_band", "--intersect", "sex,age_band"]
    command += ["--store", base / "store", "--out", base / "run"]
    assert main([str(word) for word in command]) == 0
    judged = judge_shortcuts([suspect("border", 0.0), suspect("marker", 2.0)])
    return {**open_run(base / "run").exact, "shortcuts": judged}


@pytest.fixture(scope="session", params=["internal", "restricted"])
def compared(request, two_versions):
    """Two versions at each release."""
    return seal(two_versions if request.param == "internal" else restrict(two_versions), "0" * 64)


@pytest.fixture(scope="session")
def exact_pdf(exact):
    """The report of the exact audit, made once."""
    return report_pdf(exact)
