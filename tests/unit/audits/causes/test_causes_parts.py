"""Each part of the panel against what was planted, and against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.errors import PolicyError
from audits.fairness import ScoredOutput
from audits.fairness.causes import explain_gaps
from audits.fairness.causes.common_prevalence import npv_at, ppv_at
from audits.fairness.causes.label_error import corrected_rates, rogan_gladen, tipping_points
from audits.fairness.causes.missingness import gap_bounds
from audits.fairness.causes.rows import build_rows, pairs_of
from audits.fairness.causes.standardised import balance, standardised_gaps
from audits.fairness.causes.underdiagnosis import CAVEAT
from audits.policy import load_policy


def gap_of(panel, metric, attribute, level, section="standardised_gaps"):
    entries = panel[section]["gaps"]
    (found,) = [
        entry
        for entry in entries
        if entry["metric"] == metric and entry["group"] == {attribute: level}
    ]
    return found


def planted(make_grouping, *, by_mix, seed=0, n=8000):
    """Return a cohort whose TPR gap between sites is all case mix, or all the model's."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 2, n)
    hard = rng.random(n) < np.where(site == 0, 0.7, 0.3)
    y = rng.random(n) < 0.4
    chance = np.where(hard, 0.5, 0.9) if by_mix else np.where(site == 0, 0.6, 0.8)
    score = np.where(rng.random(n) < np.where(y, chance, 0.1), 0.8, 0.2) + rng.random(n) * 0.1
    return ScoredOutput(
        name="finding",
        y=y.astype(np.int8),
        score=score,
        threshold=0.5,
        attributes=(
            make_grouping("site", ("East", "West"), site),
            make_grouping("severity", ("mild", "severe"), hard.astype(int)),
        ),
    )


def test_a_gap_that_is_case_mix_vanishes_when_standardised(make_grouping, policy_for):
    panel = explain_gaps(planted(make_grouping, by_mix=True), policy_for("site", "severity"))
    gap = gap_of(panel, "tpr", "site", "East")
    assert gap["crude"]["high"] < -0.1
    assert gap["standardised"]["low"] < 0 < gap["standardised"]["high"]
    assert gap["composition"]["high"] < -0.1
    assert gap["adjusted_for"] == ["severity"]


def test_a_gap_that_is_the_models_stays_when_standardised(make_grouping, policy_for):
    panel = explain_gaps(planted(make_grouping, by_mix=False), policy_for("site", "severity"))
    gap = gap_of(panel, "tpr", "site", "East")
    assert gap["standardised"]["high"] < -0.1
    assert abs(gap["composition"]["value"]) < 0.03


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_crude_is_standardised_plus_composition(cohort, policy_for, seed):
    rows = build_rows(cohort(250, seed=seed), policy_for("sex", "age", "race"))
    for gap in standardised_gaps(rows):
        if gap["crude"]["value"] is None:
            continue
        parts = gap["standardised"]["value"] + gap["composition"]["value"]
        assert gap["crude"]["value"] == pytest.approx(parts, abs=1e-12)
        assert 0 <= gap["support"] <= 1 + 1e-12
        assert gap["ess"] <= 250 + 1e-9


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_weights_carry_the_references_mix(seed):
    rng = np.random.default_rng(seed)
    stratum, group = rng.integers(0, 5, 60), rng.random(60) < 0.5
    arms = balance(stratum, group, ~group)
    if not arms.other.any():
        return
    for code in range(5):
        mine = arms.weights[stratum == code].sum()
        assert mine == pytest.approx(np.mean(stratum[arms.other] == code))
    assert arms.ess == pytest.approx(arms.weights.sum() ** 2 / (arms.weights**2).sum())


def test_interval_of_the_standardised_gap_covers(make_grouping, policy_for):
    policy = policy_for("site", "severity")
    inside = 0
    for seed in range(100):
        output = planted(make_grouping, by_mix=True, seed=seed, n=600)
        gaps = standardised_gaps(build_rows(output, policy))
        panel = {"standardised_gaps": {"gaps": gaps}}
        gap = gap_of(panel, "tpr", "site", "East")["standardised"]
        inside += gap["low"] <= 0 <= gap["high"]
    assert inside >= 89  # 99 % binomial limit at a true coverage of .95


def test_predictive_values_at_ones_own_prevalence_are_the_plain_ones(cohort, policy_for):
    output = cohort()
    called, y = output.score >= 0.5, output.y == 1
    tpr, fpr = called[y].mean(), called[~y].mean()
    assert ppv_at(tpr, fpr, y.mean()) == pytest.approx(y[called].mean())
    assert npv_at(tpr, fpr, y.mean()) == pytest.approx(1 - y[~called].mean())
    panel = explain_gaps(output, policy_for("sex"))["common_prevalence"]
    for entry in panel["groups"]:
        code = ("F", "M").index(entry["attributes"]["sex"])
        inside = output.attributes[0].codes == code
        own_tpr, own_fpr = called[inside & y].mean(), called[inside & ~y].mean()
        wanted = ppv_at(own_tpr, own_fpr, y.mean())
        assert entry["ppv"]["value"] == pytest.approx(wanted)
        assert entry["npv"]["value"] == pytest.approx(npv_at(own_tpr, own_fpr, y.mean()))


