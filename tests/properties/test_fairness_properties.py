"""What must hold of any cohort, whatever its rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput, audit_fairness
from audits.policy import load_policy

POLICY = load_policy(None, groups=["g"])
SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MIRRORED = {"tpr": "tnr", "fpr": "fnr", "ppv": "npv", "accuracy": "accuracy"}


@st.composite
def cohorts(draw):
    """Return (y, score, group, patient) with many ties, small groups and repeats."""
    n = draw(st.integers(1, 60))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    levels = draw(st.integers(1, 4))
    steps = draw(st.sampled_from([2, 5, 1000]))
    return (
        rng.integers(0, 2, n),
        rng.integers(0, steps + 1, n) / steps,
        rng.integers(0, levels, n),
        rng.integers(0, draw(st.integers(1, 60)), n),
    )


def output_of(y, score, g, patients, levels=None, threshold=0.5):
    levels = levels or tuple(str(i) for i in range(int(g.max()) + 1))
    codes = g.astype(np.int32)
    return ScoredOutput(
        name="y",
        y=y,
        score=score,
        threshold=threshold,
        patients=patients,
        attributes=(
            Attribute(name="g", column="g", kind="demographic", levels=levels, codes=codes),
        ),
    )


def audited(*cohort, **more):
    return audit_fairness([output_of(*cohort, **more)], POLICY).outputs[0]


def numbers(result, *, heterogeneity=True):
    """Return every number of a result, by where it stands."""
    found = {}
    for group in (result.overall, *result.groups):
        for name, estimate in group.metrics.items():
            key = (tuple(group.attributes.items()), name)
            found[key] = (estimate.value, estimate.low, estimate.high)
    for item in result.comparisons:
        key = (tuple(item.group.items()), item.metric, "difference")
        found[key] = (item.difference.value, item.p, item.p_equivalence)
    return found


def same(first, second):
    assert first.keys() == second.keys()
    for key, values in first.items():
        for a, b in zip(values, second[key], strict=True):
            if a is None or b is None:
                assert a == b, key
            else:
                assert a == pytest.approx(b, rel=1e-6, abs=1e-9), key


@SLOW
@given(cohorts(), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(cohort, seed):
    order = np.random.default_rng(seed).permutation(len(cohort[0]))
    same(numbers(audited(*cohort)), numbers(audited(*(column[order] for column in cohort))))


@SLOW
@given(cohorts())
def test_the_names_of_patients_do_not_matter(cohort):
    y, score, g, patients = cohort
    same(numbers(audited(*cohort)), numbers(audited(y, score, g, 10**9 - 7 * patients)))


@SLOW
@given(cohorts())
def test_turning_labels_and_scores_around_mirrors_the_rates(cohort):
    y, score, g, patients = cohort
    straight = audited(*cohort, threshold=0.49999)
    turned = audited(1 - y, 1 - score, g, patients, threshold=1 - 0.49999)
    for first, second in zip(straight.groups, turned.groups, strict=True):
        for name, mirror in MIRRORED.items():
            assert first.metrics[name].value == second.metrics[mirror].value
            assert first.metrics[name].k == second.metrics[mirror].k
        a, b = first.metrics["auroc"], second.metrics["auroc"]
        assert (a.value is None) == (b.value is None)
        if a.value is not None:
            assert a.value == pytest.approx(b.value, abs=1e-12)
            assert a.low == pytest.approx(b.low, abs=1e-6)


@SLOW
@given(cohorts())
def test_every_number_is_json_and_inside_its_interval(cohort):
    result = audited(*cohort)
    json.dumps(result.to_dict(), allow_nan=False)
    for group in (result.overall, *result.groups):
        for name, estimate in group.metrics.items():
            assert estimate.value is not None or estimate.reason, name
            if estimate.low is not None:
                assert estimate.low <= estimate.value <= estimate.high, name
                assert estimate.low < estimate.high, name
            elif estimate.value is not None:
                assert estimate.reason, name


@SLOW
@given(cohorts(), st.integers(2, 4))
def test_copies_of_a_patients_rows_add_no_certainty(cohort, times):
    """Rows duplicated under the same patient leave the widths of rates as they were."""
    y, score, g, _ = cohort
    patients = np.arange(len(y))
    alone = audited(y, score, g, patients)
    copied = audited(*(np.repeat(column, times) for column in (y, score, g, patients)))
    for first, second in zip(alone.groups, copied.groups, strict=True):
        for name in ("tpr", "fpr", "accuracy"):
            a, b = first.metrics[name], second.metrics[name]
            assert a.value == b.value
            if a.value is not None and a.method == b.method:
                assert b.high - b.low >= (a.high - a.low) * (1 - 1e-9)


@SLOW
@given(cohorts())
def test_marginals_add_up_to_everybody(cohort):
    result = audited(*cohort)
    assert sum(group.n for group in result.groups) == result.overall.n
    assert sum(group.positives for group in result.groups) == result.overall.positives
    total = result.overall.metrics["selection_rate"]
    assert sum(group.metrics["selection_rate"].k or 0 for group in result.groups) == total.k
