"""The bias audit of outcomes that are times, numbers, classes and stays, and its data quality."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cohorts.task_columns import StayNames, TaskNames
from audits.running import run_predictions_audit


def cohort(n=400):
    rng = np.random.default_rng(2)
    stay = np.arange(n) // 8
    event = np.where(stay % 3 == 0, 20.0, np.nan)
    hour = (np.arange(n) % 8) * 3.0
    near = (event - hour > 0) & (event - hour <= 12)
    return pd.DataFrame(
        {
            "sex": np.where(stay % 2, "F", "M"),
            "pid": stay // 2,
            "stay": stay,
            "hour": hour,
            "event_hour": event,
            "y": near.astype(int),
            "p": np.clip(0.3 * near + rng.random(n) * 0.7, 0, 1),
            "died": rng.integers(0, 2, n),
            "days": rng.exponential(200, n),
            "los": rng.gamma(2, 2, n),
            "los_hat": rng.gamma(2, 2, n),
            "seen": pd.Timestamp("2024-01-05") + pd.to_timedelta(np.arange(n) % 90, unit="D"),
            "code": rng.choice(["I10", "E11.9", "N18.3", "J44.1", "I50.9"], n),
        }
    )


STAYS = StayNames(stay="stay", at="hour", event="event_hour", window=12, silence=6)
ASKED = {
    "stays": {"labels": "y", "scores": "p", "columns_of": TaskNames(stays=STAYS, acquired="seen")},
    "survival": {
        "task": "survival",
        "labels": "died",
        "scores": "p",
        "horizons": [180],
        "columns_of": TaskNames(time="days"),
    },
    "regression": {"task": "regression", "space": "value", "labels": "los", "scores": "los_hat"},
}


@pytest.fixture
def bias_audit(open_app, tmp_path):
    """Return a function that audits a table and opens a part of the page."""

    def opened(name, section):
        table = tmp_path / "cohort.parquet"
        cohort().to_parquet(table)
        run_predictions_audit(
            table,
            tmp_path / "run",
            store=tmp_path / "store",
            patient="pid",
            groups=["sex"],
            policy={"causes": {"slice_columns": ["code"]}},
            **ASKED[name],
        )
        return open_app(tmp_path / "store", "bias_audit", section=section)

    return opened


def texts(app):
    found = [*app.markdown, *app.caption, *app.subheader, *app.metric]
    return "\n".join(str(getattr(e, "label", "") or "") + str(e.value) for e in found)


@pytest.mark.parametrize(
    ("name", "section", "said"),
    [
        ("stays", "further", ("Alarms during a stay", "within 12 hours", "for 6 hours")),
        ("stays", "data", ("Patients and doubled rows", "Code holds ICD-10 codes")),
        ("regression", "further", ("Errors in full", "at no threshold")),
        ("survival", "verdicts", ("horizon **180**",)),
        ("survival", "further", ("no further measures",)),
        ("survival", "calibration", ("this output has none",)),
    ],
)
def test_a_part_of_the_page_shows_its_task(bias_audit, name, section, said):
    app = bias_audit(name, section)
    assert not app.exception
    assert not app.error
    for words in said:
        assert words in texts(app)


def test_numbers_have_no_condition_to_count(bias_audit):
    app = bias_audit("regression", "verdicts")
    assert "With the condition" not in [metric.label for metric in app.metric]
