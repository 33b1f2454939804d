"""Charts of effects over a cohort: the same numbers drawn, told and tabulated."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.charts import Beeswarm, Dependence, Dot


def _dots(effects):
    return tuple(
        Dot(effect=float(e), value=str(i), rank=None if i == 0 else i / len(effects))
        for i, e in enumerate(effects)
    )


def test_every_dot_of_a_swarm_is_drawn_once_and_in_its_lane():
    rng = np.random.default_rng(0)
    rows = tuple((name, _dots(rng.normal(size=80))) for name in ("Lactate", "Age", "pH"))
    chart = Beeswarm(rows=rows, unit="logits")
    traces = chart.figure()["data"]
    assert sum(len(trace["x"]) for trace in traces) == 240
    heights = np.concatenate([trace["y"] for trace in traces])
    assert np.abs(heights - np.round(heights)).max() < 0.45
    assert list(chart.frame()["Variable"]) == ["Lactate", "Age", "pH"]
    assert chart.frame()["Highest"][0] == pytest.approx(max(d.effect for d in rows[0][1]))
    assert "80 randomly drawn cases" in chart.alt


def test_a_dependence_tells_its_ends_and_averages_tenths():
    values = tuple(np.linspace(0, 10, 100))
    chart = Dependence(
        label="Lactate",
        unit="mmol/L",
        values=values,
        effects=tuple(v / 10 for v in values),
        effect_unit="logits",
        normal=(0.5, None),
    )
    assert "+0.00 at 0 to +1.00 at 10 mmol/L" in chart.alt
    assert len(chart.frame()) == 10
    assert chart.frame()["Mean effect"].is_monotonic_increasing
    assert len(chart.figure()["layout"]["shapes"]) == 1
    none = Dependence(label="pH", unit="", values=(), effects=(), effect_unit="logits")
    assert none.figure()["data"] == []
    assert "none of the drawn" in none.alt
