"""Paired areas against published ones, and against what two real networks are known to score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits import compare_predictions

SHARED = Path(__file__).parents[3] / "shared" / "data"

# DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988): albumin, total protein, K-G score and
# whether surgery helped, of the 43 patients with all three; as the SAS/STAT manual prints them.
OVARIAN = """3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0
1.6 5.6 5 1 3.8 5.7 5 1 3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1
3.6 6.7 4 0 2.3 4.4 6 1 4.2 7.6 4 0 4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1
3.7 7.4 5 1 3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1 4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0
1.7 4.0 7 0 3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1 2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0
4.0 7.0 7 1 3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1"""


@pytest.mark.parametrize(
    ("test", "area", "difference", "p"),
    [("albumin", 0.7366, 0.0108, 0.9102), ("protein", 0.6478, -0.0780, 0.4561)],
)
def test_paired_delong_is_the_published_one(test: str, area: float, difference: float, p: float):
    values = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4)
    table = pd.DataFrame(values, columns=["albumin", "protein", "kg", "helped"])
    table["kg"] = 10 - table["kg"]
    result = compare_predictions(
        table.astype({"helped": int}),
        label="helped",
        base_score="kg",
        candidate_score=test,
        space="value",
    )
    found = result.to_dict()["outputs"][0]["groups"][0]["metrics"]["auroc"]
    assert round(found["base"]["value"], 4) == 0.7258
    assert round(found["candidate"]["value"], 4) == area
    assert round(found["delta"]["value"], 4) == difference
    assert round(found["p"], 4) == p


@pytest.fixture(scope="module")
def underdiagnosis() -> Path:
    folder = SHARED / "nih-underdiagnosis"
    if not folder.is_dir():
        pytest.skip("real data not here: ../shared/data/nih-underdiagnosis")
    return folder


def seeds_side_by_side(folder: Path, first: int, second: int) -> tuple[pd.DataFrame, list[str]]:
    base = pd.read_parquet(folder / f"predictions_seed{first}.parquet")
    candidate = pd.read_parquet(folder / f"predictions_seed{second}.parquet")
    names = [c.removeprefix("label_") for c in base.columns if c.startswith("label_")]
    theirs = candidate.set_index("image")[[f"prob_{name}" for name in names]]
    return base.join(theirs.add_suffix("_2"), on="image"), names


def thresholds_of(folder: Path, seed: int, names: list[str]) -> list[float]:
    known = pd.read_csv(folder / f"thresholds_seed{seed}.csv").set_index("label")["bestthr"]
    return [
        float(known[name.replace("_", " ")] if name not in known else known[name]) for name in names
    ]


def compared_seeds(folder: Path, first: int, second: int, **more):
    table, names = seeds_side_by_side(folder, first, second)
    result = compare_predictions(
        table,
        label=[f"label_{name}" for name in names],
        base_score=[f"prob_{name}" for name in names],
        candidate_score=[f"prob_{name}_2" for name in names],
        threshold=thresholds_of(folder, first, names),
        candidate_threshold=thresholds_of(folder, second, names),
        **more,
    )
    return names, result.to_dict()["outputs"]


def test_changes_of_area_are_the_published_ones(underdiagnosis: Path):
    names, outputs = compared_seeds(underdiagnosis, 45, 62)
    published = [
        pd.read_csv(underdiagnosis / f"published_auc_seed{seed}.csv").set_index("label")["auc"]
        for seed in (45, 62)
    ]
    for name, output in zip(names, outputs, strict=True):
        label = name if name in published[0].index else name.replace("_", " ")
        change = output["groups"][0]["metrics"]["auroc"]["delta"]["value"]
        assert change == pytest.approx(published[1][label] - published[0][label], abs=1e-12)


def test_two_training_seeds_truly_differ(underdiagnosis: Path):
    """Another seed is another model: it is a version to compare, not the noise of one."""
    p = []
    for first, second in ((45, 62), (45, 76), (62, 76)):
        _, outputs = compared_seeds(underdiagnosis, first, second)
        for output in outputs:
            metrics = output["groups"][0]["metrics"]
            p += [metrics[rate]["p"] for rate in ("tpr", "fpr")]
    assert len(p) == 90
    assert sum(value < 0.05 for value in p) == 46


@pytest.fixture(scope="module")
def two_networks(underdiagnosis: Path) -> tuple[pd.DataFrame, list[str]]:
    """Two real networks, trained by different groups, on the images that both scored."""
    folder = SHARED / "nih-chexnet"
    if not folder.is_dir():
        pytest.skip("real data not here: ../shared/data/nih-chexnet")
    base = pd.read_parquet(folder / "predictions.parquet").set_index("image")
    candidate = pd.read_parquet(underdiagnosis / "predictions_seed45.parquet").set_index("image")
    shared = base.index.intersection(candidate.index)
    names = [c.removeprefix("label_") for c in base.columns if c.startswith("label_")]
    names = [name for name in names if f"label_{name}" in candidate.columns]
    theirs = candidate.loc[shared, [f"prob_{name}" for name in names]].add_suffix("_2")
    return base.loc[shared].join(theirs).reset_index(), names


def test_two_real_networks_on_the_same_patients(two_networks):
    table, names = two_networks
    assert len(table) == 1302
    result = compare_predictions(
        table,
        label=[f"label_{name}" for name in names],
        base_score=[f"prob_{name}" for name in names],
        candidate_score=[f"prob_{name}_2" for name in names],
        patient="patient_id",
        groups=["sex", "view"],
        threshold=0.2,
        policy={"audit": {"groups": ["sex", "view"], "verdict_metrics": ["tpr", "fpr", "auroc"]}},
    )
    outputs = result.to_dict()["outputs"]
    assert len(outputs) == len(names) == 14
    for name, output in zip(names, outputs, strict=True):
        y = table[f"label_{name}"].to_numpy() == 1
        calls = [table[f"prob_{name}{side}"].to_numpy() >= 0.2 for side in ("", "_2")]
        for group in output["groups"]:
            rows = np.ones(len(table), dtype=bool)
            for column, level in group["attributes"].items():
                rows &= (table[column] == level).to_numpy()
            right = [(call == y) & rows for call in calls]
            assert group["n"] == rows.sum()
            assert group["negative_flips"]["k"] == (right[0] & ~right[1]).sum()
            assert group["negative_flips"]["missed_positives"] == (right[0] & ~right[1] & y).sum()
            assert group["positive_flips"]["k"] == (right[1] & ~right[0]).sum()
            tpr = group["metrics"]["tpr"]["delta"]["value"]
            if (y & rows).any():
                here = y & rows
                assert tpr == pytest.approx(
                    calls[1][here].mean() - calls[0][here].mean(), abs=1e-12
                )
            else:
                assert tpr is None
