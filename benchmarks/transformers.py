"""Do maps of transformers that have learnt a known lesion point at it?

    python -m benchmarks.transformers

Images of noise, half of them with a bright square at a random place. Swins and ViTs with and
without registers learn to tell them apart within seconds; each method's peak and mass are then
held against the square in 100 held-out images in which the network finds it, and badges are
computed as ``auscult explain`` does.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save

from audits.cohorts import open_study
from audits.explanations import explain_adapter_case
from audits.explanations.attention import one_pass
from audits.explanations.checks import badge
from audits.explanations.checks.shuffles import shuffled_weights
from model_adapters import load_adapter, manifest_text
from model_adapters.architectures.swin_classifier import SwinClassifier
from model_adapters.architectures.vision_transformer import VisionTransformer

SIZE, RADIUS, PATCH = 32, 4, 4
CELLS = SIZE // PATCH
GRID = [CELLS, CELLS]
MEAN, STD = 0.43, 0.12
LESIONS = 100
BADGES = 10
SWIN: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "embed_dim": 8,
    "window_size": [4, 4],
    "patch_size": [PATCH, PATCH],
    "num_heads": [2, 2, 2, 2],
}
VIT: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "image_size": [SIZE, SIZE],
    "patch_size": PATCH,
    "width": 16,
    "depth": 2,
    "heads": 2,
}
WINDOWS: dict[str, Any] = {"layer": "swin.patch_embed", "grid": GRID, "window": [4, 4]}


def tokens(registers: int) -> dict[str, Any]:
    """Return what a ViT of these figures declares."""
    return {"layer": "blocks.1.norm1", "prefix": 1 + registers, "grid": GRID}


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n, 32, 32) as bytes, whether each has the square, and where it is."""
    rng = np.random.default_rng(seed)
    images = rng.normal(110, 30, (count, SIZE, SIZE))
    labels, places = rng.random(count) < 0.5, rng.integers(RADIUS, SIZE - RADIUS, (count, 2))
    masks = np.zeros(images.shape, dtype=bool)
    for mask, ill, (i, j) in zip(masks, labels, places, strict=True):
        mask[i - RADIUS : i + RADIUS, j - RADIUS : j + RADIUS] = ill
    images[masks] += 75
    return np.clip(images, 0, 255).astype(np.uint8), labels, masks


def as_input(images: np.ndarray) -> torch.Tensor:
    """Return images as a model of these figures takes them."""
    return torch.as_tensor((images[:, None] / 255 - MEAN) / STD, dtype=torch.float32)


def learnt(net: torch.nn.Module, *, dense: bool = False, most: int = 400) -> torch.nn.Module:
    """Train until the last ten losses are low; ``dense`` networks learn the square's pixels.

    Raises:
        RuntimeError: If they are not after ``most`` steps.
    """
    images, labels, masks = pictures(1600, 1)
    truth = masks if dense else labels
    x, y = as_input(images), torch.as_tensor(truth[:, None], dtype=torch.float32)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses, low = [1.0] * 10, 0.045 if dense else 0.15
    while np.mean(losses[-10:]) >= low:
        step = len(losses) - 10
        if step == most:
            raise RuntimeError(f"still at {np.mean(losses[-10:]):.2f} after {most} steps")
        rows = torch.arange(32 * step, 32 * step + 32) % len(x)
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 20)
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x[rows]), y[rows])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return net.eval()


