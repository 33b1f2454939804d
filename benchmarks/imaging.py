"""Are badges calibrated? Small networks whose truth is known.

    python -m benchmarks.imaging            # prints, and writes imaging_results.json

Images of noise, each with two bright squares that mean nothing, and half of them with a striped
lesion no brighter than what is around it: where the lesion is the brightest thing, a network that
has learnt nothing points at it, too. Three questions:

* the whole badge, as ``auscult explain`` computes it, of networks that learnt the lesion, and of
  the same networks with shuffled weights, each a model folder of its own;
* the rank by deletion alone, of their own maps, of noise, of single blobs anywhere, and of maps of
  shuffled networks held against the trained one's score;
* what 100 calls leave behind.

Shortcut verdicts are measured by ``benchmarks.shortcuts``, which has networks of its own.
"""

from __future__ import annotations

import gc
import hashlib
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save
from scipy.ndimage import gaussian_filter

from audits.cohorts import Study, open_study
from audits.explanations import explain_adapter_case
from audits.explanations.cams import cam_engine
from audits.explanations.checks import badge
from audits.explanations.checks.deletion import deletion_rank
from audits.explanations.checks.shuffles import shuffled_weights
from model_adapters import load_adapter, manifest_text

SIZE = 32
CASES = 240
NETWORKS = 4
STEPS = 500
SHUFFLES = 12
RANDOM_NETWORKS = 20
BADGES = 40
BADGES_OF_RANDOM = 6
ALPHA = 0.05
MAPS = ("own", "noise", "one blob anywhere", "shuffled weights")
CLEAR = 8
STRIPES = np.where(np.arange(7) % 2, -45.0, 45.0)[:, None]
RESULTS = Path(__file__).with_name("imaging_results.json")
LAYERS = [
    ("Conv2d", {"in_channels": 1, "out_channels": 8, "kernel_size": 3, "padding": 1}),
    ("ReLU", {}),
    ("MaxPool2d", {"kernel_size": 2}),
    ("Conv2d", {"in_channels": 8, "out_channels": 16, "kernel_size": 3, "padding": 1}),
    ("ReLU", {}),
    ("MaxPool2d", {"kernel_size": 2}),
    ("Conv2d", {"in_channels": 16, "out_channels": 16, "kernel_size": 3, "padding": 1}),
    ("ReLU", {}),
    ("AdaptiveAvgPool2d", {"output_size": 1}),
    ("Flatten", {}),
    ("Linear", {"in_features": 16, "out_features": 1}),
]


def network() -> torch.nn.Sequential:
    """Return the network of all figures, randomly initialised."""
    return torch.nn.Sequential(*(getattr(torch.nn, kind)(**args) for kind, args in LAYERS))


