"""Are shortcut verdicts calibrated? Small networks of which it is known what they could learn.

    python -m benchmarks.shortcuts               # 200 networks without a shortcut, 10 with one
    python -m benchmarks.shortcuts --first 64 --models 36 --leaking 0     # some more of them

Images of noise with one bright lesion, and in most of them a marker in a corner that says nothing
about the label. Even so a network may react to it, so each verdict of an audit of 60 patients is
held against the same effect in 160 other patients: called *used* where that effect lies within the
margin is a false accusation. Networks trained where the marker stands on positives only must be
found. Every network has a training set and two studies of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from audits.cohorts import Study, open_study
from audits.explanations.shortcuts import DEFAULT_MARGIN, judge_shortcuts, measure_shortcuts, zones
from benchmarks.imaging import SIZE, model_folder, network
from model_adapters import load_adapter, manifest_text

PATIENTS, OTHERS = 60, 160
TRAINING = 800
STEPS = 240
MARKED = 0.8
WRONG = 0.1
"""Share of wrong training labels; without any, log-odds grow beyond what networks give."""
RESULTS = Path(__file__).with_name("shortcut_results.json")


def pictures(
    count: int, rng: np.random.Generator, *, leaks: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n, 32, 32) of 0-255, labels, and masks of the marker.

    Args:
        count: How many.
        rng: Draws all of them.
        leaks: The marker stands on positives only; else on four of five, whatever they show.
    """
    images = gaussian_filter(rng.normal(size=(count, SIZE, SIZE)), (0, 1, 1)) * 60 + 90
    labels = rng.random(count) < 0.5
    masks = np.zeros((count, SIZE, SIZE), dtype=bool)
    for one in range(count):
        if labels[one]:
            i, j = rng.integers(9, SIZE - 9, 2)
            images[one, i - 3 : i + 4, j - 3 : j + 4] += 60
        if labels[one] if leaks else rng.random() < MARKED:
            top, left = rng.integers(0, 2, 2) * (SIZE - 7) + 1
            masks[one, top : top + 5, left] = masks[one, top + 4, left : left + 4] = True
            images[one][masks[one]] = 160
    return np.clip(images, 0, 255), labels.astype(np.float32), masks


def trained(seed: int, *, leaks: bool) -> tuple[torch.nn.Sequential, float]:
    """Return a network, and its accuracy on images of which the marker says nothing."""
    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), network()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    x, y = _tensors(*pictures(TRAINING, rng, leaks=leaks)[:2])
    y = torch.where(torch.as_tensor(rng.random(len(y)) < WRONG), 1 - y, y)
    for _ in range(STEPS):
        rows = torch.as_tensor(rng.integers(0, len(x), 48))
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x[rows])[:, 0], y[rows])
        loss.backward()
        optimiser.step()
    net.eval()
    x, y = _tensors(*pictures(200, rng, leaks=False)[:2])
    with torch.no_grad():
        right = (net(x)[:, 0] > 0) == (y > 0)
    return net, float(right.float().mean())


