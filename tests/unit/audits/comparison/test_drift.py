"""How far two versions' reasons are apart, beside what they are apart without a change."""

from __future__ import annotations

import numpy as np
import pytest

from audits.cohorts import Attribute
from audits.comparison.drift import Cases, Reason, Shown, comparable, distance, output_drift


def effects(values, names=("age", "lactate", "heart_rate"), case="c0", method="shapley") -> Reason:
    return Reason(
        case=case, output="died", method=method, names=names, values=np.array(values, float)
    )


def map_of(values, method="gradcam") -> Reason:
    return effects(values, names=(), method=method)


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ([1, 2, -1], [1, 2, -1], 0.0),
        ([1, 2, -1], [10, 20, -10], 0.0),  # how strongly is not compared
        ([1, 0, 0], [0, 3, 0], 1.0),  # nothing shared
        ([1, 0, 0], [-1, 0, 0], 1.0),  # the same variable, the other way
        ([1, 1, 0], [1, 0, 1], 0.5),
        ([0, 0, 0], [1, 0, 0], 1.0),
        ([0, 0, 0], [0, 0, 0], None),
    ],
)
def test_distance_is_the_share_of_reasons_not_shared(first, second, apart):
    assert distance(effects(first), effects(second)) == apart
    assert distance(effects(second), effects(first)) == apart


def test_a_variable_that_one_version_lacks_has_no_effect_there():
    old = effects([2, 1, 1], names=("age", "deprivation", "lactate"))
    new = effects([2, 1], names=("age", "lactate"))
    assert distance(old, new) == pytest.approx(
        (abs(2 / 4 - 2 / 3) + 1 / 4 + abs(1 / 4 - 1 / 3)) / 2
    )


def test_maps_of_different_layers_meet_on_the_finer_grid():
    fine = np.zeros((8, 8))
    fine[:4, :4] = 1
    coarse = np.zeros((4, 4))
    coarse[:2, :2] = 1
    far = np.flip(coarse)
    assert distance(map_of(fine), map_of(coarse)) < 0.25
    assert distance(map_of(fine), map_of(far)) > 0.95


def test_maps_of_different_methods_are_not_set_side_by_side():
    assert not comparable(map_of(np.ones((2, 2))), map_of(np.ones((2, 2)), method="occlusion"))
    assert comparable(effects([1, 2, 3]), effects([1, 2, 3], method="tree_interventional"))
    assert not comparable(effects([1, 2, 3]), map_of(np.ones((2, 2))))


def test_path_dependent_effects_are_never_compared_with_interventional_ones():
    exact, fast = (
        effects([1, 2, 3], method="tree_interventional"),
        effects([1, 2, 3], method="tree_path"),
    )
    assert not comparable(exact, fast)
    assert not comparable(fast, effects([1, 2, 3]))
    assert comparable(fast, fast)
    who = Cases(ids=("c",), patients=None, attributes=())
    shown = {"c": Shown(base=0.4, candidate=0.4, same_call=True)}
    found = output_drift("y", {"c": (exact, fast)}, shown, who, rerun=[], reseeded=[])
    assert found["distance"]["value"] is None
    assert "tree_path" in found["reason"]


def study(seed: int, *, shift: float, noise: float):
    """Reasons of 40 cases of 20 patients under two versions, and of one version run again."""
    rng = np.random.default_rng(seed)
    ids = tuple(f"c{row}" for row in range(40))
    base = {case: rng.normal(size=6) for case in ids}
    names = tuple("abcdef")

    def again(values, size):
        return effects(values + size * rng.normal(size=6), names=names)

    pairs = {case: (effects(base[case], names=names), again(base[case], shift)) for case in ids}
    rerun = [(effects(base[case], names=names), again(base[case], noise)) for case in ids[:16]]
    cases = Cases(
        ids=ids,
        patients=np.arange(40) // 2,
        attributes=(
            Attribute(
                name="sex",
                column="sex",
                kind="demographic",
                levels=("F", "M"),
                codes=(np.arange(40) % 2).astype(np.int32),
            ),
        ),
    )
    shown = {
        case: Shown(base=0.5, candidate=0.6, same_call=row % 4 != 0) for row, case in enumerate(ids)
    }
    return pairs, shown, cases, rerun


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"), [(0.5, 0.05, "beyond_noise"), (0.05, 0.5, "within_noise")]
)
def test_drift_is_judged_beside_the_noise(shift: float, noise: float, verdict: str):
    pairs, shown, cases, rerun = study(1, shift=shift, noise=noise)
    found = output_drift("died", pairs, shown, cases, rerun=rerun, reseeded=[])
    assert found["verdict"] == verdict
    assert found["against"] == "rerun"
    assert found["distance"]["n"] == 40
    assert found["distance"]["n_patients"] == 20
    assert found["distance"]["low"] < found["distance"]["value"] < found["distance"]["high"]
    largest = max(distance(*pair) for pair in rerun)
    assert found["noise"]["rerun"]["largest"] == largest
    beyond = sum(distance(*pair) > largest for pair in pairs.values())
    assert found["beyond_noise"] == {"k": beyond, "n": 40}
    assert [group["attributes"] for group in found["groups"]] == [{"sex": "F"}, {"sex": "M"}]
    assert all(one["same_call"] for one in found["moved_most"])
    moved = [one["distance"] for one in found["moved_most"]]
    assert moved == sorted(moved, reverse=True)


def test_another_training_seed_is_the_noise_where_one_is_given():
    pairs, shown, cases, rerun = study(2, shift=0.3, noise=0.01)
    _, _, _, reseeded = study(3, shift=0.3, noise=0.6)
    found = output_drift("died", pairs, shown, cases, rerun=rerun, reseeded=reseeded)
    assert found["against"] == "reseeded"
    assert found["verdict"] == "within_noise"
    assert set(found["noise"]) == {"rerun", "reseeded"}


def test_a_version_run_twice_without_chance_has_no_noise():
    pairs, shown, cases, _ = study(1, shift=0.2, noise=0)
    same = [(pair[0], pair[0]) for pair in list(pairs.values())[:8]]
    found = output_drift("died", pairs, shown, cases, rerun=same, reseeded=[])
    assert found["noise"]["rerun"]["largest"] == 0
    assert found["verdict"] == "beyond_noise"


def test_nothing_to_compare_says_why():
    pairs, shown, cases, _ = study(1, shift=0.2, noise=0)
    odd = {case: (pair[0], map_of(np.ones((2, 2)))) for case, pair in pairs.items()}
    found = output_drift("died", odd, shown, cases, rerun=[], reseeded=[])
    assert found["verdict"] == "not_evaluable"
    assert found["distance"]["value"] is None
    assert "no case is explained by both" in found["reason"]
    assert found["beyond_noise"]["k"] is None
