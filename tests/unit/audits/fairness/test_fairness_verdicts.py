"""The rules of section 2 of the reference, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from audits.errors import AuditError
from audits.fairness import ScoredOutput, audit_fairness
from audits.fairness.power import adjusted_alpha, further_cases, minimum_detectable
from audits.fairness.significance import benjamini_hochberg
from audits.policy import load_policy


def decided(n_per_group, tpr, *, attribute, levels=None, negatives=200, patients=None):
    """Return an output whose groups have exactly the given true positive rates."""
    y, score, codes = [], [], []
    for code, (n, rate) in enumerate(zip(n_per_group, tpr, strict=True)):
        hits = round(n * rate)
        y += [1] * n + [0] * negatives
        score += [0.9] * hits + [0.1] * (n - hits) + [0.9] * 20 + [0.1] * (negatives - 20)
        codes += [code] * (n + negatives)
    levels = levels or tuple("abcdefgh"[: len(tpr)])
    return ScoredOutput(
        name="y",
        y=np.asarray(y),
        score=np.asarray(score),
        threshold=0.5,
        space="value",
        patients=patients,
        attributes=(attribute("g", levels, codes),),
    )


def audit(outputs, **policy):
    outputs = [outputs] if isinstance(outputs, ScoredOutput) else outputs
    declared = {"audit": {"groups": ["g"], "verdict_metrics": ["tpr"]}, **policy}
    return audit_fairness(outputs, load_policy(declared))


def test_two_levels_are_one_comparison_and_the_first_is_the_group(make_attribute):
    output = decided([400, 400], [0.8, 0.6], attribute=make_attribute, levels=("z", "a"))
    (comparison,) = audit(output).outputs[0].comparisons
    assert comparison.group == {"g": "z"}
    assert comparison.reference == "rest"
    assert (comparison.group_k, comparison.group_n) == (320, 400)
    assert (comparison.ref_k, comparison.ref_n) == (240, 400)
    assert comparison.difference.value == pytest.approx(0.2)
    assert (comparison.worse, comparison.verdict) == ("reference", "disparity")
    assert comparison.strength == "confirmed"
    assert comparison.test == "mid-p fisher"


def test_three_levels_each_against_the_rest(make_attribute):
    output = decided([300, 300, 300], [0.8, 0.8, 0.6], attribute=make_attribute)
    result = audit(output).outputs[0]
    assert [c.group["g"] for c in result.comparisons] == ["a", "b", "c"]
    assert [c.ref_n for c in result.comparisons] == [600, 600, 600]
    worst = result.comparisons[2]
    assert worst.worse == "group"
    assert worst.difference.value == pytest.approx(-0.2)


def test_a_named_reference(make_attribute):
    output = decided([300, 300, 300], [0.8, 0.8, 0.6], attribute=make_attribute)
    declared = {"groups": ["g"], "verdict_metrics": ["tpr"], "reference": {"g": "b"}}
    result = audit_fairness([output], load_policy({"audit": declared})).outputs[0]
    assert [c.group["g"] for c in result.comparisons] == ["a", "c"]
    assert {c.reference for c in result.comparisons} == {"b"}
    assert result.comparisons[0].ref_n == 300


def test_small_denominators_are_not_evaluable_and_outside_the_set(make_attribute):
    output = decided([9, 300, 300], [0.4, 0.8, 0.8], attribute=make_attribute)
    result = audit(output)
    small, *others = result.outputs[0].comparisons
    assert small.verdict == "not_evaluable"
    assert "9.0 effective positives in the group, 10 needed" in small.reason
    assert small.q is None
    assert small.p is not None
    assert result.tests == len(others) == 2


def test_equivalent_whatever_q_says(make_attribute):
    output = decided([60_000, 60_000], [0.80, 0.79], attribute=make_attribute, negatives=20)
    (comparison,) = audit(output).outputs[0].comparisons
    assert comparison.q < 0.05
    assert comparison.verdict == "equivalent"
    assert comparison.reason == "differs, within margin"
    assert comparison.p_equivalence < 0.05
    assert comparison.strength is None


def test_inconclusive_says_what_is_missing(make_attribute):
    few = audit(decided([40, 40], [0.8, 0.75], attribute=make_attribute)).outputs[0]
    (comparison,) = few.comparisons
    assert (comparison.verdict, comparison.reason) == ("inconclusive", "too few")
    needed = comparison.n_needed
    assert needed["to_equivalence"] is None
    assert "reference alone is too small" in needed["reason"]
    unsettled = audit(decided([4000, 4000], [0.80, 0.755], attribute=make_attribute)).outputs[0]
    (comparison,) = unsettled.comparisons
    assert comparison.verdict == "inconclusive"
    assert comparison.reason == "differs, size unsettled"


def test_one_correction_over_all_outputs(make_attribute):
    outputs = [
        decided([200, 200, 200], rates, attribute=make_attribute)
        for rates in ([0.8, 0.7, 0.75], [0.9, 0.6, 0.7], [0.5, 0.5, 0.52])
    ]
    result = audit(outputs)
    comparisons = [c for output in result.outputs for c in output.comparisons]
    assert result.tests == len(comparisons) == 9
    expected = benjamini_hochberg(np.asarray([c.p for c in comparisons]))
    assert np.allclose([c.q for c in comparisons], expected)
    margins = benjamini_hochberg(np.asarray([c.p_margin for c in comparisons]))
    assert np.allclose([c.q_margin for c in comparisons], margins)


def test_undeclared_groups_are_exploratory(make_output):
    output = make_output()
    result = audit_fairness([output], load_policy({"audit": {"groups": ["sex"]}})).outputs[0]
    explored = [c for c in result.comparisons if c.attribute == "age"]
    assert explored
    for comparison in explored:
        assert not comparison.declared
        assert comparison.p is not None
        assert (comparison.q, comparison.verdict, comparison.strength) == (None, None, None)
    assert {c.attribute for c in result.comparisons if c.declared} == {"sex"}


def test_absent_groups_are_reported_with_a_reason(make_output):
    result = audit_fairness([make_output()], load_policy(None, groups=["sex", "race"])).outputs[0]
    entries = {entry["attribute"]: entry["reason"] for entry in result.not_available}
    assert "declared by the policy" in entries["race"]
    assert "required by the policy" in entries["disability"]
    assert "sex" not in entries


def crossed(cells, attribute):
    """Return an output with the given (hits, positives) per sex × age cell."""
    y, score, sex, age = [], [], [], []
    for (first, second), (hits, n) in cells.items():
        y += [1] * n + [0] * 50
        score += [0.9] * hits + [0.1] * (n - hits) + [0.9] * 5 + [0.1] * 45
        sex += [first] * (n + 50)
        age += [second] * (n + 50)
    return ScoredOutput(
        name="y",
        y=np.asarray(y),
        score=np.asarray(score),
        threshold=0.5,
        space="value",
        attributes=(attribute("sex", "FM", sex), attribute("age", ("young", "old"), age)),
    )


def test_an_intersection_says_who_carries_it(make_attribute):
    policy = load_policy(
        {
            "audit": {
                "groups": ["sex", "age"],
                "intersections": [["sex", "age"]],
                "verdict_metrics": ["tpr"],
            }
        }
    )
    additive = crossed(
        {(0, 0): (600, 1000), (0, 1): (600, 1000), (1, 0): (880, 1000), (1, 1): (880, 1000)},
        make_attribute,
    )
    result = audit_fairness([additive], policy).outputs[0]
    cells = [c for c in result.comparisons if c.tier == "intersection"]
    assert {c.attribute for c in cells} == {"sex×age"}
    women = next(c for c in cells if c.group == {"sex": "F", "age": "young"})
    men = next(c for c in cells if c.group == {"sex": "M", "age": "old"})
    assert women.carried_by == ({"sex": "F"},)
    assert men.carried_by == ({"sex": "M"},)
    assert women.beyond_marginals.low < 0 < women.beyond_marginals.high
    crossover = crossed(
        {(0, 0): (600, 1000), (0, 1): (880, 1000), (1, 0): (880, 1000), (1, 1): (600, 1000)},
        make_attribute,
    )
    result = audit_fairness([crossover], policy).outputs[0]
    for comparison in result.comparisons:
        if comparison.tier == "marginal":
            assert comparison.verdict == "equivalent"
            assert "on average over its intersections" in comparison.reason
        else:
            assert comparison.verdict == "disparity"
            assert comparison.carried_by == ()
            beyond = comparison.beyond_marginals
            assert beyond.high < 0 or beyond.low > 0


def test_power_formulas():
    assert adjusted_alpha(0.05, 0, 10) == pytest.approx(0.005)
    assert adjusted_alpha(0.05, 10, 10) == pytest.approx(0.05)
    gap = minimum_detectable((0.16, 0.16), (400, 400), 0.05)
    assert gap == pytest.approx((1.959964 + 0.841621) * np.sqrt(0.32 / 400), rel=1e-6)
    needed = further_cases((0.16, 0.16), (100, 1e9), 0.05, 0.05, deff=2.0, patients_per_case=0.5)
    total = (2 * 1.644854) ** 2 * 0.16 / 0.05**2
    assert needed["to_equivalence"] == pytest.approx(2 * (total - 100), abs=1)
    assert needed["patients_to_equivalence"] == pytest.approx(total - 100, abs=1)
    disparity = (1.959964 + 1.281552) ** 2 * 0.16 / 0.1**2
    assert needed["to_disparity"] == pytest.approx(max(0, 2 * (disparity - 100)), abs=1)


def test_repeated_patients_widen_and_weaken(make_attribute):
    rows = decided([100, 100], [0.8, 0.6], attribute=make_attribute)
    alone = audit(rows).outputs[0].comparisons[0]
    times = 6
    repeated = ScoredOutput(
        name="y",
        y=np.repeat(rows.y, times),
        score=np.repeat(rows.score, times),
        threshold=0.5,
        space="value",
        patients=np.repeat(np.arange(len(rows.y)), times),
        attributes=(make_attribute("g", "ab", np.repeat(rows.attributes[0].codes, times)),),
    )
    result = audit(repeated).outputs[0]
    same = result.comparisons[0]
    assert same.group_n == 600
    assert same.p == pytest.approx(alone.p, rel=1e-9)
    assert same.difference.low == pytest.approx(alone.difference.low, abs=1e-9)
    estimate = result.groups[0].metrics["tpr"]
    assert estimate.deff == pytest.approx(times)
    assert (estimate.n, estimate.n_patients) == (600, 100)


def test_arrays_must_fit():
    with pytest.raises(AuditError, match="3 scores for 2 labels"):
        audit_fairness(
            [ScoredOutput(name="y", y=np.asarray([0, 1]), score=np.zeros(3))], load_policy(None)
        )
    with pytest.raises(AuditError, match="weights"):
        audit_fairness(
            [ScoredOutput(name="y", y=np.ones(2), score=np.ones(2), weights=np.ones(3))],
            load_policy(None),
        )