def pictures(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32) of 0-255, and labels: whether one has the striped lesion."""
    images = gaussian_filter(rng.normal(size=(count, SIZE, SIZE)), (0, 1, 1)) * 60 + 90
    labels = rng.random(count) < 0.5
    for image, ill in zip(images, labels, strict=True):
        taken: list[tuple[int, int]] = []
        for lesion in (False, False, True)[: 3 if ill else 2]:
            i, j = _free_place(taken, rng)
            if lesion:
                image[i - 3 : i + 4, j - 3 : j + 4] = 90 + STRIPES + rng.normal(0, 5, (7, 7))
            else:
                image[i - 3 : i + 4, j - 3 : j + 4] += 90
    return np.clip(images, 0, 255), labels.astype(np.float32)


def _free_place(taken: list[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int]:
    """Return the centre of a 7 x 7 square that meets none of the others, and note it."""
    while True:
        i, j = (int(at) for at in rng.integers(5, SIZE - 5, 2))
        if all(abs(i - a) > CLEAR or abs(j - b) > CLEAR for a, b in taken):
            taken.append((i, j))
            return i, j


def trained(seed: int, steps: int) -> torch.nn.Sequential:
    """Return a network trained to find the lesion."""
    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), network()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    images, labels = pictures(600, rng)
    x = torch.as_tensor(images / 255 - 0.5, dtype=torch.float32)[:, None]
    y = torch.as_tensor(labels)
    for _ in range(steps):
        rows = torch.as_tensor(rng.integers(0, len(x), 48))
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x[rows])[:, 0], y[rows])
        loss.backward()
        optimiser.step()
    return net.eval()


def model_folder(folder: Path, net: torch.nn.Sequential | None = None) -> Path:
    """Write a network as a model folder; where none is given, others take its place in memory."""
    folder.mkdir()
    net = net or network()
    names = {
        f"{at}.{name}": t for at, part in enumerate(net) for name, t in part.state_dict().items()
    }
    data = save({f"l{key}": value for key, value in names.items()})
    (folder / "weights.safetensors").write_bytes(data)
    document = {
        "model": {
            "id": "toy", "version": "1", "task": "binary", "outputs": ["lesion"], "space": "logit",
        },
        "weights": {
            "format": "safetensors",
            "file": "weights.safetensors",
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "architecture": {
            "name": "sequential",
            "layers": [
                {"type": kind, "args": args, "key": f"l{at}"}
                for at, (kind, args) in enumerate(LAYERS)
            ],
        },
        "inputs": {"image": {"size": [SIZE, SIZE], "mean": [0.5], "std": [1.0]}},
    }  # fmt: skip
    (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")
    return folder


def badge_figures(folder: Path) -> dict[str, Any]:
    """Return how many maps get each badge, of networks that learnt and of shuffled ones."""
    counts: dict[str, Counter[str]] = {"learnt": Counter(), "shuffled weights": Counter()}
    reasons: dict[str, Counter[str]] = {name: Counter() for name in counts}
    for seed in range(NETWORKS):
        net = trained(1 + seed, STEPS)
        made = [("learnt", net, BADGES)] + [
            ("shuffled weights", shuffled_weights(net, at), BADGES_OF_RANDOM)
            for at in range(RANDOM_NETWORKS)
        ]
        for number, (name, one, cases) in enumerate(made):
            at = folder / f"{seed}-{number}"
            adapter = load_adapter(model_folder(at, one), device="cpu")
            opened = study(folder / f"{seed}-{number}-study", 1000 * seed + number, cases)
            for case in lesions(opened, cases):
                why = explain_adapter_case(opened, adapter, case, checks=True)
                word, reason = badge(why.checks)
                counts[name][word] += 1
                reasons[name][reason] += 1
        print(f"network {seed + 1}: {counts} {reasons}", flush=True)
    return {
        name: {"n": found.total(), **found, "reasons": dict(reasons[name])}
        for name, found in counts.items()
    }


def study(folder: Path, seed: int, cases: int) -> Study:
    """Write four times as many images; about half of them have the lesion."""
    folder.mkdir()
    images, labels = pictures(4 * cases, np.random.default_rng(seed))
    for at, image in enumerate(images):
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{at}.png")
    names = [f"{at}" for at in range(len(images))]
    frame = pd.DataFrame(
        {"case_id": names, "image": [f"{one}.png" for one in names], "lesion": labels.astype(int)}
    )
    frame.to_parquet(folder / "cases.parquet")
    spec = {
        "study": {"name": "stripes", "version": "1"},
        "cases": {"table": "cases.parquet"},
        "labels": {"lesion": {"column": "lesion"}},
        "inputs": {"image": {"column": "image", "kind": "png"}},
    }
    (folder / "study.toml").write_text(manifest_text(spec), encoding="utf-8")
    return open_study(folder)


def lesions(opened: Study, cases: int) -> list[str]:
    """Return the first cases that have the lesion."""
    return list(opened.cases.query("lesion == 1")["case_id"][:cases])


def rank_figures(base: Any) -> dict[str, Any]:
    """Return how many maps rank first by deletion, by what they are maps of."""
    counts: dict[str, list[int]] = {name: [0, 0] for name in MAPS}
    rng = np.random.default_rng(11)
    for seed in range(NETWORKS):
        net = trained(1 + seed, STEPS)
        adapter = base.with_module(net)
        cases = {"image": found_lesions(adapter, rng)}
        for name, (held, given) in badge_maps(base, net, cases, rng).items():
            ranks = [
                deletion_rank(adapter, {"image": cases["image"][[row]]}, "image", 0, one, seed=at)
                for at, (row, one) in enumerate(zip(held, given, strict=True))
            ]
            counts[name][0] += sum(rank.p <= ALPHA for rank in ranks)
            counts[name][1] += len(ranks)
            print(f"network {seed + 1}: {name} {counts[name][0]} of {counts[name][1]}", flush=True)
    return {name: {"k": k, "n": n, "share": k / n} for name, (k, n) in counts.items()}


def found_lesions(adapter: Any, rng: np.random.Generator) -> torch.Tensor:
    """Return images whose lesion the network finds, (CASES, 1, 32, 32)."""
    images, labels = pictures(4 * CASES, rng)
    x = torch.as_tensor(images / 255 - 0.5, dtype=torch.float32)[:, None]
    return x[(adapter.predict({"image": x})[:, 0] > 0) & (labels == 1)][:CASES]


def badge_maps(
    base: Any, net: torch.nn.Module, cases: dict[str, Any], rng: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return maps to rank by name, each with the row of the image it is taken for."""
    every = np.arange(len(cases["image"]))
    own = cam_engine(base.with_module(net)).forward_with_maps(cases)[1][:, 0]
    rows, columns = np.indices(own.shape[1:])
    places = rng.uniform(-0.5, own.shape[1] - 0.5, size=(len(own), 2))
    blobs = [np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / 2.9) for i, j in places]
    few = {"image": cases["image"][: CASES // SHUFFLES]}
    shuffled = [
        cam_engine(base.with_module(shuffled_weights(net, at))).forward_with_maps(few)[1][:, 0]
        for at in range(SHUFFLES)
    ]
    return {
        "own": (every, own),
        "noise": (every, gaussian_filter(rng.normal(size=own.shape), (0, 1, 1))),
        "one blob anywhere": (every, np.stack(blobs)),
        "shuffled weights": (
            np.tile(np.arange(len(few["image"])), SHUFFLES),
            np.concatenate(shuffled),
        ),
    }


def leak_figures(base: Any) -> dict[str, Any]:
    """Return what 100 calls leave behind: resident memory and hooks."""
    adapter = base.with_module(trained(1, 5))
    engine = cam_engine(adapter)
    batch = {"image": torch.randn(16, 1, SIZE, SIZE)}
    for _ in range(20):
        engine.forward_with_maps(batch)
    gc.collect()
    before = _resident()
    for _ in range(100):
        engine.forward_with_maps(batch)
    gc.collect()
    hooks = sum(len(part._forward_hooks) for part in adapter.module().modules())  # noqa: SLF001
    return {"resident_kib": _resident() - before, "hooks": hooks}


def _resident() -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


def main() -> None:
    """Measure, print, and keep the results."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = load_adapter(model_folder(Path(folder) / "model"), device="cpu")
        results = {
            "badges": badge_figures(Path(folder)),
            "first by deletion": rank_figures(base),
            "leak of 100 calls": leak_figures(base),
        }
    text = json.dumps(results, indent=2, sort_keys=True)
    print(text)
    RESULTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
