"""What the report says in words follows from the evidence."""

from __future__ import annotations

import json

import pytest

from audits.reporting.charts import Mark, Panel, group_charts
from audits.reporting.document import build_document
from audits.reporting.document.blocks import Figure, Grid, Missing, Text, Tiles
from audits.reporting.document.findings import disparities, told
from audits.reporting.document.front import margins_moved
from audits.reporting.figures import _range, chart_svg
from audits.reporting.sections import SECTIONS
from audits.storage import canonical_json


def copy(evidence):
    return json.loads(canonical_json(evidence))


def blocks(evidence, section):
    (found,) = [s for s in build_document(evidence).sections if s.id == section]
    return found.blocks


def texts(evidence, style):
    found = blocks(evidence, "executive")
    return [b.text for b in found if isinstance(b, Text) and b.style == style]


def test_every_section_is_there_and_none_is_empty(exact):
    sections = build_document(exact).sections
    assert [s.id for s in sections] == [s.id for s in SECTIONS[1:]]
    assert all(s.blocks for s in sections)


def test_the_front_counts_what_the_evidence_counts(exact):
    (tiles,) = [b for b in blocks(exact, "executive") if isinstance(b, Tiles)]
    counts = exact["summary"]["verdicts"]
    assert {t.mark: t.value for t in tiles.tiles} == {v: f"{n:,}" for v, n in counts.items()}


def test_the_planted_disparity_is_told_first_and_in_its_own_numbers(exact):
    output, worst = disparities(exact["outputs"])[0]
    assert worst["strength"] == "confirmed"
    assert worst["metric"] == "tpr"
    sentence = told(output, worst)
    assert (
        f"{abs(100 * worst['difference']['value']):.1f} points lower than in the rest" in sentence
    )
    assert texts(exact, "note") == [told(*disparities(copy(exact)["outputs"])[0])]


def test_a_run_without_verdicts_says_so(exact):
    evidence = copy(exact)
    for one in evidence["outputs"][0]["comparisons"]:
        one["verdict"] = one["strength"] = None
    (lead,) = texts(evidence, "lead")
    assert "no verdict" in lead


def test_no_disparity_is_not_called_fairness(exact):
    evidence = copy(exact)
    for one in evidence["outputs"][0]["comparisons"]:
        if one["verdict"] == "disparity":
            one |= {"verdict": "inconclusive", "strength": None}
    (lead,) = texts(evidence, "lead")
    assert "none shows a disparity" in lead
    assert "not evidence of equal treatment" in lead


def test_what_is_not_there_has_a_reason(exact):
    for section in ("use", "inputs", "robustness", "versions", "attestations"):
        assert [b for b in blocks(exact, section) if isinstance(b, Missing)]


def test_a_margin_that_moved_between_audits_is_told(exact):
    evidence = copy(exact)
    before = {**evidence["policy"]["margin"], "tpr": 0.1}
    evidence["prior_runs"] = [
        {"run": "r", "policy_sha256": "0", "time": "2026-01-01T00:00:00Z", "margins": before}
    ]
    assert margins_moved(evidence) == ["margin of sensitivity 10 points → 5 points"]
    evidence["prior_runs"][0]["shortcut_margin"] = 0.5
    evidence["policy"] = {**evidence["policy"], "shortcuts": {"margin_logits": 0.25}}
    assert margins_moved(evidence)[1:] == ["margin of the shortcut audit 0.5 → 0.25 logits"]
    evidence["prior_runs"][0]["shortcut_margin"] = 0.25
    assert len(margins_moved(evidence)) == 1
    assert any(
        "10 points → 5 points" in getattr(b, "text", "") for b in blocks(evidence, "executive")
    )


def test_masked_numbers_are_said_to_be_suppressed(restricted):
    grids = [b for b in blocks(restricted, "subgroups") if isinstance(b, Grid)]
    shown = [c.text for g in grids for r in g.rows for c in r.cells]
    assert "suppressed" in shown


def test_a_masked_number_is_not_drawn(restricted):
    output = restricted["outputs"][0]
    values = {
        (metric, estimate["value"])
        for group in output["groups"]
        for metric, estimate in group["metrics"].items()
    }
    masked = [g for g in output["groups"] if g["metrics"]["tpr"].get("suppressed")]
    charts = [b.chart for b in blocks(restricted, "subgroups") if isinstance(b, Figure)]
    assert masked
    for chart in charts:
        for row in chart.rows:
            for panel, mark in zip(chart.panels, row.marks, strict=False):
                assert (panel.metric, mark.value) in values
                assert mark.value is not None or "suppressed" in mark.text or mark.low is None


def test_both_levels_of_a_two_level_attribute_get_its_verdict(exact):
    (chart,) = group_charts(exact["outputs"][0], ["tpr"], name="x")
    verdicts = {row.label: row.marks[0].verdict for row in chart.rows if row.marks}
    assert verdicts["F"] == verdicts["M"] is not None


def test_a_chart_is_the_same_twice_and_its_text_is_text(exact):
    (chart,) = group_charts(exact["outputs"][0], ["tpr", "fpr"], name="x")
    svg = chart_svg(chart)
    assert svg == chart_svg(chart)
    assert ">Sensitivity</text>" in svg
    assert svg.count("<title>") == 2 * sum(bool(r.marks) for r in chart.rows)


def test_a_reliability_curve_is_drawn_from_the_bins_of_the_evidence(exact, restricted):
    (curves,) = [b.chart for b in blocks(exact, "overall") if isinstance(b, Figure)]
    bins = exact["outputs"][0]["reliability"]["bins"]
    (panel,) = curves.panels
    assert [(p.predicted, p.observed) for p in panel.points] == [
        (one["predicted"], one["observed"]["value"]) for one in bins
    ]
    svg = chart_svg(curves)
    assert svg == chart_svg(curves)
    assert svg.count("<title>Predicted") == len(bins)
    assert "reliability" not in restricted["outputs"][0]
    assert not [b for b in blocks(restricted, "overall") if isinstance(b, Figure)]


