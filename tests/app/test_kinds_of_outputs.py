"""Survival, forecasts, classes, numbers and anomalies: from folders to a run to Case review."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from audits.running import run_study_audit

STUDY = """
[study]
name = "kinds"
version = "1"
description = "Random numbers."
licence = "none"
[cases]
table = "cases.csv"
id = "case_id"
patient = "patient_id"
[labels.hazard]
column = "died"
task = "survival"
time = "days"
horizon = 60
unit = "d"
[labels.d30]
column = "died"
task = "survival"
time = "days"
horizon = 30
unit = "d"
[labels.d90]
column = "died"
task = "survival"
time = "days"
horizon = 90
unit = "d"
[labels.m15]
column = "glucose_15"
task = "regression"
[labels.m60]
column = "glucose_60"
task = "regression"
[labels.low]
column = "class"
positive = "low"
task = "multiclass"
[labels.mid]
column = "class"
positive = "mid"
task = "multiclass"
[labels.high]
column = "class"
positive = "high"
task = "multiclass"
[labels.anomaly]
column = "odd"
[groups.sex]
column = "sex"
[inputs.ehr]
variables = "variables.csv"
"""
KINDS = {
    "cox": (["hazard"], "survival", "log_hazard", None, "log-hazard"),
    "curve": (["d30", "d90"], "survival", "survival", "Sigmoid", "survival probability"),
    "glucose": (["m15", "m60"], "regression", "value", None, "own unit"),
    "classes": (["low", "mid", "high"], "multiclass", "logit", None, "log-odds"),
    "autoencoder": (["anomaly"], "anomaly", "value", None, "own unit"),
}
SHOWN = {
    "cox": "Log-hazard",
    "curve": "Probability of outliving the horizon",
    "glucose": "Predicted value",
    "classes": "Predicted risk",
    "autoencoder": "Anomaly score",
}
CASES = 160


def _study(folder):
    folder.mkdir()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(CASES, 4)), columns=list("abcd"))
    frame.loc[::7, "d"] = np.nan
    frame["case_id"] = [f"c{i}" for i in range(CASES)]
    frame["patient_id"] = np.arange(CASES) // 2
    frame["sex"] = np.where(np.arange(CASES) % 2, "F", "M")
    frame["days"] = rng.exponential(60 * np.exp(-frame["a"]))
    frame["died"] = (rng.random(CASES) < 0.8).astype(int)
    frame["glucose_15"] = 6 + frame["a"] + 0.2 * rng.normal(size=CASES)
    frame["glucose_60"] = 6 + 0.5 * frame["a"] + frame["b"] + rng.normal(size=CASES)
    frame["class"] = np.select([frame["a"] < -0.5, frame["a"] > 0.5], ["low", "high"], "mid")
    frame["odd"] = (frame["c"].abs() > 1.5).astype(int)
    frame.to_csv(folder / "cases.csv", index=False)
    rows = [f"{name},Laboratory {name.upper()},mmol/L,-1,1" for name in "abcd"]
    (folder / "variables.csv").write_text("\n".join(["name,label,unit,low,high", *rows]) + "\n")
    (folder / "study.toml").write_text(STUDY)


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
"""
    for one in "abcd":
        text += f'[[inputs.ehr.encoding]]\nfeature = "{one}"\nkind = "numeric"\nimpute = 0.0\n'
        text += "mean = 0.0\nstd = 1.0\n"
    text += '[architecture]\nname = "sequential"\n'
    for layer in layers:
        text += f'[[architecture.layers]]\ntype = "{layer[0]}"\n'
        if len(layer) > 1:
            text += f"args = {{ in_features = {layer[1]}, out_features = {layer[2]} }}\n"
            text += f'key = "{layer[3]}"\n'
    (folder / "model.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A run of all five models, with its store."""
    folder = tmp_path_factory.mktemp("kinds")
    _study(folder / "study")
    models = [_model(folder / name, name) for name in KINDS]
    run_study_audit(
        folder / "study",
        models,
        out=folder / "run",
        store=folder / "store",
        explain_cases=8,
        check_cases=1,
    )
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_a_run_explains_every_kind_on_its_declared_scale(audited, name):
    outputs, _, _, _, unit = KINDS[name]
    evidence = json.loads((audited / "run" / "evidence.json").read_text())
    held = evidence["explanations"][f"{name}@1"]
    assert [one["name"] for one in held["outputs"]] == outputs
    for one in held["outputs"]:
        assert unit in one["estimand"]
        assert one["worst_additivity_residual"] < 1e-4
    assert [one["name"] for one in held["global"]["outputs"]] == outputs
    assert any(one["role"] for one in held["protected_basis"]["inputs"])


def _recorded(audited, name):
    """What the study's own table says of the case that is opened."""
    row = pd.read_csv(audited / "study" / "cases.csv").set_index("case_id").loc["c3"]
    if name in {"cox", "curve"}:
        return "event recorded" if row["died"] else "no event until the end of observation"
    if name == "glucose":
        return f"measured {row['glucose_60']:.3f}"
    there = row["class"] == "high" if name == "classes" else bool(row["odd"])
    return "present" if there else "absent"


@pytest.mark.parametrize("name", KINDS)
def test_case_review_shows_every_kind(audited, open_app, name):
    output = KINDS[name][0][-1]
    app = open_app(audited / "store", "case_review", model=f"{name}@1", output=output, case="c3")
    assert not app.exception
    shown = [*app.markdown, *app.caption, *app.header, *app.error]
    said = "\n".join(str(one.value) for one in shown)
    assert SHOWN[name] in said
    assert _recorded(audited, name) in said
    assert "| Laboratory A" in said
    assert "cannot be shown" not in said
