"""Superpixels follow edges and play; occlusion spends small boxes where large ones count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import label

from audits.explanations import explain_adapter_case, methods_for
from audits.explanations.pixels.boxes import tiles
from audits.explanations.pixels.occlusion import OcclusionEngine, occlusion_maps
from audits.explanations.pixels.superpixels import superpixels
from model_adapters.base import ImageValue

from .conftest import FrameStudy, image_adapter

SHAPES = {"grey": (1, 48, 36), "colour": (3, 40, 40), "volume": (1, 12, 20, 16)}


class Spots(torch.nn.Module):
    """Two outputs that read two places of any image."""

    def forward(self, x):
        middle = tuple(slice(size // 3, size // 2) for size in x.shape[2:])
        corner = tuple(slice(0, size // 5) for size in x.shape[2:])
        axes = tuple(range(1, x.ndim))
        return torch.stack(
            [20 * x[(..., *middle)].mean(dim=axes), 10 * x[(..., *corner)].mean(dim=axes)], dim=1
        )


def _image(kind, rng):
    image = rng.normal(0.2, 0.01, SHAPES[kind])
    middle = tuple(slice(size // 3, size // 2) for size in SHAPES[kind][1:])
    image[(slice(None), *middle)] += 0.7
    return image.astype(np.float32)


@pytest.mark.parametrize("kind", SHAPES)
def test_superpixels_are_compact_and_keep_to_edges(kind, seeded):
    image = _image(kind, seeded)
    found = superpixels(image, [5] * (image.ndim - 1))
    assert found.shape == image.shape[1:]
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert 0.5 * 5 ** (image.ndim - 1) <= found.max() + 1 <= 5 ** (image.ndim - 1)
    assert all(label(found == one)[1] == 1 for one in np.unique(found))
    bright = image.mean(axis=0) > 0.5
    mixed = [bright[found == one].mean() for one in np.unique(found)]
    assert np.mean([0.1 < share < 0.9 for share in mixed]) < 0.2
    assert np.array_equal(found, superpixels(3 * image + 5, [5] * (image.ndim - 1)))


def test_a_large_image_is_thinned_and_a_flat_one_cut_evenly(seeded):
    large = superpixels(seeded.random((1, 700, 500)), (6, 6))
    assert large.shape == (700, 500)
    assert large.max() + 1 <= 36
    flat = superpixels(np.ones((1, 24, 24)), (4, 4))
    assert set(np.bincount(flat.ravel())) == {36}


@pytest.mark.parametrize("kind", SHAPES)
def test_region_shapley_finds_the_place_in_every_kind_of_image(kind, seeded):
    shape = SHAPES[kind]
    adapter = image_adapter(Spots().eval(), 2, shape=shape)
    assert "region_shapley" in methods_for(adapter)
    image = _image(kind, seeded)
    pixels = np.moveaxis(image, 0, -1) if kind == "colour" else image[0]
    case = ImageValue(pixels=pixels, low=0.0, high=1.0, colour=kind == "colour")
    study = FrameStudy(cases=pd.DataFrame(index=["c"]), images={"c": case})
    if kind == "colour":
        adapter.prepare = lambda raw: {
            "image": torch.as_tensor(np.moveaxis(raw["image"][0].pixels, -1, 0))[None]
        }
    why = explain_adapter_case(study, adapter, "c", output="finding_0", method="region_shapley")
    assert why.native.shape == shape[1:]
    assert why.additivity_residual < 1e-4
    middle = tuple((size // 3 + size // 2) // 2 for size in shape[1:])
    best = max(why.players, key=lambda one: one.effect)
    assert why.native[middle] == pytest.approx(best.effect, rel=1e-5)
    assert best.label.endswith("across")
    assert all(one.se is not None for one in why.players)


@pytest.mark.parametrize("kind", ["grey", "volume"])
def test_refining_gives_the_full_sweep_where_it_matters_for_fewer_passes(kind, seeded):
    adapter = image_adapter(Spots().eval(), 2, shape=SHAPES[kind])
    batch = {"image": torch.as_tensor(np.stack([_image(kind, seeded), _image(kind, seeded)]))}
    boxes = tiles(SHAPES[kind][1:])
    full = occlusion_maps(adapter, batch, "image", boxes)
    seen = []
    counted = image_adapter(Spots().eval(), 2, shape=SHAPES[kind])
    counted.predict = lambda one: seen.append(len(one["image"])) or adapter.predict(one)
    scores, found = OcclusionEngine(adapter=counted, field="image").forward_with_maps(batch)
    assert found.shape == full.shape
    assert scores == pytest.approx(adapter.predict(batch))
    windows = 2 * len(boxes.boxes)
    assert sum(seen) <= 0.7 * windows
    for case in range(2):
        for output in range(2):
            one, other = full[case, output], found[case, output]
            assert other.flat[one.argmax()] == pytest.approx(one.max(), rel=1e-4)
            assert other.argmax() == one.argmax()
    whole = OcclusionEngine(adapter=adapter, field="image", refine=False)
    assert np.array_equal(whole.forward_with_maps(batch)[1], full)
