"""Texts as numbers of a vocabulary, and several inputs at once."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from model_adapters import AdapterError, ImageValue, check_model_folder, load_adapter
from model_adapters.architectures.own_networks import build_own
from model_adapters.preprocessing.text import closed_up

WORDS = ["[pad]", "[unknown]", "fever", "no", "cough", ".", "rises"]
TEXT = {"vocabulary": len(WORDS), "outputs": 1, "width": 4, "filters": 4}
VITALS = {
    "modality": "sequence",
    "hours": 4.0,
    "variables": [{"variable": "hr", "mean": 80.0, "std": 10.0}],
}


def note_input(**changes):
    data = json.dumps({"tokens": WORDS}).encode()
    declared = {
        "modality": "text",
        "max_tokens": 8,
        "vocabulary": "words.json",
        "vocabulary_sha256": hashlib.sha256(data).hexdigest(),
    }
    return {**declared, **changes}, data


def text_model(write_model, **changes):
    torch.manual_seed(1)
    declared, data = note_input(**changes)
    size = len(WORDS) + declared.get("buckets", 0)
    args = {**TEXT, "vocabulary": size}
    folder = write_model(
        save(build_own("auscult.TextClassifier", args, "test").state_dict()),
        weights={"format": "safetensors", "file": "w.safetensors"},
        architecture={"name": "auscult.TextClassifier", "args": args},
        **{"inputs.note": declared},
    )
    (folder / "words.json").write_bytes(data)
    return folder


def test_tokens_know_where_they_stand(write_model):
    adapter = load_adapter(text_model(write_model), device="cpu")
    text = "No fever. Lactate rises. " * 3
    found = adapter.tokens_of("note", text)
    assert [text[a:b].lower() for a, b in found.spans[:5]] == [
        "no",
        "fever",
        ".",
        "lactate",
        "rises",
    ]
    assert found.ids[:5] == (3, 2, 5, 1, 6)
    assert (len(found.ids), found.total) == (8, 18)
    assert adapter.padding_of("note") == 0
    with pytest.raises(AdapterError, match="is no text input"):
        adapter.tokens_of("ehr", text)


def test_unknown_words_may_take_buckets(write_model):
    adapter = load_adapter(text_model(write_model, buckets=3), device="cpu")
    ids = adapter.tokens_of("note", "lactate fever zebra").ids
    assert ids[1] == 2
    assert all(len(WORDS) <= one < len(WORDS) + 3 for one in (ids[0], ids[2]))


def test_removed_words_leave_no_hole(write_model):
    adapter = load_adapter(text_model(write_model), device="cpu")
    prepared = adapter.prepare({"note": ["fever cough rises", "fever rises"]})["note"]
    holed = prepared[:1].clone()
    holed[0, 1] = 0
    assert closed_up(holed, 0)[0, :2].tolist() == prepared[1, :2].tolist()
    scores = adapter.predict({"note": torch.cat([holed, prepared[1:]])})
    assert scores[0, 0] == pytest.approx(scores[1, 0], abs=1e-6)


def test_a_text_model_keeps_every_promise_and_has_no_gradient(write_model):
    folder = text_model(write_model)
    results = {one.name: one for one in check_model_folder(folder)}
    assert all(one.passed for one in results.values()), results
    assert results["missing values stay in their row"].status == "passed"
    assert "grad" not in load_adapter(folder, device="cpu").caps


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", 'must hold {"tokens"'),
        (b"not json", "is not JSON"),
        (b'{"tokens": ["a", "b", "b"]}', "2 of them distinct"),
    ],
)
def test_a_bad_vocabulary_is_one_sentence(write_model, content, said):
    folder = text_model(write_model, vocabulary_sha256=hashlib.sha256(content).hexdigest())
    (folder / "words.json").write_bytes(content)
    with pytest.raises(AdapterError, match=said):
        load_adapter(folder, device="cpu")


def test_a_changed_vocabulary_is_refused(write_model):
    folder = text_model(write_model)
    (folder / "words.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AdapterError, match=r"inputs\.note\.vocabulary_sha256.*another hash"):
        load_adapter(folder, device="cpu")


FUSION = {
    "branches": {
        "image": {"kind": "image", "width": 2},
        "ehr": {"kind": "table", "columns": 2, "width": 3},
        "vitals": {"kind": "gru", "inputs": 4, "hidden": 3},
        "note": {"kind": "text", "vocabulary": len(WORDS), "width": 3, "filters": 3},
    },
    "hidden": 4,
    "outputs": 1,
}


def fusion_model(write_model, **inputs):
    torch.manual_seed(2)
    note, data = note_input()
    declared = {
        "inputs.image": {"size": [16, 16], "scale": "0-1"},
        "inputs.ehr": {"features": ["age", "lactate"]},
        "inputs.vitals": VITALS,
        "inputs.note": note,
        **inputs,
    }
    sections = {key.split(".")[1]: value for key, value in declared.items()}
    folder = write_model(
        save(build_own("auscult.Fusion", FUSION, "test").state_dict()),
        weights={"format": "safetensors", "file": "w.safetensors"},
        architecture={"name": "auscult.Fusion", "args": FUSION},
        inputs=sections,
    )
    (folder / "words.json").write_bytes(data)
    return folder


def test_several_inputs_keep_every_promise(write_model):
    results = {one.name: one for one in check_model_folder(fusion_model(write_model))}
    assert all(one.passed for one in results.values()), results


def test_every_input_of_a_fusion_is_read(write_model):
    adapter = load_adapter(fusion_model(write_model), device="cpu")

    def score(level=0.5, age=60.0, rate=80.0, text="fever"):
        raw = {
            "image": [ImageValue(pixels=np.full((20, 20), level, np.float32), low=0, high=1)],
            "ehr": pd.DataFrame({"age": [age], "lactate": [1.0]}),
            "vitals": [pd.DataFrame({"time": [1.0], "variable": ["hr"], "value": [rate]})],
            "note": [text],
        }
        return adapter.predict(adapter.prepare(raw))[0, 0]

    base = score()
    for changed in ({"level": 0.9}, {"age": 30.0}, {"rate": 140.0}, {"text": "no cough"}):
        assert score(**changed) != pytest.approx(base, abs=1e-7), changed


def test_a_network_of_one_input_takes_no_second(write_model):
    torch.manual_seed(1)
    note, data = note_input()
    folder = write_model(
        save(build_own("auscult.TextClassifier", TEXT, "test").state_dict()),
        weights={"format": "safetensors", "file": "w.safetensors"},
        architecture={"name": "auscult.TextClassifier", "args": TEXT},
        inputs={"note": note, "vitals": VITALS},
    )
    (folder / "words.json").write_bytes(data)
    with pytest.raises(AdapterError, match=r"takes one input.*auscult\.Fusion"):
        load_adapter(folder, device="cpu")


def test_an_unknown_branch_is_one_sentence(write_model):
    folder = write_model(
        save({"a": torch.zeros(1)}),
        weights={"format": "safetensors", "file": "w.safetensors"},
        architecture={
            "name": "auscult.Fusion",
            "args": {"branches": {"vitals": {"kind": "tcn"}}, "outputs": 1},
        },
        **{"inputs.vitals": VITALS},
    )
    with pytest.raises(AdapterError, match="kind must be"):
        load_adapter(folder, device="cpu")
