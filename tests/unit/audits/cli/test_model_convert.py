"""``auscult model convert``: a checkpoint becomes a folder that passes its checks."""

from __future__ import annotations

import pytest


@pytest.fixture
def checkpoint(tmp_path):
    import torch

    path = tmp_path / "net.pt"
    torch.save({"0.weight": torch.zeros(1, 4), "0.bias": torch.zeros(1)}, path)
    return path


LAYERS = (
    '{"layers": [{"type": "Linear", "args": {"in_features": 4, "out_features": 1}, "key": "0"}]}'
)


def test_a_state_dict_becomes_a_model_folder(auscult, checkpoint, tmp_path):
    declared = tmp_path / "known.toml"
    declared.write_text(
        '[model]\nid = "net"\noutputs = ["died"]\ntask = "binary"\nspace = "logit"\n'
    )
    more = ("--architecture", "sequential", "--args", LAYERS, "--declared", declared)
    ended = auscult("model", "convert", checkpoint, *more, "--out", tmp_path / "net")
    assert ended.code == 0, ended.err
    assert (tmp_path / "net" / "model.toml").is_file()
    assert "assumed:" in ended.out


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (["--args", "{"], "--args"),
        (["--args", "[]"], "JSON object"),
        (["--declared", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_bad_input_is_one_sentence(auscult, checkpoint, tmp_path, more, wanted):
    command = ["model", "convert", checkpoint, "--architecture", "sequential", *more]
    ended = auscult(*command, "--out", tmp_path / "net")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert wanted in ended.err
    assert not (tmp_path / "net").exists()
