"""The checks themselves: random maps pass as often as they should, true ones nearly always."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from audits.explanations import Check, explain_adapter_case
from audits.explanations.checks import MAP_CHECKS, badge, randomisation
from audits.explanations.checks.deletion import deletion_rank, shifted_copies
from audits.explanations.checks.learning import learnt
from audits.explanations.checks.randomisation import (
    joined,
    normalised,
    randomisation_checks,
    ssim,
)
from audits.explanations.checks.running import rank_correlation
from audits.explanations.checks.shuffles import randomised_twin, shuffled_weights
from audits.explanations.checks.stability import max_sensitivity
from model_adapters.base import ImageValue

from .conftest import FrameStudy, InPlaceNet, image_adapter

SIZE = 24


class Lesion(torch.nn.Module):
    """A score that rises with one bright blob, wherever the image has it."""

    def __init__(self):
        super().__init__()
        self.pool = torch.nn.AvgPool2d(3, stride=1)

    def forward(self, x):
        return 6 * self.pool(x).flatten(1).amax(dim=1, keepdim=True)


def _blob(row, column, width=2.0):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))


@pytest.fixture
def lesion():
    return image_adapter(Lesion().eval(), 1, shape=(1, SIZE, SIZE))


def _case(rng, row, column):
    image = rng.normal(0, 0.05, (SIZE, SIZE)) + _blob(row, column)
    return {"image": torch.as_tensor(image[None, None], dtype=torch.float32)}


def test_the_map_of_a_known_lesion_passes(lesion, seeded):
    passed = []
    for seed in range(20):
        row, column = seeded.integers(4, SIZE - 4, 2)
        rank = deletion_rank(
            lesion, _case(seeded, row, column), "image", 0, _blob(row, column), seed=seed
        )
        passed.append(rank.p <= 0.05)
        assert rank.null.shape == (19,)
    assert np.mean(passed) >= 0.9


def test_random_maps_pass_no_more_often_than_they_should(lesion, seeded):
    passed = []
    for seed in range(120):
        place, elsewhere = seeded.integers(4, SIZE - 4, 2), seeded.integers(0, SIZE, 2)
        rank = deletion_rank(
            lesion, _case(seeded, *place), "image", 0, _blob(*elsewhere), seed=seed
        )
        passed.append(rank.p <= 0.05)
    # 5 % of 120 plus three standard errors
    assert np.sum(passed) <= 6 + 3 * np.sqrt(120 * 0.05 * 0.95)


@pytest.mark.parametrize("shape", [(24, 24), (40, 60), (20, 20, 40), (120,)])
def test_a_map_and_its_copies_form_a_group(shape, seeded):
    """Copies of a copy are the same twenty maps: none of them is privileged."""
    pixels = seeded.normal(size=shape)
    family = [pixels, *shifted_copies(pixels, (8,) * len(shape), seed=3)]
    assert len(family) == 20
    known = {one.tobytes() for one in family}
    assert len(known) == 20
    if all(side % 20 == 0 for side in shape):
        again = [family[7], *shifted_copies(family[7], (8,) * len(shape), seed=3)]
        assert {one.tobytes() for one in again} == known


def test_sensitivity_is_zero_for_a_constant_slope_and_none_for_nothing(seeded):
    case = {"image": torch.rand(1, 1, 8, 8)}
    flat = max_sensitivity(lambda batch: np.ones((len(batch["image"]), 2, 4, 4)), case, "image")
    assert flat == [0.0, 0.0]
    follows = max_sensitivity(lambda batch: batch["image"].numpy(), case, "image")
    assert 0 < follows[0] < 0.1
    nothing = max_sensitivity(lambda batch: np.zeros((len(batch["image"]), 1, 4, 4)), case, "image")
    assert nothing == [None]


def test_similarity_is_one_for_the_same_map(seeded):
    one, other = seeded.normal(size=(48, 48)), seeded.normal(size=(48, 48))
    assert ssim(normalised(one), normalised(one)) == pytest.approx(1.0)
    assert ssim(normalised(one), normalised(other)) < 0.3
    assert rank_correlation(one.ravel(), one.ravel() ** 3) == pytest.approx(1.0)
    assert rank_correlation(np.zeros(5), np.arange(5)) == 0.0


def test_shuffling_touches_a_copy_only(seeded):
    net = InPlaceNet().eval()
    before = [weight.clone() for weight in net.parameters()]
    other = shuffled_weights(net, seed=1)
    for old, new, shuffled in zip(before, net.parameters(), other.parameters(), strict=True):
        assert torch.equal(old, new)
        assert torch.equal(old.flatten().sort().values, shuffled.flatten().sort().values)
    assert not torch.equal(next(net.parameters()), next(other.parameters()))


def test_a_trained_detector_depends_on_its_weights(seeded, monkeypatch):
    """A small network that learnt to find blobs passes; a map that ignores the model fails."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 5, stride=2, padding=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 1),
    )
    images, labels = [], []
    for index in range(128):
        noise = seeded.normal(0, 0.3, (SIZE, SIZE))
        blob = 2 * _blob(*seeded.integers(4, SIZE - 4, 2)) if index % 2 else 0.0
        images.append(noise + blob)
        labels.append(index % 2)
    x = torch.as_tensor(np.stack(images)[:, None], dtype=torch.float32)
    y = torch.as_tensor(labels, dtype=torch.float32)[:, None]
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(x), y).backward()
        optimiser.step()
    adapter = image_adapter(net.eval(), 1, shape=(1, SIZE, SIZE))
    cases = {"image": x[1:24:2]}
    check = randomisation_checks(adapter, "gradcam", (0,), cases)[0]
    assert check.verdict == "reflects"
    assert check.value < check.null
    found = learnt(adapter, "gradcam", (0,), {"image": x[:8]})[0]
    assert found.first
    assert len(found.copies) == 19
    assert joined(check, found).verdict == "reflects"
    random = [randomised_twin(adapter, seed) for seed in range(100, 104)]
    ranks = [learnt(one, "gradcam", (0,), {"image": x[:8]})[0] for one in random]
    assert sum(rank.first for rank in ranks) <= 1
    beaten = next(rank for rank in ranks if not rank.first)
    assert joined(check, beaten).verdict == "weak"
    assert "copies with shuffled weights" in joined(check, beaten).detail
    seeds = []

    def counted(model, seed):
        seeds.append(seed)
        return randomised_twin(model, seed)

    monkeypatch.setattr(randomisation, "randomised_twin", counted)
    for method, rows in (("occlusion", 4), ("smoothgrad", 7)):
        some = {"image": cases["image"][:rows]}
        assert randomisation_checks(adapter, method, (0,), some)[0].value is not None
    assert seeds == [0, 1, 2, 3, 0, 1, 2, 3, 4]
    blind = image_adapter(Constant().eval(), 1, shape=(1, SIZE, SIZE))
    assert randomisation_checks(blind, "gradcam", (0,), cases)[0].verdict == "fails"
    assert randomisation_checks(adapter, "rise", (0,), cases)[0].verdict == "not_checked"
    few = {"image": x[:2]}
    assert randomisation_checks(adapter, "gradcam", (0,), few)[0].verdict == "not_checked"


