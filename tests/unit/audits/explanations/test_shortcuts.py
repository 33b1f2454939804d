"""Shortcut audit: a model that reads the marker is found, one that does not is cleared."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from audits.cancel import CancelledRun
from audits.explanations.shortcuts import (
    MeasuredSuspect,
    benjamini_hochberg,
    judge_shortcuts,
    measure_shortcuts,
)
from audits.explanations.shortcuts.patches import grown, sham_of, with_pasted, without
from audits.explanations.shortcuts.regions import border, outside, patch_pair
from audits.running import run_study_audit
from model_adapters.base import ImageValue

from .conftest import FrameStudy, image_adapter
from .imaging_folders import model_folder, study_folder

SIZE = 40
CORNER = (slice(3, 9), slice(28, 36))


class Reader(torch.nn.Module):
    """Logit from the disease in the middle, plus a share of the marker's corner."""

    def __init__(self, marker):
        super().__init__()
        self.marker = marker
        self.pool = torch.nn.AvgPool2d(2)

    def forward(self, x):
        low = self.pool(x)
        disease = low[:, :, 6:14, 6:14].mean(dim=(1, 2, 3))
        corner = low[:, :, 1:5, 14:18].mean(dim=(1, 2, 3))
        return torch.stack([6 * disease + self.marker * corner, 4 * disease], dim=1)


class MarkedStudy(FrameStudy):
    """Images in memory, every second one with a bright marker in a corner."""

    def __init__(self, rng, cases=40):
        images, masks, labels = {}, {}, []
        for index in range(cases):
            pixels = rng.normal(40, 4, (SIZE, SIZE)).astype(np.float32)
            label = int(rng.random() < 0.5)
            pixels[12:28, 12:28] += 30 * label
            name = f"c{index}"
            mask = np.zeros((SIZE, SIZE), dtype=bool)
            if index % 2:
                pixels[CORNER] = 100
                mask[CORNER] = True
            images[name] = ImageValue(pixels=pixels, low=0.0, high=100.0)
            masks[name] = mask if index % 2 else None
            labels.append(label)
        super().__init__(cases=pd.DataFrame(index=list(images)), images=images)
        self.masks = masks
        self.patients = np.arange(cases) // 2
        self.labels = {"finding_0": SimpleNamespace(values=np.array(labels, dtype=np.int8))}
        self.inputs = {
            "image": SimpleNamespace(
                name="image",
                modality="image",
                marker_mask_column="marker",
                anatomy_mask_column=None,
                finding_masks=lambda: (),
            )
        }

    def row(self, case):
        return self.case_ids.index(case)

    def available(self, fields):
        return np.ones(len(self.case_ids), dtype=bool)

    def mask(self, case, column):
        return self.masks[case]


@pytest.fixture
def marked(seeded):
    return MarkedStudy(seeded, cases=60)


def _adapter(marker):
    return image_adapter(Reader(marker).eval(), 2, shape=(1, SIZE, SIZE))


def test_the_marker_reader_is_found_and_the_honest_model_cleared(marked):
    measured = [
        *measure_shortcuts(marked, _adapter(4.0)),
        *measure_shortcuts(marked, _adapter(0.0)),
    ]
    result = judge_shortcuts(measured)
    markers = [one for one in result["outputs"] if one["suspect"] == "marker"]
    used, other, honest, clear = markers
    assert used["verdict"] == "used"
    assert used["effect"]["value"] > 0.7
    assert abs(used["sham"]["value"]) < 0.1
    assert used["effect"]["low"] < used["effect"]["value"] < used["effect"]["high"]
    assert used["inserted"]["value"] > 0.7
    assert used["mass_share"] > used["area_share"]
    assert used["q"] <= 0.05
    assert [one["verdict"] for one in (other, honest, clear)] == ["not_used"] * 3
    assert honest["effect"]["n"] == 30
    assert honest["effect"]["n_patients"] == 30
    json.dumps(result, allow_nan=False)
    assert set(used) >= {
        "model",
        "output",
        "suspect",
        "effect",
        "sham",
        "mass_share",
        "area_share",
        "margin",
        "q",
        "verdict",
        "does_not_establish",
    }
    assert "its errors come from it" in used["does_not_establish"]
    assert "no shortcut is not shown" in honest["does_not_establish"]


