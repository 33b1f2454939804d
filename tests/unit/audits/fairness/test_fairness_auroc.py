"""Areas and their variances against definitions written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from audits.fairness.auroc import area_sums, area_values, areas_from, placement_values
from audits.fairness.cells import look_up, score_cells
from audits.fairness.families import crossing, everybody, marginal
from audits.fairness.frame import build_frame
from audits.fairness.ratios import REST
from audits.fairness.reference_areas import (
    reference_areas,
    reference_sums_of_areas,
    references_of,
)


def measure_areas(frame, family, cells):
    """Return areas and influences as both sweeps of an audit make them."""
    area = area_values(cells)
    (value,) = look_up(cells, [placement_values(cells)], frame.positive, cells.of_row)
    sums, influence = area_sums(frame, family, cells, value, area)
    return areas_from(sums, family, cells, area, clustered=frame.clustered), influence


def kernel(positives, negatives):
    x, y = positives[:, None], negatives[None, :]
    return (x > y) + 0.5 * (x == y)


def brute_delong(y, score):
    psi = kernel(score[y == 1], score[y == 0])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    return psi.mean(), v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)


def brute_obuchowski(y, score, patients):
    """Obuchowski (1997), clusters summed one by one."""
    psi = kernel(score[y == 1], score[y == 0])
    area, (m, n) = psi.mean(), psi.shape
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    of_pos, of_neg = patients[y == 1], patients[y == 0]
    everyone = np.unique(patients)
    a = np.asarray([(v10[of_pos == who] - area).sum() for who in everyone])
    b = np.asarray([(v01[of_neg == who] - area).sum() for who in everyone])
    i10, i01, i = len(np.unique(of_pos)), len(np.unique(of_neg)), len(everyone)
    s10 = i10 / (i10 - 1) * (a**2).sum() / m
    s01 = i01 / (i01 - 1) * (b**2).sum() / n
    s11 = i / (i - 1) * (a * b).sum()
    return area, s10 / m + s01 / n + 2 * s11 / (m * n), a / m + b / n


def families(frame, output):
    yield everybody(frame)
    for item in output.attributes:
        yield marginal(frame, item, declared=True)
    yield crossing(frame, output.attributes, declared=True)


def measured(frame, family):
    cells = score_cells(frame, family.by_score, family.code, family.size)
    return measure_areas(frame, family, cells)


@pytest.mark.parametrize("ties", [False, True])
def test_delong_equals_brute_force(make_output, ties):
    output = make_output(clustered=False, ties=ties)
    frame = build_frame(output)
    for family in families(frame, output):
        areas, _ = measured(frame, family)
        for group in range(family.size):
            rows = family.code == group
            area, variance = brute_delong(output.y[rows], output.score[rows])
            assert areas.area[group] == pytest.approx(area, abs=1e-12)
            assert areas.variance[group] == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_obuchowski_equals_brute_force(make_output, shared):
    output = make_output(shared=shared, ties=True)
    frame = build_frame(output)
    for family in families(frame, output):
        areas, _ = measured(frame, family)
        for group in range(family.size):
            rows = family.code == group
            area, variance, _ = brute_obuchowski(
                output.y[rows], output.score[rows], output.patients[rows]
            )
            assert areas.area[group] == pytest.approx(area, abs=1e-12)
            assert areas.variance[group] == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_the_rest_is_measured_as_if_it_were_alone(make_output, shared, clustered):
    output = make_output(shared=shared, clustered=clustered, ties=True)
    frame = build_frame(output)
    patients = frame.patient
    for family in list(families(frame, output))[1:]:
        cells = score_cells(frame, family.by_score, family.code, family.size)
        areas, influence = measure_areas(frame, family, cells)
        against = references_of(
            cells, len(frame.distinct), reference=REST, wanted=np.arange(family.size)
        )
        sums = reference_sums_of_areas(frame, family, against, influence)
        rest, covariance = reference_areas(sums, family, areas, against, clustered=frame.clustered)
        for group in range(family.size):
            own, other = family.code == group, family.code != group
            area, variance, flow = brute_obuchowski(
                output.y[other], output.score[other], patients[other]
            )
            assert rest.area[group] == pytest.approx(area, abs=1e-12)
            # Shared patients: only I/(I - 1) of the cross term counts everybody.
            tolerance = 1e-3 if shared else 1e-9
            assert rest.variance[group] == pytest.approx(variance, rel=tolerance)
            _, _, mine = brute_obuchowski(output.y[own], output.score[own], patients[own])
            expected = cross(patients[own], mine, patients[other], flow)
            assert covariance[group] == pytest.approx(expected, rel=1e-9, abs=1e-15)


def cross(whose, mine, others, flow):
    first = dict(zip(np.unique(whose).tolist(), mine, strict=True))
    second = dict(zip(np.unique(others).tolist(), flow, strict=True))
    return sum(value * second[who] for who, value in first.items() if who in second)


def test_patients_with_one_row_give_delong(make_output):
    output = make_output(clustered=False)
    frame = build_frame(output)
    areas, _ = measured(frame, everybody(frame))
    _, variance, _ = brute_obuchowski(output.y, output.score, np.arange(len(output.y)))
    _, plain = brute_delong(output.y, output.score)
    assert areas.variance[0] == pytest.approx(plain, rel=1e-12)
    assert variance == pytest.approx(plain, rel=0.02)
