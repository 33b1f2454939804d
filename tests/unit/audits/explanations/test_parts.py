"""Parts as players: exact on small networks, additive at every level, honest about bad input."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import torch

from audits.errors import ExplanationError
from audits.explanations.case import explain_adapter_case
from audits.explanations.parts.changes import change_of_case, earlier
from audits.explanations.parts.layout import joint_game
from audits.explanations.parts.notes import note_layout, note_plan
from audits.explanations.parts.sequences import sequence_game
from audits.explanations.request import open_request
from audits.explanations.shapley import exact_shapley
from audits.explanations.shapley.derived_games import UnitGame
from audits.explanations.shapley.exact import coalition_values
from audits.explanations.shapley.exact_owen import owen_weights
from audits.explanations.shapley.hierarchy import Hierarchy
from model_adapters import ImageValue, load_adapter, manifest_text
from model_adapters.architectures.own_networks import build_own
from model_adapters.base import Feature

WORDS = ["[pad]", "[unknown]", "fever", "no", "cough", ".", "shock", ":", "plan", "rises"]
VARIABLES = [{"variable": name, "mean": 0.0, "std": 1.0} for name in ("a", "b", "c")]
VITALS = {"modality": "sequence", "hours": 8.0, "step": 1.0, "variables": VARIABLES}
NETWORKS = {
    "auscult.GRU": {"inputs": 10, "hidden": 6, "outputs": 1},
    "auscult.LSTM": {"inputs": 10, "hidden": 6, "outputs": 1},
    "auscult.TimeTransformer": {"variables": 3, "width": 8, "heads": 2, "outputs": 1},
}


@dataclass
class Cases:
    """A study in memory."""

    vitals: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    name: str = "made"
    version: str = "1"
    sha256: str = "0" * 64

    @property
    def case_ids(self):
        return tuple(self.vitals or self.notes)

    def raw_batch(self, fields, case_ids):
        raw = {}
        for one in fields:
            if one.modality == "sequence":
                raw[one.name] = [self.vitals[case] for case in case_ids]
            elif one.modality == "text":
                raw[one.name] = [self.notes[case] for case in case_ids]
            elif one.modality == "image":
                raw[one.name] = [_picture(int(case[1:])) for case in case_ids]
            else:
                raw[one.name] = self.table.loc[list(case_ids)]
        return raw, list(case_ids), []


def _picture(seed):
    pixels = np.random.default_rng(seed).random((12, 12), np.float32)
    return ImageValue(pixels=pixels, low=0, high=1)


def sequences(count=12, seed=0):
    rng = np.random.default_rng(seed)
    out = {}
    for case in range(count):
        rows = [
            (float(hour), name, float(rng.normal()))
            for name in ("a", "b", "c")
            for hour in np.sort(rng.uniform(0, 8, rng.integers(2, 7)))
        ]
        out[f"p{case}"] = pd.DataFrame(rows, columns=["time", "variable", "value"])
    return out


def model(tmp_path, name, args, inputs, scale=3.0):
    from safetensors.torch import save

    torch.manual_seed(3)
    module = build_own(name, args, "test")
    with torch.no_grad():
        for one in module.parameters():
            one.mul_(scale)  # trained networks bend; small random ones are nearly linear
    weights = save(module.state_dict())
    folder = tmp_path / name
    folder.mkdir()
    (folder / "w.safetensors").write_bytes(weights)
    words = json.dumps({"tokens": WORDS}).encode()
    (folder / "words.json").write_bytes(words)
    document = {
        "model": {"id": "m", "version": "1", "task": "binary", "outputs": ["y"], "space": "logit"},
        "weights": {
            "format": "safetensors",
            "file": "w.safetensors",
            "sha256": hashlib.sha256(weights).hexdigest(),
        },
        "architecture": {"name": name, "args": args},
        "inputs": inputs,
    }
    (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")
    return load_adapter(folder, device="cpu")


def note_input(tokens=40):
    data = json.dumps({"tokens": WORDS}).encode()
    return {
        "modality": "text",
        "max_tokens": tokens,
        "vocabulary": "words.json",
        "vocabulary_sha256": hashlib.sha256(data).hexdigest(),
    }


def note_model(tmp_path, tokens=40):
    args = {"vocabulary": len(WORDS), "outputs": 1, "width": 4, "filters": 5}
    return model(tmp_path, "auscult.TextClassifier", args, {"note": note_input(tokens)})


NOTE = "HISTORY: no fever. cough rises.\nPLAN: shock rises. cough. no shock."


@pytest.mark.parametrize("name", NETWORKS)
def test_windows_of_small_networks_are_exact_within_their_error(tmp_path, name):
    adapter = model(tmp_path, name, NETWORKS[name], {"vitals": VITALS})
    study = Cases(vitals=sequences())
    found = explain_adapter_case(study, adapter, "p3")
    request = open_request(study, adapter, "p3")
    game = sequence_game(request)
    assert game.players == 12
    variable = np.repeat(np.arange(3), 4)
    truth = np.einsum(
        "ps,nsc->npc", owen_weights(Hierarchy(levels=(variable,))), coalition_values(game)
    )[0, :, 0]
    effects = np.array([player.effect for player in found.players])
    errors = np.array([player.se for player in found.players])
    assert (np.abs(effects - truth) <= 4 * errors + 1e-6).all()
    whole = exact_shapley(UnitGame(game=game, unit_of=variable)).effects[0, :, 0]
    cells = [c for c in found.timeline.cells if c.level == "variable"]
    np.testing.assert_allclose([c.effect for c in cells], whole, atol=1e-6)
    np.testing.assert_allclose(effects.reshape(3, 4).sum(axis=1), whole, atol=1e-6)
    assert found.additivity_residual < 1e-4


def test_parts_add_up_to_their_window_and_know_their_measurements(tmp_path):
    adapter = model(tmp_path, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": VITALS})
    found = explain_adapter_case(Cases(vitals=sequences()), adapter, "p1")
    cells = found.timeline.cells
    opened = [c for c in cells if c.level == "part"]
    assert opened
    for window in (c for c in cells if c.level == "window"):
        inside = [
            p
            for p in opened
            if p.variable == window.variable and window.start <= p.start < window.end
        ]
        if inside:
            assert sum(p.effect for p in inside) == pytest.approx(window.effect, abs=1e-6)
            assert sum(p.measured for p in inside) == window.measured
    read = sum(c.measured for c in cells if c.level == "variable")
    assert found.timeline.read == read
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_the_change_adds_up_to_the_difference_of_two_predictions(tmp_path):
    adapter = model(tmp_path, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": VITALS})
    study = Cases(vitals=sequences())
    change = change_of_case(study, adapter, "p2", output="y", hours=3.0)
    whole = study.vitals["p2"]
    before = adapter.predict(adapter.prepare({"vitals": [whole[whole["time"] < 5]]}))[0, 0]
    now = adapter.predict(adapter.prepare({"vitals": [whole]}))[0, 0]
    assert change.exact
    own = whole[whole["variable"] == change.players[0].variable].sort_values("time")
    assert change.players[0].value == pytest.approx(own["value"].iloc[-1])
    assert change.players[0].was == pytest.approx(own[own["time"] < 5]["value"].iloc[-1])
    assert (change.before, change.now) == pytest.approx((before, now), abs=1e-6)
    assert sum(one.effect for one in change.players) == pytest.approx(now - before, abs=1e-6)
    found = explain_adapter_case(study, adapter, "p2", since=3.0).timeline
    assert found.change == change
    assert found.trajectory[-1] == (8.0, pytest.approx(now, abs=1e-6))
    with pytest.raises(ExplanationError, match="between 0 and 8"):
        explain_adapter_case(study, adapter, "p2", since=9.0)


def test_a_window_that_ends_with_the_last_measurement_moves_along(tmp_path):
    clock = {**VITALS, "clock": "until_last"}
    adapter = model(tmp_path, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": clock})
    whole = sequences()["p0"]
    (grid,) = adapter.inputs
    moved = earlier(adapter.prepare({"vitals": [whole]})["vitals"], grid, 2.0)
    assert torch.isnan(moved[:, :2]).all()
    hours = moved[..., 1][~torch.isnan(moved[..., 1])]
    assert float(hours.min()) >= 2.0


@pytest.mark.parametrize(
    ("rows", "said"), [(0, "Nothing of what the model reads"), (1, "one step")]
)
def test_sequences_of_length_zero_and_one_have_an_answer(tmp_path, rows, said):
    adapter = model(tmp_path, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": VITALS})
    vitals = sequences()
    vitals["p0"] = vitals["p0"].head(rows)
    found = explain_adapter_case(Cases(vitals=vitals), adapter, "p0")
    assert found.additivity_residual < 1e-4
    assert any(said in one.message for one in found.findings)
    assert (found.timeline.change is None) or rows


@pytest.mark.parametrize(("value", "said"), [(98.6, "check the unit"), (1.9, None)])
def test_measurements_in_another_unit_are_said(tmp_path, value, said):
    study = Cases(vitals=sequences())
    study.measured = (Feature(name="a", label="Heat", unit="Cel", normal=(-2.0, 2.0)),)
    own = study.vitals["p2"]
    own.loc[own.index[0], "value"] = value
    adapter = model(tmp_path, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": VITALS})
    found = explain_adapter_case(study, adapter, "p2")
    messages = " ".join(one.message for one in found.findings)
    assert (said or "Heat") in messages or said is None
    assert ("Heat" in messages) is (said is not None)
    assert str(value) not in messages
    assert found.additivity_residual < 1e-4


def test_sentences_are_owen_values_of_the_removal_game(tmp_path):
    adapter = note_model(tmp_path)
    study = Cases(notes={"n": NOTE})
    found = explain_adapter_case(study, adapter, "n")
    request = open_request(study, adapter, "n")
    (text,) = adapter.inputs
    plan = note_plan(request, text)
    assert [one.name for one in plan.sections] == ["history", "plan"]
    game = joint_game(request, [note_layout(request, text, plan, rows=1)])
    units = UnitGame(game=game, unit_of=plan.sentence_of)
    section_of_sentence = np.array([0] * 3 + [1] * 4)
    weights = owen_weights(Hierarchy(levels=(section_of_sentence,)))
    truth = np.einsum("ps,nsc->npc", weights, coalition_values(units))[0, :, 0]
    effects = np.array([player.effect for player in found.players])
    errors = np.array([player.se for player in found.players])
    assert (np.abs(effects - truth) <= 4 * errors + 1e-6).all()
    sections = [u.effect for u in found.note.units if u.level == "section"]
    np.testing.assert_allclose(sections, [truth[:3].sum(), truth[3:].sum()], atol=1e-6)
    empty = adapter.predict(adapter.prepare({"note": [""]}))[0, 0]
    assert found.base_value == pytest.approx(empty, abs=1e-6)
    removed = NOTE.replace("shock rises. ", "")
    alone = adapter.predict(adapter.prepare({"note": [removed]}))[0, 0]
    mask = np.ones((1, units.players), dtype=bool)
    mask[0, 4] = False
    assert units.hybrids(np.array([0]), np.array([0]), mask)[0, 0, 0] == pytest.approx(
        alone, abs=1e-6
    )


def test_words_add_up_to_their_sentence_and_negations_are_marked(tmp_path):
    found = explain_adapter_case(Cases(notes={"n": NOTE}), note_model(tmp_path), "n").note
    words = [u for u in found.units if u.level == "token"]
    for sentence in (u for u in found.units if u.level == "sentence"):
        inside = [w.effect for w in words if sentence.start <= w.start < sentence.end]
        if inside:
            assert sum(inside) == pytest.approx(sentence.effect, abs=1e-6)
    assert [NOTE[a:b] for a, b in found.negations] == ["no fever", "no shock"]


def test_no_word_of_a_note_leaves_the_study(tmp_path):
    notes = {"n": "JANE ROE OF KESWICK: shock rises. cough. no fever. Zanzibar 4711."}
    found = explain_adapter_case(Cases(notes=notes), note_model(tmp_path), "n", checks=True)
    told = json.dumps(found.to_dict()).lower()
    for word in ("jane", "keswick", "shock", "zanzibar", "4711"):
        assert word not in told
    assert found.note.units[0].name == "section 1"


def test_a_note_always_brings_its_deletion_test(tmp_path):
    found = explain_adapter_case(Cases(notes={"n": NOTE}), note_model(tmp_path), "n")
    assert found.note.deletion.before == pytest.approx(found.score.logit, abs=1e-6)
    (ranked,) = [one for one in found.checks if one.name == "deletion_rank"]
    assert ranked.verdict in {"reflects", "fails"}


def test_a_hundred_page_note_is_cut_and_says_so(tmp_path):
    note = "\n".join(f"PLAN: shock rises. no fever. cough {page}." for page in range(4000))
    found = explain_adapter_case(Cases(notes={"n": note}), note_model(tmp_path), "n")
    assert (found.note.read, found.note.total) == (40, 44000)
    assert found.note.read_to < 500
    assert any("longer than the model reads" in one.message for one in found.findings)
    assert found.additivity_residual < 1e-4


def test_a_note_without_a_word_is_one_sentence(tmp_path):
    with pytest.raises(ExplanationError, match="reads no word"):
        explain_adapter_case(Cases(notes={"n": " \n "}), note_model(tmp_path), "n")


FUSION = {
    "branches": {
        "image": {"kind": "image", "width": 2},
        "ehr": {"kind": "table", "columns": 2, "width": 4},
        "vitals": {"kind": "gru", "inputs": 10, "hidden": 4},
        "note": {"kind": "text", "vocabulary": len(WORDS), "width": 4, "filters": 4},
    },
    "hidden": 6,
    "outputs": 1,
}


def fusion_case(tmp_path):
    inputs = {
        "image": {"size": [12, 12]},
        "ehr": {"features": ["age", "sex"]},
        "vitals": VITALS,
        "note": note_input(),
    }
    adapter = model(tmp_path, "auscult.Fusion", FUSION, inputs, scale=2.0)
    vitals = sequences(8)
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(8, 2)), columns=["age", "sex"], index=list(vitals))
    return Cases(vitals=vitals, notes=dict.fromkeys(vitals, NOTE), table=table), adapter


def test_modalities_are_exact_and_their_parts_add_up(tmp_path):
    study, adapter = fusion_case(tmp_path)
    found = explain_adapter_case(study, adapter, "p4")
    request = open_request(study, adapter, "p4")
    background = request.background().prepared

    def value(own):
        batch = {}
        for name in ("image", "ehr", "vitals", "note"):
            rows = len(background["ehr"])
            kept = torch.as_tensor(request.prepared[name])
            kept = kept.repeat(rows, *([1] * (kept.ndim - 1)))
            gone = torch.as_tensor(background[name]) if name != "note" else torch.zeros_like(kept)
            batch[name] = kept if name in own else gone
        return float(adapter.predict(batch).mean())

    from itertools import combinations
    from math import factorial

    names = ["image", "ehr", "vitals", "note"]
    for one in found.modalities:
        others = [name for name in names if name != one.name]
        truth = sum(
            factorial(k) * factorial(3 - k) / 24 * (value({*some, one.name}) - value(set(some)))
            for k in range(4)
            for some in combinations(others, k)
        )
        assert one.effect == pytest.approx(truth, abs=1e-5)
        inside = [p.effect for p in found.players if p.name.startswith(f"{one.name}: ")]
        assert sum(inside) == pytest.approx(one.effect, abs=1e-5)
    assert found.additivity_residual < 1e-4
    sections = {u.name: u.effect for u in found.note.units if u.level == "section"}
    sentences = [u for u in found.note.units if u.level == "sentence"]
    leading = max(sections, key=lambda name: abs(sections[name]))
    assert sum(u.effect for u in sentences if u.name.startswith(leading)) == pytest.approx(
        sections[leading], abs=1e-6
    )
    assert {u.name.split(",")[0] for u in sentences} == {leading}
    assert found.note.deletion.before == pytest.approx(found.score.logit, abs=1e-5)
    assert found.note.negations
    assert found.timeline.change.now == pytest.approx(found.score.logit, abs=1e-5)


def test_checks_of_parts(tmp_path):
    study, adapter = fusion_case(tmp_path)
    names = {one.name for one in explain_adapter_case(study, adapter, "p4", checks=True).checks}
    assert {"additivity", "deletion_rank", "sign_stability"} <= names
    other = tmp_path / "sequence"
    other.mkdir()
    small = model(other, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": VITALS})
    checks = explain_adapter_case(Cases(vitals=sequences(50)), small, "p4", checks=True).checks
    assert all(one.verdict != "not_checked" for one in checks)


@pytest.mark.parametrize(
    ("clock", "origin"), [("hours", 0.0), ("since_first", 10.0), ("until_last", 4.0)]
)
def test_measurements_are_drawn_where_the_model_reads_them(tmp_path, clock, origin):
    changed = {**VITALS, "clock": clock, "time_unit": "min"}
    adapter = model(tmp_path, "auscult.GRU", NETWORKS["auscult.GRU"], {"vitals": changed})
    rows = [(600.0, "a", 1.0), (720.0, "b", 2.0)] if clock != "hours" else [(60.0, "a", 1.0)]
    case = pd.DataFrame(rows, columns=["time", "variable", "value"])
    timeline = explain_adapter_case(
        Cases(vitals={**sequences(), "p0": case}), adapter, "p0"
    ).timeline
    assert (timeline.unit, timeline.origin) == (pytest.approx(1 / 60), pytest.approx(origin))
    grid = adapter.prepare({"vitals": [case]})["vitals"][0, ..., 1]
    read = sorted(grid[~torch.isnan(grid)].tolist())
    drawn = sorted(time * timeline.unit - timeline.origin for time, _, _ in rows)
    assert read == pytest.approx(drawn)