class Constant(torch.nn.Module):
    """Its map follows the image alone: there is nothing to randomise."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.rand(4))
        self.pool = torch.nn.AvgPool2d(2)

    def forward(self, x):
        return self.pool(x).mean(dim=(2, 3)) + 0 * self.unused.sum()


def test_checks_run_on_request(seeded):
    images = {
        f"c{index}": ImageValue(
            pixels=(_blob(*seeded.integers(4, SIZE - 4, 2)) * 100).astype(np.float32),
            low=0.0,
            high=100.0,
        )
        for index in range(6)
    }
    study = FrameStudy(cases=pd.DataFrame(index=list(images)), images=images)
    adapter = image_adapter(InPlaceNet().eval(), 3, shape=(1, SIZE, SIZE))
    why = explain_adapter_case(study, adapter, "c1", output="finding_0", checks=True)
    found = {check.name: check for check in why.checks}
    assert set(found) == set(MAP_CHECKS)
    assert 0 < found["deletion_rank"].value <= 1
    assert found["max_sensitivity"].null is not None
    assert -1 <= found["output_similarity"].value <= 1
    assert found["output_similarity"].verdict == "reflects"
    assert found["parameter_randomisation"].verdict in {"weak", "fails"}
    again = explain_adapter_case(study, adapter, "c1", output="finding_0", checks=True)
    assert again.checks == why.checks


def _check(name, verdict):
    return Check(name=name, value=0.1, null=0.1, verdict=verdict)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([], ("not_checked", "")),
        ([_check("max_sensitivity", "reflects")], ("not_checked", "")),
        ([_check("deletion_rank", "reflects")], ("reflects", "")),
        ([_check("deletion_rank", "fails")], ("fails", "deletion_rank")),
        (
            [_check("deletion_rank", "reflects"), _check("max_sensitivity", "fails")],
            ("weak", "max_sensitivity"),
        ),
        (
            [_check("deletion_rank", "reflects"), _check("parameter_randomisation", "fails")],
            ("fails", "parameter_randomisation"),
        ),
        (
            [_check("deletion_rank", "reflects"), _check("output_similarity", "fails")],
            ("reflects", ""),
        ),
        (
            [_check("deletion_rank", "reflects"), _check("completeness", "weak")],
            ("weak", "completeness"),
        ),
    ],
)
def test_the_badge_says_the_worst_that_counts(checks, expected):
    assert badge(checks) == expected
