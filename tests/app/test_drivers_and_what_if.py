"""What drives a model, and what its output would be, on the pages of a run of the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.running import run_study_audit

SAMPLE = Path(__file__).parents[2] / "sample_data" / "icu_deterioration"


@pytest.mark.skipif(
    not (SAMPLE / "study.toml").is_file(), reason="the sample study is not in this checkout"
)
def test_the_pages_tell_drivers_and_what_would_be(open_app, tmp_path):
    run = run_study_audit(
        SAMPLE,
        [SAMPLE / "models" / "xgboost-1.0"],
        out=tmp_path / "run",
        store=tmp_path / "store",
        policy={"audit": {"groups": ["sex", "race"], "verdict_metrics": ["tpr"]}},
        device="cpu",
        explain_cases=4,
        check_cases=0,
        why=False,
    )
    (key,) = run.model_keys
    case = run.explained_cases(key)[0]
    app = open_app(tmp_path / "store", "bias_audit", section="drivers")
    assert not app.exception
    assert not app.error
    heads = [one.value for one in (*app.header, *app.subheader)]
    assert "What moves the score" in heads
    assert "Inputs that stand for a protected basis" in heads
    app = open_app(tmp_path / "store", "case_review", case=case, section="what_if")
    assert not app.exception
    assert not app.error
    slider = app.slider[0]
    before = app.metric[0].value
    slider.set_value(slider.max).run()
    assert not app.exception
    assert app.metric[0].label == "The model's output would be"
    assert app.metric[0].value != before
