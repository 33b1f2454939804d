"""Agreement of maps with masks: several numbers, undefined where there is nothing to compare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from audits.errors import ExplanationError
from audits.explanations import CaseExplanation, Score
from audits.explanations.localisation import localise, localise_cohort, otsu_threshold

from .conftest import FrameStudy


def _mask(shape=(20, 30), rows=slice(4, 8), columns=slice(10, 16)):
    mask = np.zeros(shape, dtype=bool)
    mask[rows, columns] = True
    return mask


def test_a_perfect_map_is_perfect():
    mask = _mask()
    found = localise(mask.astype(float), mask)
    assert found.iou == 1.0
    assert found.hit
    assert found.mass == pytest.approx(1.0)
    assert found.area == pytest.approx(24 / 600)


def test_a_flat_map_has_the_mass_of_the_area():
    found = localise(np.ones((20, 30)), _mask())
    assert found.mass == pytest.approx(found.area)
    assert not found.hit


def test_overlap_and_pointing_can_disagree():
    mask = _mask()
    peak = 0.01 * np.ones((20, 30))
    peak[5, 12] = 1.0
    hit = localise(peak, mask)
    assert hit.hit
    assert hit.iou < 0.1
    wide = mask.astype(float)
    wide[0, 0] = 1.2
    miss = localise(wide, mask)
    assert not miss.hit
    assert miss.iou > 0.9


def test_only_positive_evidence_counts():
    values = -_mask().astype(float)
    assert localise(values, _mask()) is None
    assert localise(np.ones((20, 30)), np.zeros((20, 30), dtype=bool)) is None


def test_a_mask_of_another_size_is_one_sentence():
    with pytest.raises(ExplanationError, match=r"found \(10, 10\)"):
        localise(np.ones((20, 30)), np.ones((10, 10), dtype=bool))


def test_otsu_separates_two_clusters(seeded):
    values = np.concatenate([seeded.normal(0, 0.1, 900), seeded.normal(2, 0.1, 100)])
    assert 0.3 < otsu_threshold(values) < 1.9
    assert otsu_threshold(np.ones(4)) == 1.0


@dataclass
class CodedStudy(FrameStudy):
    patients: np.ndarray = None

    def row(self, case):
        return self.case_ids.index(case)


def test_a_cohort_is_summed_up_by_patient_and_group():
    cases = [f"c{index}" for index in range(12)]
    study = CodedStudy(cases=pd.DataFrame(index=cases), patients=np.arange(12) // 3)
    explanations = [
        CaseExplanation(
            case=case,
            model="m@1",
            output="nodule",
            score=Score(logit=0.0, probability=0.5),
            method="gradcam",
            estimand="",
            localisation=(
                localise(_mask() * float(index % 2) + 0.1, _mask()) if index < 9 else None
            ),
        )
        for index, case in enumerate(cases)
    ]
    sex = SimpleNamespace(name="sex", levels=("F", "M", "X"), codes=np.arange(12) % 2)
    (summary,) = localise_cohort(study, explanations, [sex])
    assert summary["output"] == "nodule"
    hits = summary["overall"]["pointing_game"]
    assert hits["value"] == pytest.approx(4 / 9)
    assert hits["n"] == 9
    assert hits["n_patients"] == 3
    assert [group["attributes"] for group in summary["groups"]] == [{"sex": "F"}, {"sex": "M"}]
    all_hit = summary["groups"][1]["metrics"]["pointing_game"]
    assert all_hit["value"] == 1.0
    assert all_hit["low"] < 0.7, "equal answers of three patients are no certainty"
    assert (all_hit["method"], all_hit["reason"]) == ("jeffreys", "insufficient")
    json.dumps(summary, allow_nan=False)
