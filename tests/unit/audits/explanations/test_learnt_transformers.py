"""Swin, ViT with registers and a transformer segmentation that have learnt a known lesion."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from audits.cli.failures import run_guarded
from audits.explanations import explain_case
from audits.explanations.attention import attention_engine
from audits.explanations.checks import badge
from audits.explanations.checks.shuffles import shuffled_weights
from audits.explanations.summary import _map_scale
from audits.running import run_study_audit
from model_adapters import load_adapter
from model_adapters.architectures.swin_classifier import SwinClassifier
from model_adapters.architectures.vision_transformer import VisionTransformer

from .imaging_folders import model_folder, study_folder

bench = pytest.importorskip(
    "benchmarks.transformers", reason="benchmarks are not part of an installation"
)

SIZE, GRID, SWIN, WINDOWS = bench.SIZE, bench.GRID, bench.SWIN, bench.WINDOWS
REGISTERS = 3
VIT = bench.VIT | {"registers": REGISTERS}
TOKENS = bench.tokens(REGISTERS)


def _folder(folder, name, args, state, tokens, *, size=SIZE, **model):
    return model_folder(
        folder,
        tensors={key: value.contiguous() for key, value in state.items()},
        architecture={"name": name, "args": args} | ({"tokens": tokens} if tokens else {}),
        inputs={"image": {"size": [size, size], "mean": [bench.MEAN], "std": [bench.STD]}},
        thresholds=[0.5],
        **model,
    )


@pytest.fixture(scope="module")
def swin():
    torch.manual_seed(1)
    return bench.learnt(SwinClassifier(**SWIN))


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(1)
    return bench.learnt(VisionTransformer(**VIT))


@pytest.fixture(scope="module")
def dense():
    torch.manual_seed(1)
    return bench.learnt(VisionTransformer(**VIT, dense=True), dense=True)


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    """Return a study of 40 such images with their masks, and the ids of the ill ones."""
    folder = tmp_path_factory.mktemp("lesions")
    images, labels, masks = bench.pictures(40, 3)
    rows = []
    for at, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{at}.png")
        Image.fromarray(masks[at].astype(np.uint8) * 255).save(folder / f"{at}_m.png")
        rows.append((f"c{at}", f"p{at}", f"{at}.png", f"{at}_m.png", int(labels[at]), "ab"[at % 2]))
    columns = ["case_id", "patient_id", "image", "mask", "y", "site"]
    cases = pd.DataFrame(rows, columns=columns)
    inputs = {"image": {"column": "image", "kind": "png", "mask_column": "mask"}}
    study_folder(folder, cases, inputs=inputs, groups=["site"])
    return SimpleNamespace(folder=folder, ill=list(cases.query("y == 1")["case_id"]))


@pytest.fixture
def explain(capsys, tmp_path, monkeypatch):
    """Run ``auscult explain``; return its file, or the sentence."""
    monkeypatch.setenv("AUSCULT_HOME", str(tmp_path / "store"))

    def run(study, model, case, *more):
        asked = ("--study", study, "--model", model, "--case", case, "--out", tmp_path / "why")
        code = run_guarded(["explain", *map(str, (*asked, *more))])
        said = capsys.readouterr()
        if code:
            assert said.err.count("\n") == 1
            return said.err
        return json.loads((tmp_path / "why" / "explanation.json").read_text(encoding="utf-8"))

    return run


def test_a_swin_that_learnt_a_lesion_points_at_it(swin, tmp_path):
    adapter = load_adapter(
        _folder(tmp_path / "m", "auscult.SwinClassifier", SWIN, swin.state_dict(), WINDOWS)
    )
    hits, mass, area = bench.pointing(attention_engine(adapter))
    assert len(mass) == 100
    assert hits >= 0.9
    assert (mass > 3 * area).mean() >= 0.9


def test_a_vit_with_registers_that_learnt_a_lesion_points_at_it(vit, tmp_path):
    """Patches stay where they were; what Grad-CAM reads at the last block has been mixed."""
    state = vit.state_dict()
    adapter = load_adapter(_folder(tmp_path / "m", "auscult.VisionTransformer", VIT, state, TOKENS))
    hits, mass, area = bench.pointing(attention_engine(adapter))
    assert len(mass) == 100
    assert hits >= 0.9
    assert (mass > 3 * area).mean() >= 0.9


def test_its_badge_reflects_the_model_and_that_of_shuffled_weights_does_not(
    swin, lesions, tmp_path, explain
):
    folders = {
        name: _folder(tmp_path / name, "auscult.SwinClassifier", SWIN, net.state_dict(), WINDOWS)
        for name, net in (("learnt", swin), ("shuffled", shuffled_weights(swin, 5)))
    }
    told = explain(lesions.folder, folders["learnt"], lesions.ill[0])
    assert told["method"] == "attention_relevance"
    assert told["map"]["layer"] == "swin.patch_embed"
    words = {
        name: [
            badge(explain_case(study=lesions.folder, model=folder, case=case, checks=True).checks)
            for case in lesions.ill[:3]
        ]
        for name, folder in folders.items()
    }
    assert [word for word, _ in words["learnt"]].count("reflects") >= 2
    assert "reflects" not in {word for word, _ in words["shuffled"]}


def test_a_whole_audit_of_a_swin(swin, lesions, tmp_path):
    """Scores and maps of every case come from one pass; nothing falls back to occlusion."""
    model = _folder(tmp_path / "m", "auscult.SwinClassifier", SWIN, swin.state_dict(), WINDOWS)
    more = {"explain_cases": 6, "check_cases": 0}
    run = run_study_audit(lesions.folder, [model], out=tmp_path / "r", store=tmp_path / "s", **more)
    told = run.evidence["explanations"]["m@1.0"]
    found = (told["method"], told["layer"], told["grid"])
    assert found == ("attention_relevance", "swin.patch_embed", GRID)
    maps = run.maps("m@1.0")
    assert maps["maps"].shape == (40, 1, *GRID)
    assert str(maps["method"]) == "attention_relevance"
    overall = told["localisation"][0]["overall"]
    assert overall["pointing_game"]["value"] > 0.9
    assert overall["mass_share"]["low"] > 3 * overall["area_share"]["value"]
    (border,) = run.evidence["shortcuts"]["outputs"]
    assert border["suspect"] == "border"
    assert border["verdict"] != "used"
    (probe,) = run.evidence["shortcuts"]["probes"]
    assert probe["auc"] is None
    assert "declare a target_layer" in probe["reason"]


def test_a_few_huge_maps_leave_the_others_their_colour():
    def scales(values):
        return [
            SimpleNamespace(case=str(at), map=SimpleNamespace(scale=one))
            for at, one in enumerate(values)
        ]

    assert _map_scale(scales([1.0, 1.2, 1.4, 1.6])) == pytest.approx(1.57)
    assert _map_scale(scales([1.0, 1.0, 1.0, 29.0])) == pytest.approx(3.0)
    assert _map_scale(scales([0.0, 0.0, 2.0])) == pytest.approx(1.8)
    assert _map_scale(scales([0.0])) is None


def test_registers_are_left_out_by_what_the_adapter_declares(vit, lesions, tmp_path, explain):
    """The map is what the patches alone give; a wrong count of tokens is one sentence."""
    name, state, case = "auscult.VisionTransformer", vit.state_dict(), lesions.ill[0]
    model = _folder(tmp_path / "m", name, VIT, state, TOKENS)
    told = explain(lesions.folder, model, case, "--no-checks")
    assert (told["method"], told["map"]["layer"]) == ("attention_relevance", "patch_embed.proj")
    told = explain(lesions.folder, model, case, "--no-checks", "--method", "gradcam")
    assert told["map"]["layer"] == "blocks.1.norm1"
    with np.load(tmp_path / "why" / told["map"]["file"]) as maps:
        native = maps["native"]
    image = np.asarray(Image.open(lesions.folder / f"{case[1:]}.png"))
    kept = []
    handle = vit.blocks[1].norm1.register_forward_hook(lambda *given: kept.append(given[2]))
    (slope,) = torch.autograd.grad(vit(bench.as_input(image[None])).sum(), kept)
    handle.remove()
    patches, slope = kept[0][0, 1 + REGISTERS :], slope[0, 1 + REGISTERS :]
    expected = (patches @ slope.mean(dim=0)).detach().reshape(GRID).numpy()
    assert native == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prefix": 1}, ("declares 65 tokens", "expected 65 tokens (prefix 1 and grid 8x8)")),
        ({"grid": [9, 8]}, ("gives patches on a grid of 9x8", "expected 76 tokens")),
        ({"layer": "nowhere"}, ("has no layer 'nowhere'", "has no layer 'nowhere'")),
    ],
)
def test_a_wrong_declaration_of_tokens_is_one_sentence(
    vit, lesions, tmp_path, explain, wrong, said
):
    name, state = "auscult.VisionTransformer", vit.state_dict()
    model = _folder(tmp_path / "m", name, VIT, state, TOKENS | wrong)
    for method, sentence in zip(("attention_relevance", "gradcam"), said, strict=True):
        assert sentence in explain(lesions.folder, model, lesions.ill[0], "--method", method)


def test_a_transformer_that_segments(dense, lesions, tmp_path, explain):
    """With its token grid it is explained by relevance, without one by labelled occlusion."""
    name, args, asked = "auscult.VisionTransformer", VIT | {"dense": True}, {"task": "segmentation"}
    case, state = lesions.ill[0], dense.state_dict()
    truth = np.asarray(Image.open(lesions.folder / f"{case[1:]}_m.png")) > 0
    model = _folder(tmp_path / "declared", name, args, state, TOKENS, **asked)
    told = explain(lesions.folder, model, case, "--no-checks")
    assert (told["method"], told["map"]["layer"]) == ("attention_relevance", "patch_embed.proj")
    assert told["region"]["dice"] > 0.5
    with np.load(tmp_path / "why" / told["map"]["file"]) as maps:
        positive = maps["patient"].clip(min=0)
    assert positive[truth].sum() > 4 * truth.mean() * positive.sum()
    assert told["region"]["strongest_tenth_blanked"]["size"] < told["region"]["size"] / 2
    bare = _folder(tmp_path / "bare", name, args, state, None, **asked)
    told = explain(lesions.folder, bare, case, "--no-checks")
    assert told["method"] == "occlusion"
    assert any("declares none, so gradcam is impossible" in f["message"] for f in told["findings"])


@pytest.mark.parametrize(
    ("kind", "args", "found"),
    [
        (
            "SwinUNETR",
            {"feature_size": 12, "window_size": 4, "depths": [1] * 4, "num_heads": [2] * 4},
            ("encoder10", [2, 2]),
        ),
        (
            "UNETR",
            {"img_size": [64] * 2, "feature_size": 4, "hidden_size": 12, "mlp_dim": 8}
            | {"num_heads": 2},
            ("decoder5", [8, 8]),
        ),
        ("AttentionUnet", {"channels": [4, 8, 16], "strides": [2, 2]}, ("model.1.", [16, 16])),
    ],
)
def test_convolutions_behind_tokens_and_gates_are_read_at_their_deepest_grid(
    lesions, tmp_path, explain, kind, args, found
):
    from monai.networks import nets

    args = {"in_channels": 1, "out_channels": 1, "spatial_dims": 2} | args
    torch.manual_seed(0)
    state = getattr(nets, kind)(**args).state_dict()
    study, name, asked = lesions.folder, f"monai.{kind}", {"task": "segmentation"}
    model = _folder(tmp_path / "m", name, args, state, None, size=64, **asked)
    told = explain(study, model, lesions.ill[0], "--no-checks")
    assert told["method"] == "gradcam"
    assert told["map"]["layer"].startswith(found[0])
    assert told["map"]["native_size"] == found[1]
    if kind == "SwinUNETR":
        tokens = {"layer": "swinViT.patch_embed", "grid": [32, 32], "window": [4, 4]}
        model = _folder(tmp_path / "t", name, args, state, tokens, size=64, **asked)
        told = explain(study, model, lesions.ill[0], "--no-checks")
        assert (told["method"], told["map"]["native_size"]) == ("attention_relevance", [32, 32])
        model = _folder(tmp_path / "small", name, args, state, None, **asked)
        assert "does not take what its inputs declare" in explain(study, model, lesions.ill[0])
