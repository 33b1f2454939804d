"""What drives models over time, of notes and of several inputs, and what stands for whom."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cohorts.groups import Attribute
from audits.explanations.associations import word_association
from audits.explanations.global_effects import global_effects
from audits.explanations.importance import global_summary
from audits.explanations.protected_basis import protected_inventory

from .test_parts import NETWORKS, NOTE, VITALS, Cases, fusion_case, model, note_model

COUNT = 48


def _sex(ids):
    codes = np.array([int(case[1:]) % 2 for case in ids], dtype=np.int32)
    return Attribute(name="sex", column="sex", kind="demographic", levels=("F", "M"), codes=codes)


def _vitals(seeded):
    """Return cases of which only those with an odd number have b measured."""
    out = {}
    for case in range(COUNT):
        names = ("a", "b", "c") if case % 2 else ("a", "c")
        rows = [(hour, name, float(seeded.normal())) for name in names for hour in (1.0, 5.0)]
        out[f"p{case}"] = pd.DataFrame(rows, columns=["time", "variable", "value"])
    return out


def test_variables_over_time_have_importance_proxies_and_orders(tmp_path, seeded):
    name = next(iter(NETWORKS))
    adapter = model(tmp_path, name, NETWORKS[name], {"vitals": VITALS})
    found = global_effects(Cases(vitals=_vitals(seeded)), adapter, 2 * COUNT, seed=1)
    assert [one.name for one in found.features] == ["a", "b", "c"]
    assert len(found.case_ids) == COUNT
    assert found.raw["b"].isna().sum() == COUNT // 2
    sex = _sex(found.case_ids)
    (output,) = global_summary(found, (sex,), seed=1)["outputs"]
    assert {one["name"] for one in output["importance"]} == {"a", "b", "c"}
    (ordered,) = output["care_process"]
    assert ordered["name"] == "b"
    assert ordered["not_measured"]["value"] == pytest.approx(0.5)
    inventory = protected_inventory(found, (sex,), seed=1)
    role = {one["name"]: one for one in inventory["inputs"]}
    assert role["b"]["role"] == "proxy"
    assert role["b"]["association_measure"] == "cramers_v_missing"
    assert role["a"]["role"] == "none"
    frame = found.frame()
    assert len(frame) == 3 * COUNT


def test_effects_of_single_cases_add_up_whatever_is_played_together(tmp_path):
    study, adapter = fusion_case(tmp_path)
    found = global_effects(study, adapter, 40, seed=2)
    names = {one.name for one in found.features}
    assert {"age", "sex", "a", "note: history", "note: plan", "image: upper left"} <= names
    sums = found.effects.sum(axis=(1, 2))
    scores = adapter.predict(adapter.prepare(study.raw_batch(adapter.inputs, found.case_ids)[0]))
    assert sums - scores[:, 0] == pytest.approx((sums - scores[:, 0])[0], abs=1e-4)
    summary = global_summary(found, (), seed=1)
    assert "several inputs" in summary["outputs"][0]["care_process_reason"]
    inventory = protected_inventory(found, (_sex(found.case_ids),), seed=1)
    listed = {one["name"] for one in inventory["inputs"]}
    assert "image: upper left" not in listed
    assert {one["name"] for one in inventory["not_covered"]} == {"image"}
    assert {"sex", "note: plan"} <= listed


def test_sections_that_a_note_lacks_have_no_effect(tmp_path):
    notes = {f"n{i}": NOTE if i % 2 else NOTE.split("\n")[0] for i in range(12)}
    found = global_effects(Cases(notes=notes), note_model(tmp_path), 12, seed=1)
    names = [one.name for one in found.features]
    assert sorted(names) == ["history", "plan"]
    lacking = found.raw["plan"].isna().to_numpy()
    assert lacking.sum() == 6
    assert (found.effects[lacking, names.index("plan")] == 0).all()
    assert found.background.n == 1


@pytest.mark.parametrize("tells", [True, False])
def test_the_telling_word_is_chosen_apart_from_where_it_is_measured(seeded, tells):
    codes = np.arange(200) % 2
    texts = [
        frozenset({f"w{i}" for i in range(30) if seeded.random() < 0.5}
                  | ({"gravida"} if tells and code else set()))
        for code in codes
    ]  # fmt: skip
    found = word_association(texts, codes, np.arange(200), 1)
    assert found.value == pytest.approx(1.0 if tells else 0.0, abs=0.25)
    assert word_association(texts[:20], codes[:20], np.arange(20), 1).reason