def test_the_policy_sets_the_margin_of_a_run(tmp_path):
    rng = np.random.default_rng(0)
    study, rows = tmp_path / "s", []
    study.mkdir()
    for at in range(10):
        pixels = rng.integers(40, 60, (SIZE, SIZE)).astype(np.uint8)
        Image.fromarray(pixels).save(study / f"{at}.png")
        rows.append((f"c{at}", f"p{at}", f"{at}.png", at % 2))
    cases = pd.DataFrame(rows, columns=["case_id", "patient_id", "image", "y"])
    study_folder(study, cases, inputs={"image": {"column": "image", "kind": "png"}})
    args = {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1}
    layers = [
        {"type": "Conv2d", "args": args, "key": "a"},
        {"type": "AdaptiveAvgPool2d", "args": {"output_size": 1}},
        {"type": "Flatten"},
    ]
    model = model_folder(
        tmp_path / "m",
        tensors={"a.weight": torch.ones(1, 1, 3, 3), "a.bias": torch.zeros(1)},
        architecture={"name": "sequential", "layers": layers},
        inputs={"image": {"size": [SIZE, SIZE]}},
        thresholds=[0.5],
    )
    for margin, verdict in ((0.25, "not_used"), (1e-12, "used or inconclusive")):
        run = run_study_audit(
            study,
            [model],
            policy={"shortcuts": {"margin_logits": margin}},
            out=tmp_path / str(margin),
            store=tmp_path / "store",
            explain_cases=2,
            check_cases=0,
        )
        (entry,) = run.evidence["shortcuts"]["outputs"]
        assert entry["margin"] == run.evidence["shortcuts"]["margin"] == margin
        assert entry["verdict"] in verdict
        assert run.evidence["policy"]["shortcuts"] == {"margin_logits": margin}


def test_zones_are_tested_where_no_mask_names_a_suspect(marked):
    """A reader of the corner is caught by what its own map points at there."""
    anatomy = np.zeros((SIZE, SIZE), dtype=bool)
    anatomy[12:28, 12:28] = True
    marked.inputs["image"].marker_mask_column = None
    marked.inputs["image"].anatomy_mask_column = "anatomy"
    marked.mask = lambda case, column: anatomy
    found = {}
    for marker in (30.0, 0.0):
        for one in judge_shortcuts(measure_shortcuts(marked, _adapter(marker)))["outputs"]:
            found[marker, one["output"], one["suspect"]] = one
    used = found[30.0, "finding_0", "outside_anatomy"]
    assert used["verdict"] == "used"
    assert used["inserted"]["value"] > 0.25
    assert used["mass_share"] > used["area_share"]
    assert used["effect"]["n"] <= 32
    assert found[0.0, "finding_0", "outside_anatomy"]["verdict"] == "not_used"
    assert {one["verdict"] for key, one in found.items() if key[0] == 0.0} == {"not_used"}
    assert {key[2] for key in found} == {"border", "outside_anatomy"}


def test_the_heart_between_the_lungs_is_not_outside_the_anatomy():
    lungs = np.zeros((100, 100), dtype=bool)
    lungs[30:70, 15:35] = lungs[30:70, 65:85] = True
    beyond = outside(lungs)
    assert not beyond[30:70, 15:85].any()
    assert beyond[:25].all()
    finding = np.zeros_like(lungs)
    finding[90:95, 40:60] = True
    assert not (outside(lungs, [finding]) & finding).any()


def test_patch_and_sham_share_size_and_zone(seeded):
    zone = border((80, 60))
    values = np.zeros((80, 60), dtype=np.float32)
    values[0:4, 45:55] = 1.0
    patch, sham = patch_pair(values, zone, seeded)
    assert patch.sum() == sham.sum() > 0
    assert not (patch & sham).any()
    assert not (patch & ~zone).any()
    assert not (sham & ~zone).any()
    assert (patch & (values > 0)).any()
    assert not (sham & (values > 0)).any()
    assert patch_pair(-values, zone, seeded)[0].any()
    assert patch_pair(0 * values, zone, seeded) is None


def test_a_study_without_masks_has_its_border_measured(marked):
    marked.inputs["image"].marker_mask_column = None
    measured = measure_shortcuts(marked, _adapter(1.0))
    assert {one.suspect for one in measured} == {"border"}
    black_box = dataclasses.replace(_adapter(1.0), caps=frozenset())
    assert measure_shortcuts(marked, black_box) == ()
    assert judge_shortcuts([])["outputs"] == []


def test_a_marker_is_put_into_negatives_only(marked):
    measured = next(one for one in measure_shortcuts(marked, _adapter(4.0)))
    known = np.isfinite(measured.inserted[:, 0])
    assert 0 < known.sum() < len(known)
    assert np.isfinite(measured.inserted[:, 1]).all()


def test_it_stops_when_it_is_told_to(marked):
    with pytest.raises(CancelledRun):
        measure_shortcuts(marked, _adapter(1.0), cancel=lambda: True)


