"""Shrinkage, simultaneous bands, the fair max-min gap and additivity; all descriptive."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.auroc import area_sums, area_values, areas_from, placement_values
from audits.fairness.between import SECTIONS, area_spread, between_groups, cross_products
from audits.fairness.cells import look_up, score_cells
from audits.fairness.families import marginal
from audits.fairness.frame import build_frame
from audits.fairness.heterogeneity import between_variance
from audits.policy import load_policy

POLICY = load_policy(
    {
        "audit": {
            "groups": ["sex", "age"],
            "intersections": [["sex", "age"]],
            "verdict_metrics": ["tpr", "auroc"],
        }
    }
)


def measure_areas(frame, family, cells):
    """Return areas and influences as both sweeps of an audit make them."""
    area = area_values(cells)
    (value,) = look_up(cells, [placement_values(cells)], frame.positive, cells.of_row)
    sums, influence = area_sums(frame, family, cells, value, area)
    return areas_from(sums, family, cells, area, clustered=frame.clustered), influence


def rates(sizes, tprs, attribute, seed=0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    y = np.ones(len(g), dtype=int)
    score = (rng.random(len(g)) < np.asarray(tprs)[g]).astype(float)
    return ScoredOutput(
        name="y",
        y=y,
        score=score,
        threshold=0.5,
        space="value",
        attributes=(attribute("g", [str(i) for i in range(len(sizes))], g),),
    )


def sections(output):
    declared = {"audit": {"groups": ["g"], "verdict_metrics": ["tpr"]}}
    return audit_fairness([output], load_policy(declared)).outputs[0].extras


def test_every_declared_family_has_its_sections(make_output):
    result = audit_fairness([make_output(1500, shared=True)], POLICY)
    data = result.to_dict()[0]
    json.dumps(data, allow_nan=False)
    for name in SECTIONS:
        expected = {"sex×age"} if name == "structured" else {"sex", "age", "sex×age"}
        assert {entry["attribute"] for entry in data[name]} == expected
        assert {entry["metric"] for entry in data[name]} == {"tpr", "auroc"}


def test_shrinkage_draws_small_groups_to_the_mean(make_attribute):
    (entry,) = sections(rates([20, 20, 5000, 5000], [0.5, 0.95, 0.7, 0.8], make_attribute))[
        "shrinkage"
    ]
    small, other, *large = entry["groups"]
    for group in entry["groups"]:
        low, high = sorted((group["raw"], entry["centre"]))
        assert low <= group["shrunk"] <= high
    assert max(small["own_weight"], other["own_weight"]) < min(g["own_weight"] for g in large)


def test_no_true_spread_shrinks_all_the_way(make_attribute):
    (entry,) = sections(rates([300] * 8, [0.8] * 8, make_attribute, seed=3))["shrinkage"]
    if entry["tau2"]["value"] == 0:
        assert {round(group["shrunk"], 12) for group in entry["groups"]} == {
            round(entry["centre"], 12)
        }


def test_between_variance_solves_its_equation():
    y, v = np.asarray([0.5, 0.7, 0.9, 0.6]), np.asarray([0.001, 0.002, 0.001, 0.003])
    tau2 = between_variance(y, v).value
    w = 1 / (v + tau2)
    centre = (w * y).sum() / w.sum()
    assert (w * (y - centre) ** 2).sum() == pytest.approx(3, abs=1e-6)


def test_bands_hold_all_groups_at_once(make_attribute):
    held = 0
    for seed in range(120):
        output = rates([80] * 12, [0.8] * 12, make_attribute, seed=seed)
        (entry,) = sections(output)["max_t_bands"]
        held += all(group["low"] <= 0.8 <= group["high"] for group in entry["groups"])
    assert held >= 105
    assert entry["multiplier"] == pytest.approx(2.86, abs=0.01)


def test_shared_patients_need_a_smaller_multiplier(make_output):
    output = make_output(1200, shared=True)
    frame = build_frame(output)
    family = marginal(frame, output.attributes[1], declared=True)
    cells = score_cells(frame, family.by_score, family.code, family.size)
    areas, influence = measure_areas(frame, family, cells)
    spread = area_spread(family, areas, cross_products(family, influence))
    shared = between_groups(spread, 0)["max_t_bands"]["multiplier"]
    assert 1.96 < shared <= 2.52


def test_a_fair_model_scores_a_gap_too(make_attribute):
    """The max-min gap of a fair model is large; said beside it, it alarms nobody."""
    p = []
    for seed in range(40):
        (entry,) = sections(rates([25] * 20, [0.8] * 20, make_attribute, seed=seed))["max_min_gap"]
        assert entry["fair_median"] > 0.2
        p.append(entry["p"])
    assert 0 <= np.mean(np.asarray(p) <= 0.05) <= 0.2
    (entry,) = sections(rates([400] * 10, [0.8] * 9 + [0.5], make_attribute))["max_min_gap"]
    assert entry["p"] < 0.01