@pytest.mark.parametrize("wide", [2.0, 2e5])
def test_one_vague_group_does_not_flatten_the_others(wide):
    values = [(1.0, 0.9, 1.1), (1.1, 1.0, 1.2), (0.9, 0.8, 1.0), (1.0, 0.1, wide)]
    marks = [Mark(value=v, low=a, high=b, verdict="inconclusive", text="") for v, a, b in values]
    low, high = _range(marks, Panel(metric="oe_ratio", title="", unit="ratio", overall=1.0))
    assert low < 0.9
    assert 1.1 < high < 3


def estimate(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "level": 0.95, "n": 100}


def test_two_versions_are_told_with_their_flips(exact):
    evidence = copy(exact)
    metric = {
        "base": estimate(0.7),
        "candidate": estimate(0.8),
        "delta": estimate(0.1),
        "q": 0.01,
        "verdict": "better",
    }
    group = {
        "attributes": {},
        "metrics": {"tpr": metric, "ppv": {**metric, "verdict": None}},
        "negative_flips": {"k": 3, "n": 100},
        "positive_flips": {"k": None, "n": None, "suppressed": True},
    }
    evidence["comparison"] = {
        "base": "m@1",
        "candidate": "m@2",
        "outputs": [{"name": "y", "groups": [group]}],
    }
    (grid,) = [b for b in blocks(evidence, "versions") if isinstance(b, Grid)]
    head, row = grid.rows
    assert "3 of 100 newly wrong, suppressed newly right" in head.cells[0].text
    assert [c.text for c in row.cells][:4] == ["Sensitivity", "70.0 %", "80.0 %", "+10.0 points"]
    assert "1 better" in " ".join(texts(evidence, "body"))


def test_two_versions_are_told_with_moves_of_risk_and_of_reasons(exact):
    evidence = copy(exact)
    moved = {"up": 4, "down": 1, "n": 100, "net": estimate(0.03), "p": 0.2}
    ratio = {
        "base": estimate(0.8),
        "candidate": estimate(1.1),
        "delta": estimate(0.3),
        "q": 0.01,
        "verdict": "better",
    }
    group = {
        "attributes": {},
        "metrics": {"oe_ratio": ratio},
        "reclassification": {"positives": moved, "negatives": moved},
    }
    drift = {
        "name": "y",
        "verdict": "beyond_noise",
        "distance": estimate(0.4),
        "noise": {"rerun": estimate(0.1)},
        "groups": [{"attributes": {"sex": "F"}, "distance": estimate(0.5)}],
    }
    evidence["comparison"] = {
        "base": "m@1",
        "candidate": "m@2",
        "outputs": [{"name": "y", "risk_bands": [0.1, 0.5], "groups": [group]}],
        "explanation_drift": {"distance": "half the L1 distance", "outputs": [drift]},
    }
    grids = [b for b in blocks(evidence, "versions") if isinstance(b, Grid)]
    paired, bands, reasons = grids
    assert "+0.300" in [cell.text for cell in paired.rows[1].cells]  # a difference, no factor
    assert "4 of 100" in [cell.text for cell in bands.rows[0].cells]
    assert [row.cells[0].text for row in reasons.rows] == [
        "Everybody",
        "One version, run again",
        "Sex: F",
    ]


def test_earlier_audits_are_counted_and_moved_margins_named(exact):
    evidence = copy(exact)
    margins = {**evidence["policy"]["margin"], "tpr": 0.1}
    evidence["prior_runs"] = [
        {"run": "a", "policy_sha256": "1" * 64, "time": "2026-01-01T00:00:00Z", "margins": margins},
        {"run": "b", "policy_sha256": "1" * 64, "time": "2026-02-01T00:00:00Z", "margins": margins},
    ]
    told = repr(blocks(evidence, "executive"))
    assert "3rd audit of these data or models" in told
    assert "margin of sensitivity 10 points → 5 points" in told
    assert "2 of the 2 earlier ones ran under another policy" in told


def test_the_inventory_names_what_an_input_is_closest_to(exact):
    def scanned(name, basis, role, value):
        association = {"value": value, "low": value, "high": value}
        share = {"value": 0.1, "low": 0.08, "high": 0.12}
        return {
            "name": name, "label": name, "basis": basis, "role": role, "association": association,
            "association_measure": "eta", "shares": [{"output": "y", "share": share, "rank": 1}],
        }  # fmt: skip

    evidence = copy(exact)
    features = [{"name": n, "label": n, "protected": False} for n in ("adi", "lactate")]
    inputs = [{"name": "ehr", "modality": "table", "features": features}]
    model = {"id": "m", "version": "1", "weights_sha256": "a" * 64, "inputs": inputs}
    evidence["models"] = [model]
    entries = [
        scanned("adi", "sex", "none", 0.1), scanned("adi", "race", "proxy", 0.6),
        scanned("lactate", "age", "none", 0.2),
    ]  # fmt: skip
    scan = {"bases": [], "proxy_from": 0.3, "inputs": entries}
    evidence["explanations"] = {"m@1": {"protected_basis": scan}}
    (grid,) = [b for b in blocks(evidence, "inputs") if isinstance(b, Grid)]
    assert [[c.text for c in row.cells[:4]] for row in grid.rows] == [
        ["adi", "may stand in for race", "0.600", "10.0 %"],
        ["lactate", "no; closest: age", "0.200", "10.0 %"],
    ]