def test_removal_leaves_the_rest_alone(marked):
    image, mask = marked.images["c1"], marked.masks["c1"]
    region = grown(mask)
    clean = without(image, region)
    assert np.array_equal(clean.pixels[~region], image.pixels[~region])
    assert abs(clean.pixels[region].mean() - 40) < 5
    everything = without(image, np.ones_like(mask))
    assert np.isfinite(everything.pixels).all()


def test_removal_from_a_colour_image(seeded):
    pixels = seeded.random((20, 20, 3)).astype(np.float32)
    image = ImageValue(pixels=pixels, low=0.0, high=1.0, colour=True)
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:6, 2:6] = True
    assert without(image, mask).pixels.shape == (20, 20, 3)
    assert with_pasted(image, image, mask).pixels == pytest.approx(pixels)


def test_a_sham_is_as_large_and_as_far_from_the_border(marked, seeded):
    mask = grown(marked.masks["c1"])
    sham = sham_of(mask, [mask], seeded)
    assert sham.sum() == mask.sum()
    assert not (sham & mask).any()
    blocked = np.ones_like(mask)
    assert sham_of(mask, [blocked], seeded) is None
    middle = np.zeros_like(mask)
    middle[18:22, 18:22] = True
    assert sham_of(middle, [middle], seeded) is None


def test_pasting_matches_the_display_range(seeded):
    dark = ImageValue(pixels=np.full((4, 4), 10, dtype=np.float32), low=0.0, high=100.0)
    bright = ImageValue(pixels=np.full((4, 4), 2000, dtype=np.float32), low=0.0, high=4000.0)
    mask = np.eye(4, dtype=bool)
    pasted = with_pasted(dark, bright, mask).pixels
    assert pasted[mask] == pytest.approx(50.0)
    assert pasted[~mask] == pytest.approx(10.0)


def test_grey_and_colour_of_one_study_can_be_pasted_into_each_other():
    grey = ImageValue(pixels=np.full((4, 4), 10, dtype=np.float32), low=0.0, high=100.0)
    tint = np.full((4, 4, 3), [30, 60, 90], dtype=np.float32)
    colour = ImageValue(pixels=tint, low=0.0, high=100.0, colour=True)
    mask = np.eye(4, dtype=bool)
    assert with_pasted(grey, colour, mask).pixels[mask] == pytest.approx(60.0)
    assert with_pasted(colour, grey, mask).pixels[mask] == pytest.approx(10.0)


def _measured(rng, effect, *, cases=40, spread=0.6, model="m@1"):
    labels = rng.integers(0, 2, (cases, 1)).astype(np.int8)
    return MeasuredSuspect(
        model=model,
        outputs=("y",),
        suspect="marker",
        case_ids=tuple(map(str, range(cases))),
        patients=np.arange(cases) // 2,
        labels=labels,
        effect=rng.normal(effect, spread, (cases, 1)),
        sham=rng.normal(0, spread, (cases, 1)),
        inserted=np.empty((0, 1)),
        inserted_patients=np.empty(0, dtype=np.int64),
        mass_share=np.full((cases, 1), np.nan),
        area_share=np.full(cases, 0.03),
    )


@pytest.mark.parametrize("effect", [0.0, 0.25])
def test_models_without_a_shortcut_are_rarely_accused(effect):
    """200 models at no effect and at the margin itself, judged one by one."""
    rng = np.random.default_rng(11)
    accused = [
        judge_shortcuts([_measured(rng, effect)])["outputs"][0]["verdict"] == "used"
        for _ in range(200)
    ]
    # the error rate is at most 5 %; three standard errors of 200 trials are allowed on top
    assert np.mean(accused) <= (0.01 if effect == 0 else 0.05 + 3 * np.sqrt(0.0475 / 200))


def test_few_patients_are_inconclusive():
    entry = judge_shortcuts([_measured(np.random.default_rng(0), 5.0, cases=6)])["outputs"][0]
    assert entry["verdict"] == "inconclusive"
    assert entry["q"] is None
    assert "fewer than 8" in entry["reason"]
    assert entry["effect"]["low"] is None
    assert entry["mass_share"] is None
    assert entry["inserted"]["value"] is None


def test_wide_intervals_are_inconclusive():
    measured = _measured(np.random.default_rng(0), 0.2, cases=20, spread=3.0)
    assert judge_shortcuts([measured])["outputs"][0]["verdict"] == "inconclusive"


def test_q_values_match_the_definition():
    assert benjamini_hochberg([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.04, 0.04])
    assert benjamini_hochberg([]) == []