def _tensors(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.as_tensor(images / 255 - 0.5, dtype=torch.float32)[:, None]
    return x, torch.as_tensor(labels)


def study(folder: Path, seed: int, patients: int = PATIENTS) -> Study:
    """Write a study whose markers say nothing about the label, with masks of marker and anatomy."""
    folder.mkdir()
    images, labels, masks = pictures(patients, np.random.default_rng(seed), leaks=False)
    anatomy = np.zeros((SIZE, SIZE), dtype=np.uint8)
    anatomy[6:-6, 6:-6] = 255
    Image.fromarray(anatomy).save(folder / "anatomy.png")
    rows = []
    for at in range(patients):
        Image.fromarray(images[at].astype(np.uint8)).save(folder / f"{at}.png")
        mask = f"{at}_m.png" if masks[at].any() else ""
        if mask:
            Image.fromarray((masks[at] * 255).astype(np.uint8)).save(folder / mask)
        rows.append((f"c{at}", f"p{at}", f"{at}.png", mask, "anatomy.png", int(labels[at])))
    names = ["case_id", "patient_id", "image", "marker", "anatomy", "lesion"]
    pd.DataFrame(rows, columns=names).to_parquet(folder / "cases.parquet")
    image = {
        "column": "image",
        "kind": "png",
        "marker_mask_column": "marker",
        "anatomy_mask_column": "anatomy",
    }
    spec = {
        "study": {"name": "marked", "version": "1"},
        "cases": {"table": "cases.parquet", "patient": "patient_id"},
        "labels": {"lesion": {"column": "lesion"}},
        "inputs": {"image": image},
    }
    (folder / "study.toml").write_text(manifest_text(spec), encoding="utf-8")
    return open_study(folder)


def truth(adapter: Any, folder: Path, seed: int) -> dict[str, float]:
    """Return the effect of each suspect in many other patients."""
    opened = study(folder, 90_000 + seed, OTHERS)
    with patch.object(zones, "MOST_OF_A_LABEL", OTHERS // 2):
        measured = measure_shortcuts(opened, adapter, seed=seed, most_cases=OTHERS)
    judged = judge_shortcuts(measured, seed=seed)["outputs"]
    ends = {one["suspect"]: one["difference_90"] for one in judged if one["difference_90"]}
    return {suspect: (low + high) / 2 for suspect, (low, high) in ends.items()}


def verdicts(base: Any, folder: Path, number: int, *, leaks: bool) -> dict[str, Any]:
    """Return one network's accuracy, and of each suspect its true effect and its verdict."""
    seed = (10_000 if leaks else 0) + number
    net, accuracy = trained(seed, leaks=leaks)
    adapter = base.with_module(net)
    true = truth(adapter, folder / f"{leaks}-{number}-others", seed)
    opened = study(folder / f"{leaks}-{number}", 50_000 + seed)
    judged = judge_shortcuts(measure_shortcuts(opened, adapter, seed=seed), seed=seed)["outputs"]
    for name in (f"{leaks}-{number}-others", f"{leaks}-{number}"):
        shutil.rmtree(folder / name)
    return {
        "accuracy": accuracy,
        "suspects": {
            one["suspect"]: {"effect": true[one["suspect"]], "verdict": one["verdict"]}
            for one in judged
            if one["suspect"] in true
        },
    }


def summary(networks: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Return counts of verdicts by suspect and by whether its true effect is within the margin."""
    counts: dict[str, Counter[str]] = {}
    for found in networks:
        for suspect, one in found["suspects"].items():
            side = "within" if abs(one["effect"]) <= DEFAULT_MARGIN else "beyond"
            counts.setdefault(f"{suspect}, {side}", Counter())[one["verdict"]] += 1
    return {
        "networks": len(networks),
        "accuracy (median)": float(np.median([one["accuracy"] for one in networks])),
        "verdicts": {name: dict(sorted(some.items())) for name, some in sorted(counts.items())},
    }


def main() -> None:
    """Measure, print, and keep every network's results as soon as it is judged."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--leaking", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first of --models")
    parser.add_argument("--results", type=Path, default=RESULTS, help="kept and added to")
    given = parser.parse_args()
    torch.set_num_threads(1)
    kept: dict[str, Any] = {}
    if given.results.is_file():
        kept = json.loads(given.results.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = load_adapter(model_folder(folder / "model"), device="cpu")
        for leaks, title, numbers in (
            (True, "with a shortcut", range(given.leaking)),
            (False, "without a shortcut", range(given.first, given.first + given.models)),
        ):
            for number in numbers:
                part = kept.setdefault(title, {"by network": {}})
                part["by network"][f"{number:03}"] = verdicts(base, folder, number, leaks=leaks)
                kept[title] = part | summary(part["by network"].values())
                text = json.dumps(kept, indent=1, sort_keys=True)
                given.results.write_text(text + "\n", encoding="utf-8")
    print(json.dumps({title: {**one, "by network": "kept"} for title, one in kept.items()}))


if __name__ == "__main__":
    main()
