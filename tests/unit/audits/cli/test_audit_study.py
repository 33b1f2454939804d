"""``auscult audit --study`` and ``auscult explain`` on a published network and its images."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from audits.storage import open_run, verify_run


def audit(study, model, out, *more):
    return ["audit", "--study", study, "--model", model, "--out", out, "--device", "cpu", *more]


def test_the_published_numbers_and_maps(auscult, pneumonia, tmp_path):
    study, model = pneumonia
    ended = auscult(*audit(study, model, tmp_path / "run", "--explain-cases", "4"))
    assert ended.code == 0, ended.err
    run = open_run(tmp_path / "run")
    (output,) = run.evidence["outputs"]
    metrics = output["overall"]["metrics"]
    assert (metrics["tnr"]["k"], metrics["tnr"]["n"]) == (132, 234)
    assert f"{100 * metrics['tpr']['value']:.2f}" == "99.57"
    assert f"{metrics['auroc']['value']:.4f}" == "0.9389"
    key = "pneumonia@1.0"
    assert output["model"] == key
    assert output["threshold"]["source"] == "model"
    assert run.model_keys == (key,)
    assert len(run.predictions(key)) == 468
    assert run.maps(key)["maps"].shape[:2] == (468, 1)
    assert len(run.explained_cases(key)) == 4
    assert run.evidence["explanations"][key]["cases"] == 4
    assert run.info["models"] == {key: str(model)}
    assert verify_run(run.path).intact


def test_a_grad_cam_from_the_command_line(auscult, pneumonia, tmp_path):
    study, model = pneumonia
    more = ("--case", "c007", "--method", "gradcam", "--out", tmp_path / "why")
    ended = auscult("explain", "--study", study, "--model", model, "--device", "cpu", *more)
    assert ended.code == 0, ended.err
    why = json.loads((tmp_path / "why" / "explanation.json").read_text())
    assert why["case"] == "c007"
    assert why["method"] == "gradcam"
    with np.load(tmp_path / "why" / why["map"]["file"], allow_pickle=False) as maps:
        assert maps["patient"].shape == (28, 28)
        assert list(maps["native"].shape) == why["map"]["native_size"]
    assert list((tmp_path / "why").glob("*.png"))
    assert not list((tmp_path / "why").glob(".part*"))
    tested = {check["name"]: check["verdict"] for check in why["checks"]}
    assert tested["deletion_rank"] in {"reflects", "fails"}
    assert tested["max_sensitivity"] in {"reflects", "fails"}
    assert f"deletion_rank: {tested['deletion_rank']}" in ended.out
    quick = auscult("explain", "--study", study, "--model", model, "--no-checks", *more)
    assert "Explanation: not checked." in quick.out
    why = json.loads((tmp_path / "why" / "explanation.json").read_text())
    assert {check["verdict"] for check in why["checks"]} == {"not_checked"}


GATE = '[[gate.rule]]\nmetric = "explanation"\nkind = "verdict"\nlimit = "reflects"\n'


def test_an_audit_tests_explanations_and_the_gate_judges_them(auscult, few, tmp_path, capsys):
    study, model = few
    policy = tmp_path / "policy.toml"
    policy.write_text(GATE, encoding="utf-8")
    said = {}
    for count in (0, 4):
        out = tmp_path / f"run-{count}"
        more = ("--explain-cases", "6", "--check-cases", count, "--no-why")
        assert auscult(*audit(study, model, out, *more)).code == 0
        with pytest.raises(SystemExit) as ended:
            auscult("gate", out, "--policy", policy)
        said[count] = (ended.value.code, capsys.readouterr().out)
    assert said[0][0] == 3
    assert "not_checked" in said[0][1]
    run = open_run(tmp_path / "run-4")
    checks = run.evidence["explanations"]["pneumonia@1.0"]["checks"]
    rank = next(one for one in checks if one["name"] == "deletion_rank")
    assert rank["share"]["n"] == 4
    wanted = {one["verdict"] for one in checks if one["decides"]}
    worst = 1 if "fails" in wanted else 0 if wanted == {"reflects"} else 3
    assert said[4][0] == worst
    stored = [
        check["verdict"]
        for path in (run.path / "internal" / "explanations").rglob("explanation.json")
        for check in json.loads(path.read_text())["checks"]
        if check["name"] == "deletion_rank"
    ]
    assert (len(stored), stored.count("not_checked")) == (6, 2)


@pytest.fixture
def few(pneumonia):
    """Keep the first 40 cases of the study."""
    study, model = pneumonia
    cases = pd.read_parquet(study / "cases.parquet").iloc[:40]
    cases.to_parquet(study / "cases.parquet", index=False)
    return study, model


def test_an_image_that_does_not_open_is_listed_and_the_others_go_on(auscult, few, tmp_path):
    study, model = few
    (study / "c003.png").write_bytes(b"no image")
    ended = auscult(*audit(study, model, tmp_path / "run", "--explain-cases", "0"))
    assert ended.code == 0, ended.err
    evidence = open_run(tmp_path / "run").evidence
    assert [s["case"] for s in evidence["skipped"]] == ["c003"]
    assert evidence["outputs"][0]["overall"]["n"] == 39


def test_if_changed_looks_at_study_model_and_seed(auscult, few, tmp_path):
    study, model = few
    command = audit(study, model, tmp_path / "run", "--explain-cases", "0", "--if-changed")
    assert auscult(*command).code == 0
    assert "up to date" in auscult(*command).out
    assert "up to date" not in auscult(*command, "--seed", "1").out


def test_the_same_inputs_give_the_same_run(auscult, few, tmp_path):
    study, model = few
    for name in ("a", "b"):
        assert auscult(*audit(study, model, tmp_path / name, "--explain-cases", "3")).code == 0
    runs = [open_run(tmp_path / name) for name in ("a", "b")]
    first, second = (r.evidence for r in runs)
    assert first["outputs"] == second["outputs"]
    assert first["explanations"] == second["explanations"]
    assert runs[0].explained_cases("pneumonia@1.0") == runs[1].explained_cases("pneumonia@1.0")


def test_a_restricted_run_names_no_case_in_what_may_leave(auscult, few, tmp_path):
    study, model = few
    (study / "c003.png").write_bytes(b"no image")
    policy = tmp_path / "policy.toml"
    policy.write_text('[audit]\ngroups = ["half"]\n[suppression]\nrelease = "restricted"\n')
    more = ("--explain-cases", "3", "--policy", policy)
    assert auscult(*audit(study, model, tmp_path / "run", *more)).code == 0
    run = open_run(tmp_path / "run")
    assert run.evidence["release"] == "restricted"
    assert not re.search(r"c0[0-3]\d\b", json.dumps(run.evidence))
    assert [s["case"] for s in run.exact["skipped"]] == ["c003"]
    assert run.exact["explanations"]["pneumonia@1.0"]["cases"] == 3
    assert run.evidence["explanations"]["pneumonia@1.0"]["cases"] is None
    assert verify_run(run.path).intact


def refused(ended, tmp_path, *wanted):
    assert ended.code == 2, ended.err
    sentence = [line for line in ended.err.splitlines() if "%" not in line[:5]]
    assert len(sentence) == 1, ended.err
    for word in wanted:
        assert word in sentence[0]
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_weights_whose_hash_differs(auscult, few, tmp_path):
    study, model = few
    path = model / "weights.safetensors"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    refused(auscult(*audit(study, model, tmp_path / "run")), tmp_path, "weights.safetensors")


def test_a_model_whose_outputs_have_no_label(auscult, few, tmp_path):
    study, model = few
    manifest = model / "model.toml"
    manifest.write_text(manifest.read_text().replace('["pneumonia"]', '["effusion"]'))
    refused(auscult(*audit(study, model, tmp_path / "run")), tmp_path, "effusion", "pneumonia")


def test_two_folders_with_one_identity(auscult, few, tmp_path):
    study, model = few
    command = audit(study, model, tmp_path / "run", "--model", model)
    refused(auscult(*command), tmp_path, "pneumonia@1.0")


@pytest.mark.parametrize("missing", ["study", "model"])
def test_a_folder_that_is_not_there(auscult, few, tmp_path, missing):
    study, model = few
    gone = tmp_path / "gone"
    command = audit(*((gone, model) if missing == "study" else (study, gone)), tmp_path / "run")
    refused(auscult(*command), tmp_path, "gone")


def test_options_of_the_other_form(auscult, few, tmp_path):
    command = audit(*few, tmp_path / "run", "--group", "half")
    refused(auscult(*command), tmp_path, "--group", "study.toml")


def test_a_study_alone(auscult, few, tmp_path):
    refused(auscult("audit", "--study", few[0], "--out", tmp_path / "run"), tmp_path, "--model")


@pytest.mark.parametrize(
    ("option", "value"), [("--case", "nobody"), ("--output", "x"), ("--method", "magic")]
)
def test_explain_refuses_what_is_not_there(auscult, few, tmp_path, option, value):
    given = {"--case": "c001", option: value}
    more = [part for pair in given.items() for part in pair]
    command = ["explain", "--study", few[0], "--model", few[1], *more, "--out", tmp_path / "run"]
    refused(auscult(*command), tmp_path, value)


def test_the_model_keeps_its_promises(auscult, few):
    study, model = few
    assert auscult("model", "check", model, "--device", "cpu").code == 0
    assert auscult("model", "check", model, "--study", study, "--device", "cpu").code == 0
