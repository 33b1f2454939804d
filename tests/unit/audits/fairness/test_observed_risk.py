"""Of a hundred such patients: the sample, the prevalence, and when nothing is shown."""

from __future__ import annotations

import numpy as np
import pytest

from audits.fairness.observed_risk import ObservedRate, observed_rate, observed_section, of_hundred
from audits.fairness.types import RiskSample, ScoredOutput


def _sample(seed: int, split: str | None) -> RiskSample:
    rng = np.random.default_rng(seed)
    risk = rng.random(4000)
    label = (rng.random(4000) < risk**2).astype(np.int8)
    return RiskSample(split=split, risk=risk, label=label, patients=np.arange(4000) // 2)


def _output(elsewhere: RiskSample | None) -> ScoredOutput:
    own = _sample(0, None)
    return ScoredOutput(
        name="sepsis", y=own.label, score=own.risk, patients=own.patients, elsewhere=elsewhere
    )


def test_a_held_out_split_comes_before_the_audited_cases():
    own, other = (
        observed_section(_output(None), None),
        observed_section(_output(_sample(1, "tune")), None),
    )
    assert own["split"] is None
    assert other["split"] == "tune"
    found = observed_rate(other, 0.8, enriched=False)
    assert isinstance(found, ObservedRate)
    assert found.rate == pytest.approx(0.64, abs=0.12)  # drawn as the square of the risk
    assert found.low < found.rate < found.high
    assert found.patients >= 50
    assert "“tune”" in found.counted
    assert found.headline.startswith(f"{of_hundred(found.rate)} in 100 (")


def test_a_rate_is_stated_for_the_declared_prevalence():
    plain = observed_rate(observed_section(_output(None), None), 0.8, enriched=False)
    rare = observed_rate(observed_section(_output(None), 0.01), 0.8, enriched=True)
    odds = plain.rate / (1 - plain.rate) * (0.01 / 0.99)
    odds /= plain.prevalence / (1 - plain.prevalence)
    assert rare.rate == pytest.approx(odds / (1 + odds))
    assert rare.declared
    assert rare.prevalence == 0.01


def test_why_no_rate_is_shown():
    section = observed_section(_output(None), None)
    assert "enriched" in observed_rate(section, 0.8, enriched=True)
    assert "fewer than 50" in observed_rate({**section, "bins": []}, 0.8, enriched=False)
    assert "no probability" in observed_rate(section, None, enriched=False)
    withheld = {"state": "not_available", "reason": "Not shown in a restricted release."}
    assert "restricted" in observed_rate(withheld, 0.8, enriched=False)
    number = ScoredOutput(name="days", y=np.ones(3), score=np.ones(3), task="regression")
    assert observed_section(number, None) is None