def test_predictive_value_intervals_agree_with_a_patient_bootstrap(cohort, policy_for):
    output = cohort(1200)
    panel = explain_gaps(output, policy_for("sex"))["common_prevalence"]
    (gap,) = [entry for entry in panel["gaps"] if entry["metric"] == "ppv"]
    called, y, sex = output.score >= 0.5, output.y == 1, output.attributes[0].codes == 0
    rng = np.random.default_rng(0)
    size, draws = int(output.patients.max()) + 1, []
    for _ in range(400):
        w = rng.poisson(1, size)[output.patients]
        values = []
        for side in (sex, ~sex):
            rates = [np.average(called[side & base], weights=w[side & base]) for base in (y, ~y)]
            values.append(ppv_at(*rates, y.mean()))
        draws.append(values[0] - values[1])
    half = (gap["standardised"]["high"] - gap["standardised"]["low"]) / 2
    assert half == pytest.approx(1.96 * np.std(draws), rel=0.15)


@given(
    counts=st.tuples(*[st.integers(1, 40)] * 4),
    reference=st.tuples(*[st.integers(1, 40)] * 4),
)
@settings(max_examples=60, deadline=None)
def test_at_the_tipping_point_the_gap_is_gone(make_grouping, counts, reference):
    sides = [counts, reference]
    y = np.concatenate([np.repeat([1, 1, 0, 0], side) for side in sides])
    score = np.concatenate([np.repeat([0.9, 0.1, 0.9, 0.1], side) for side in sides])
    code = np.repeat([0, 1], [sum(side) for side in sides])
    output = ScoredOutput(
        name="y",
        y=y.astype(np.int8),
        score=score,
        threshold=0.5,
        attributes=(make_grouping("g", ("a", "b"), code),),
    )
    points = tipping_points(build_rows(output, load_policy(None, groups=["g"])))["points"]
    plain = corrected_rates(reference, 1.0, 1.0)
    assert {point["metric"] for point in points} == {"tpr", "fpr", "ppv", "prevalence"}
    for point in points:
        value = point["tipping_point"]["value"]
        if value is None:
            assert point["tipping_point"]["reason"]
            continue
        error = {"sensitivity": 1.0, "specificity": 1.0, point["parameter"]: value}
        mended = corrected_rates(counts, **error)
        assert mended[point["metric"]] == pytest.approx(plain[point["metric"]], abs=1e-9)


@given(
    truth=st.floats(0, 1),
    sensitivity=st.floats(0.55, 1),
    specificity=st.floats(0.55, 1),
)
def test_rogan_gladen_undoes_a_known_label_error(truth, sensitivity, specificity):
    observed = truth * sensitivity + (1 - truth) * (1 - specificity)
    assert rogan_gladen(observed, sensitivity, specificity) == pytest.approx(truth, abs=1e-9)
    assert rogan_gladen(observed, 0.4, 0.6) is None


@given(seed=st.integers(0, 5_000))
@settings(max_examples=25, deadline=None)
def test_bounds_are_the_extremes_of_every_assignment(make_grouping, seed):
    rng = np.random.default_rng(seed)
    code = np.concatenate([rng.integers(0, 2, 14), np.full(6, 2)])
    y, called = rng.random(20) < 0.6, rng.random(20) < 0.5
    output = ScoredOutput(
        name="y",
        y=y.astype(np.int8),
        score=called * 0.8 + 0.1,
        threshold=0.5,
        attributes=(make_grouping("g", ("a", "b", "Unknown"), code),),
    )
    rows = build_rows(output, load_policy(None, groups=["g"]))
    (pair, *_) = pairs_of(rows.splits[0])
    known = [code == 0, code == 1]
    from dataclasses import replace

    pair = replace(pair, group=known[0], other=known[1])
    found = gap_bounds(rows, called, y, pair, code == 2)
    gaps = []
    for choice in itertools.product([True, False], repeat=6):
        mine, theirs = known[0].copy(), known[1].copy()
        mine[14:], theirs[14:] = choice, ~np.asarray(choice)
        if (mine & y).any() and (theirs & y).any():
            gaps.append(called[mine & y].mean() - called[theirs & y].mean())
    for name, wanted in (("lowest", min), ("highest", max)):
        if found[name]["value"] is not None:
            assert found[name]["value"] == pytest.approx(wanted(gaps))


def test_unknown_is_a_row_with_its_own_errors(cohort, policy_for):
    unknown = explain_gaps(cohort(), policy_for("race"))["missingness"]["unknown"]
    (entry,) = unknown
    assert entry["attribute"] == "race"
    assert 0.02 < entry["share"]["value"] < 0.1
    assert {error["metric"] for error in entry["errors"]} == {"fnr", "fpr"}
    assert {bound["group"]["race"] for bound in entry["bounds"]} == {"A", "B", "C"}


def test_the_sheet_reads_false_positives_of_a_healthy_class(cohort, policy_for):
    policy = policy_for("sex", "age", audit={"intersections": [["sex", "age"]]})
    sheet = explain_gaps(cohort(name="No_Finding"), policy)["underdiagnosis"]
    assert (sheet["missed_metric"], sheet["caveat"]) == ("fpr", CAVEAT)
    assert {entry["tier"] for entry in sheet["groups"]} == {"marginal", "intersection"}
    assert explain_gaps(cohort(), policy)["underdiagnosis"]["missed_metric"] == "fnr"


def test_a_declared_population_is_compared_and_a_missing_group_named(cohort, policy_for):
    population = {"sex": {"F": 0.5, "M": 0.5}, "veteran": {"yes": 0.1, "no": 0.9}}
    policy = policy_for("sex", causes={"population": population})
    entries = explain_gaps(cohort(), policy)["representativeness"]["attributes"]
    sex, veteran = entries
    assert sex["p"] < 0.05  # the cohort holds 45 % women
    (women, _) = sex["levels"]
    assert women["ratio"]["value"] == pytest.approx(women["cohort"]["value"] / 0.5)
    assert veteran["state"] == "not_available"


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(PolicyError, match=r"population\.sex sum to 0\.7"):
        load_policy({"causes": {"population": {"sex": {"F": 0.5, "M": 0.2}}}})