def pointing(engine: Any) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the share of hits, and of each lesion the share of mass inside and of area."""
    images, labels, masks = pictures(260, 99)
    scores, maps = engine.forward_with_maps({"image": as_input(images)})
    rows = np.flatnonzero(labels & (scores[:, 0] > 0))[:LESIONS]
    cells = masks.reshape(len(masks), CELLS, PATCH, CELLS, PATCH).mean(axis=(2, 4))
    flat, inside = maps[rows, 0].reshape(len(rows), -1), cells[rows].reshape(len(rows), -1)
    hits = inside[np.arange(len(rows)), flat.argmax(axis=1)] > 0
    positive = flat.clip(min=0)
    sums = np.maximum(positive.sum(axis=1), np.finfo(np.float64).tiny)
    return float(hits.mean()), (positive * inside).sum(axis=1) / sums, inside.mean(axis=1)


def model_folder(
    folder: Path, name: str, net: torch.nn.Module, args: Mapping[str, Any], declared: Any
) -> Path:
    """Write a network as a model folder."""
    folder.mkdir()
    data = save({key: value.contiguous() for key, value in net.state_dict().items()})
    (folder / "weights.safetensors").write_bytes(data)
    document = {
        "model": {"id": folder.name, "version": "1", "task": "binary", "outputs": ["lesion"]}
        | {"space": "logit", "thresholds": [0.5]},
        "weights": {
            "format": "safetensors",
            "file": "weights.safetensors",
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "architecture": {"name": name, "args": dict(args), "tokens": declared},
        "inputs": {"image": {"size": [SIZE, SIZE], "mean": [MEAN], "std": [STD]}},
    }
    (folder / "model.toml").write_text(manifest_text(document), encoding="utf-8")
    return folder


def study(folder: Path) -> Any:
    """Write and open a study of such images."""
    folder.mkdir()
    images, labels, _ = pictures(40, 3)
    for at, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{at}.png")
    names = [f"{at}" for at in range(len(images))]
    pd.DataFrame(
        {"case_id": names, "image": [f"{one}.png" for one in names], "lesion": labels.astype(int)}
    ).to_parquet(folder / "cases.parquet")
    spec = {
        "study": {"name": "squares", "version": "1"},
        "cases": {"table": "cases.parquet"},
        "labels": {"lesion": {"column": "lesion"}},
        "inputs": {"image": {"column": "image", "kind": "png"}},
    }
    (folder / "study.toml").write_text(manifest_text(spec), encoding="utf-8")
    return open_study(folder)


def bench(root: Path, opened: Any, kind: str, seed: int, registers: int) -> None:
    """Print pointing of every method and badges of one network."""
    torch.manual_seed(seed)
    swin = kind == "Swin"
    args = SWIN if swin else VIT | {"registers": registers}
    name = f"auscult.{'SwinClassifier' if swin else 'VisionTransformer'}"
    declared = WINDOWS if swin else tokens(registers)
    start = time.process_time()
    net = learnt(SwinClassifier(**args) if swin else VisionTransformer(**args))
    seconds = time.process_time() - start
    print(f"\n{kind}, seed {seed}, {registers} registers, learnt in {seconds:.1f} CPU s")
    key = f"{kind}-{seed}-{registers}".lower()
    model = load_adapter(model_folder(root / key, name, net, args, declared))
    methods: Sequence[str] = ["attention_relevance", *([] if swin else ["gradcam", "hirescam"])]
    for method in methods:
        hits, mass, area = pointing(one_pass(model, method))
        found = f"mass {np.median(mass):.2f} of area {np.median(area):.3f}"
        print(f"  {method:22} peak inside {hits:.2f} (n {len(mass)}), {found}", flush=True)
    other = model_folder(root / f"{key}-x", name, shuffled_weights(net, seed), args, declared)
    ill = list(opened.cases.query("lesion == 1")["case_id"][:BADGES])
    for label, adapter in (("learnt", model), ("shuffled weights", load_adapter(other))):
        told = [explain_adapter_case(opened, adapter, case, checks=True).checks for case in ill]
        print(f"  badges, {label}: {dict(Counter(badge(one)[0] for one in told))}", flush=True)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        opened = study(Path(folder) / "study")
        for kind, seed, registers in (
            ("Swin", 1, 0),
            ("Swin", 2, 0),
            ("ViT", 1, 3),
            ("ViT", 2, 0),
            ("ViT", 3, 3),
        ):
            bench(Path(folder), opened, kind, seed, registers)


if __name__ == "__main__":
    main()
