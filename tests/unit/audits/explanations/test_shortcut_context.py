"""Shares, site profiles and probes: what stands beside the causal test, and gives no verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from audits.cohorts import open_study
from audits.explanations.cams import cam_engine
from audits.explanations.shortcuts import joined_context, shortcut_context
from audits.explanations.shortcuts.regions import border
from audits.predictions import predict_cohort
from model_adapters import load_adapter

from .imaging_folders import model_folder, study_folder

PATIENTS = 80


@pytest.fixture(scope="module")
def tinted(tmp_path_factory):
    """Return a study whose sites tint their images red; the finding is a green square."""
    folder = tmp_path_factory.mktemp("tinted") / "study"
    folder.mkdir()
    rng, rows = np.random.default_rng(0), []
    inner = np.zeros((24, 24), dtype=np.uint8)
    inner[6:18, 6:18] = 255
    Image.fromarray(inner).save(folder / "anatomy.png")
    for at in range(PATIENTS):
        finding, site = int(rng.random() < 0.5), "ab"[at % 2]
        pixels = rng.integers(20, 40, size=(24, 24, 3)).astype(np.uint8)
        pixels[..., 2] += np.uint8(rng.integers(0, 180))  # what varies most is no concern
        if site == "b":
            pixels[:4, :4, 0] += 150
        if finding:
            pixels[10:14, 10:14, 1] += 150
        Image.fromarray(pixels).save(folder / f"{at}.png")
        rows.append(
            (f"c{at}", f"p{at}", f"{at}.png", "anatomy.png", finding, site, "FM"[at % 5 < 2])
        )
    columns = ["case_id", "patient_id", "image", "anatomy", "y", "site", "sex"]
    inputs = {"image": {"column": "image", "kind": "png", "anatomy_mask_column": "anatomy"}}
    return study_folder(
        folder,
        pd.DataFrame(rows, columns=columns),
        inputs=inputs,
        groups=["sex"],
        sections='\n[groups.site]\ncolumn = "site"\nkind = "site"\n',
    )


def _context(study, folder, weight_of_red):
    layers = [
        ("Conv2d", {"in_channels": 3, "out_channels": 3, "kernel_size": 1}, "a"),
        ("ReLU", {}, None),
        ("MaxPool2d", {"kernel_size": 2}, None),
        ("AdaptiveAvgPool2d", {"output_size": 1}, None),
        ("Flatten", {}, None),
        ("Linear", {"in_features": 3, "out_features": 1}, "b"),
    ]
    tensors = {
        "a.weight": torch.eye(3)[:, :, None, None].contiguous(),
        "a.bias": torch.full((3,), -0.2),
        "b.weight": torch.tensor([[weight_of_red, 200.0, 0.0]]),
        "b.bias": torch.tensor([-2.0]),
    }
    model = model_folder(
        folder,
        tensors=tensors,
        architecture={
            "name": "sequential",
            "layers": [{"type": kind, "args": args, "key": key} for kind, args, key in layers],
        },
        inputs={"image": {"size": [24, 24], "channels": 3}},
    )
    opened, adapter = open_study(study), load_adapter(model)
    predictions = predict_cohort(opened, adapter, maps=cam_engine(adapter))
    facts = shortcut_context(opened, adapter, predictions, opened.attributes())
    return joined_context([facts])


def test_use_is_told_from_encoding(tinted, tmp_path):
    used = _context(tinted, tmp_path / "used", 150.0)
    blind = _context(tinted, tmp_path / "blind", 0.0)
    for found, uses in ((used, True), (blind, False)):
        probes = {one["attribute"]: one for one in found["probes"]}
        assert probes["site"]["auc"]["low"] > 0.9
        assert probes["sex"]["auc"]["low"] < 0.5 < probes["sex"]["auc"]["high"]
        (use,) = probes["site"]["use"]
        assert (use["p"] <= 0.05) == uses
        assert (use["effect"]["value"] > 0.3) == uses
        (profile,) = found["profiles"]
        assert profile["attribute"] == "site"
        assert (profile["q"] <= 0.01) == uses
        assert not any("verdict" in one for one in found["probes"] + found["profiles"])
    assert "need not be used" in used["context_establishes"]


def test_shares_stand_beside_the_area(tinted, tmp_path):
    found = _context(tinted, tmp_path / "m", 150.0)
    shares = {one["where"]: one for one in found["shares"]}
    assert shares["border"]["area"]["value"] == pytest.approx(1 - (22 / 24) ** 2, abs=1e-6)
    # the anatomy is a square of 12 of 24 pixels, which reaches a pixel further on every side
    assert shares["outside_anatomy"]["area"]["value"] == pytest.approx(1 - (14 / 24) ** 2)
    assert shares["border"]["mass"]["value"] > 1.05 * shares["border"]["area"]["value"]
    assert shares["border"]["positives"]["n"] + shares["border"]["negatives"]["n"] <= PATIENTS


def test_the_frame_is_that_of_the_last_two_axes():
    assert border((100, 60)).sum() == 100 * 60 - 90 * 54
    assert border((5, 100, 60)).sum() == 5 * border((100, 60)).sum()
