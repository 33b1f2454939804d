"""The check of an explanation on request, on a real model of the sample."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from audits.jobs import JobRunner
from audits.running import run_study_audit

SAMPLE = Path(__file__).parents[2] / "sample_data" / "icu_deterioration"
MODEL = "mlp-1.0"


@pytest.mark.skipif(
    not (SAMPLE / "study.toml").is_file(), reason="the sample study is not in this checkout"
)
def test_a_case_is_checked_when_somebody_asks(open_app, tmp_path):
    run = run_study_audit(
        SAMPLE,
        [SAMPLE / "models" / MODEL],
        out=tmp_path / "run",
        store=tmp_path / "store",
        policy={"audit": {"groups": ["sex"], "verdict_metrics": ["tpr"]}},
        device="cpu",
        explain_cases=1,
        check_cases=0,
        why=False,
    )
    (key,) = run.model_keys
    (case,) = run.explained_cases(key)
    app = open_app(tmp_path / "store", "case_review", case=case)
    (button,) = [one for one in app.button if one.key == f"check_{key}"]
    assert "Not yet checked" in "\n".join(one.value for one in app.markdown)
    button.click().run()
    assert not app.exception
    assert "Testing this ranking" in "\n".join(one.value for one in app.caption)
    assert "Not yet checked" in "\n".join(one.value for one in app.markdown)
    _wait_for_the_job(tmp_path / "store")
    app.run()
    assert not app.exception
    assert not app.error
    assert not [one for one in app.button if one.key == f"check_{key}"]
    shown = "\n".join(one.value for one in app.markdown)
    assert "Not yet checked" not in shown
    assert "Reflects the model" in shown


def _wait_for_the_job(store: Path) -> None:
    (job,) = JobRunner(store).jobs()
    assert job.verb == "explain"
    for _ in range(1400):
        found = JobRunner(store).job(job.key)
        if found is not None and found.ended:
            assert found.state == "done", found.message
            return
        time.sleep(0.2)
    raise AssertionError("the test of the explanation did not end")
