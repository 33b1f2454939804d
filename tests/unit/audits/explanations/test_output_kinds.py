"""Every kind of output, explained end to end from folders on its declared scale; wide tables."""

from __future__ import annotations

import hashlib
import json
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from audits.explanations import explain_adapter_case, explain_case
from model_adapters.base import Feature, Field

from .conftest import FrameStudy, table_adapter

STUDY = """
[study]
name = "kinds"
version = "1"
description = "Random numbers."
licence = "none"
[cases]
table = "cases.csv"
id = "case_id"
[labels.y]
column = "y"
positive = 1
[inputs.ehr]
variables = "variables.csv"
"""

KINDS = {
    "cox": (["hazard"], "survival", "log_hazard", None, "log-hazard"),
    "curve": (["d30", "d60", "d90"], "survival", "survival", "Sigmoid", "survival probability"),
    "glucose": (["m15", "m30", "m60"], "regression", "value", None, "own unit"),
    "classes": (["a", "b", "c"], "multiclass", "logit", None, "log-odds"),
    "autoencoder": (["anomaly"], "anomaly", "value", None, "own unit"),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
    frame["case_id"] = [f"c{i}" for i in range(120)]
    frame["y"] = (frame.a > 0).astype(int)
    frame.to_csv(folder / "cases.csv", index=False)
    lines = [f"{name},{name.upper()},mmol/L" for name in "abcd"]
    (folder / "variables.csv").write_text("\n".join(["name,label,unit", *lines]) + "\n")
    (folder / "study.toml").write_text(STUDY)
    return folder


def _model(folder, name):
    outputs, task, space, last, _ = KINDS[name]
    width = 4 if task == "anomaly" else len(outputs)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, width))
    folder.mkdir()
    save_file(net.state_dict(), folder / "w.safetensors")
    sha = hashlib.sha256((folder / "w.safetensors").read_bytes()).hexdigest()
    layers = [("Linear", 4, 6, "0"), ("Tanh",), ("Linear", 6, width, "2")]
    layers += [(last,)] if last else []
    text = f"""
[model]
id = "{name}"
version = "1"
task = "{task}"
outputs = {json.dumps(outputs)}
space = "{space}"
[weights]
format = "safetensors"
file = "w.safetensors"
sha256 = "{sha}"
[inputs.ehr]
features = ["a", "b", "c", "d"]
[architecture]
name = "sequential"
"""
    for layer in layers:
        text += f'[[architecture.layers]]\ntype = "{layer[0]}"\n'
        if len(layer) > 1:
            text += f"args = {{ in_features = {layer[1]}, out_features = {layer[2]} }}\n"
            text += f'key = "{layer[3]}"\n'
    (folder / "model.toml").write_text(text)
    return folder, net


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_explained_on_its_own_scale(study, tmp_path, name):
    outputs, task, space, _, unit = KINDS[name]
    folder, net = _model(tmp_path / name, name)
    why = explain_case(study=study, model=folder, case="c3", output=outputs[-1], checks=False)
    assert unit in why.estimand
    assert why.additivity_residual < 1e-4
    assert len(why.players) == 4
    row = pd.read_csv(study / "cases.csv").set_index("case_id").loc[["c3"], list("abcd")]
    raw = net(torch.as_tensor(row.to_numpy(copy=True), dtype=torch.float32)).detach().numpy()
    if task == "survival":
        value = raw[0, -1] if space == "log_hazard" else 1 / (1 + np.exp(-raw[0, -1]))
        assert why.score.value == pytest.approx(value, rel=1e-4)
    if name in {"curve", "glucose"}:
        points = why.players[0].to_dict()["curve"]
        assert [point["output"] for point in points] == outputs
        assert points[-1]["effect"] == why.players[0].effect
        first = explain_case(study=study, model=folder, case="c3", output=outputs[0], checks=False)
        assert first.players[0].effect == pytest.approx(points[0]["effect"])
    else:
        assert why.players[0].curve == ()


class Polygenic(torch.nn.Module):
    """Ten of ten thousand variants count, two of them together."""

    def forward(self, x):
        return (x[:, 17] + 0.5 * x[:, 23] * x[:, 4321] - x[:, 9000] + 0.2 * x[:, 30])[:, None]


@pytest.mark.parametrize("declared", [True, False])
def test_ten_thousand_variants_play_in_groups(seeded, declared):
    count, cases = (10_000, 12) if declared else (9_001, 3)
    values = seeded.integers(0, 3, size=(cases, count)).astype(float)
    values[0, [17, 23, 4321, 9000, 30]] = [2, 2, 2, 0, 1]
    names = [f"rs{i}" for i in range(count)]
    features = tuple(
        Feature(
            name=name,
            label=name,
            columns=(i,),
            group=f"gene {i // 50}" if declared else None,
        )
        for i, name in enumerate(names)
    )
    frame = pd.DataFrame(values, columns=names, index=[f"case-{i}" for i in range(cases)])
    model = table_adapter(Polygenic(), 1)
    model.inputs = (Field(name="ehr", modality="table", shape=(count,), features=features),)
    started = time.thread_time()
    why = explain_adapter_case(FrameStudy(cases=frame, variables=features), model, "case-0")
    assert time.thread_time() - started < 40
    groups = {player.name: player for player in why.players}
    assert len(groups) == (200 if declared else 95)
    assert why.additivity_residual < 1e-4
    opened = [player for player in why.players if player.members]
    assert 0 < len(opened) <= 8
    first = next(p for p in opened if any(m.name == "rs17" for m in p.members))
    own = {member.name: member for member in first.members}
    assert sum(m.effect for m in first.members) == pytest.approx(first.effect, abs=1e-6)
    assert own["rs17"].effect == pytest.approx(2 - values[:, 17].mean(), abs=0.05)
    assert own["rs18"].effect == pytest.approx(0.0, abs=1e-6)
    said = " ".join(finding.message for finding in why.findings)
    assert ("too many to play" in said) is not declared
