"""Train the two versions: 1.0 on what the hospital recorded, 2.0 with both faults mitigated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from model_adapters.architectures import build_network
from model_adapters.schema import ArchitectureSection

from .design import FINDINGS, SEED
from .population import Case
from .rendering import Rendered

if TYPE_CHECKING:
    import torch

Version = Literal["1.0", "2.0"]
Logits = npt.NDArray[np.float64]
Weights = dict[str, npt.NDArray[Any]]

ARCHITECTURE: dict[str, Any] = {
    "name": "monai.ResNet",
    "args": {
        "block": "basic",
        "layers": [1, 1, 1, 1],
        "block_inplanes": [16, 32, 64, 104],
        "spatial_dims": 2,
        "n_input_channels": 1,
        "conv1_t_size": 7,
        "conv1_t_stride": 2,
        "no_max_pool": True,
        "num_classes": 3,
    },
    "target_layer": "layer4",
}
EPOCHS = 12
BATCH = 32
SHIFT = 6
"""Augmentation: pixels of the 128 by which an image is moved."""
SAMENESS = 0.5
"""Weight of the penalty on what a marker changes, for version 2.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained version and the operating points that were chosen for it."""

    version: Version
    module: torch.nn.Module
    thresholds: tuple[float, ...]


def recorded(cases: Sequence[Case], version: Version) -> npt.NDArray[np.float32]:
    """Return the labels (n, 3) that a version's owner had."""
    reads = [case.first_read if version == "1.0" else case.second_read for case in cases]
    return np.array([[read[name] for name in FINDINGS] for read in reads], dtype=np.float32)


def train(version: Version, images: Rendered, labels: npt.NDArray[np.float32]) -> Weights:
    """Train one version on one CPU thread.

    Version 2.0 sees no marker where it belongs: every image has its marker removed, and half of
    each batch is shown a second time with another image's marker. Both showings have the same
    labels, and a difference between their logits is penalised.

    Args:
        version: Which.
        images: The training split.
        labels: (n, 3) as the version's owner had them.

    Returns:
        Tensor name -> values.
    """
    import torch
    from torch import nn

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng([SEED, int(float(version))])
    # Channels last is a third faster on a CPU.
    module = _started().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(labels) // BATCH)
    optimiser = torch.optim.AdamW(module.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    loss_of = nn.BCEWithLogitsLoss()
    module.train()
    for _ in range(EPOCHS):
        order = rng.permutation(len(labels))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            if version == "1.0":
                batch, again = images.seen[rows], 0
            else:
                batch, again = _shown_twice(rng, images, rows), len(rows) // 2
            x = torch.from_numpy(_jitter(rng, batch, again))
            answer = module(x.contiguous(memory_format=torch.channels_last))
            wanted = torch.from_numpy(np.concatenate([labels[rows], labels[rows[:again]]]))
            loss = loss_of(answer, wanted)
            if again:
                loss = loss + SAMENESS * (answer[:again] - answer[-again:]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    module = module.to(memory_format=torch.contiguous_format)
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def network(weights: Weights) -> torch.nn.Module:
    """Return the network with given weights, in evaluation mode."""
    import torch

    module = build_network(ArchitectureSection(**ARCHITECTURE), "training").module
    module.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return module.eval()


def _started() -> torch.nn.Module:
    """Return the network before training; the same each time."""
    import torch
    from torch import nn

    module = build_network(ArchitectureSection(**ARCHITECTURE), "training").module
    torch.manual_seed(SEED)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.05)
            nn.init.zeros_(layer.bias)
    return module


def _shown_twice(
    rng: np.random.Generator, images: Rendered, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """Return the batch without markers, then its first half with markers of other images."""
    plain = images.plain[rows]
    half = len(rows) // 2
    donors = rng.choice(np.flatnonzero(images.marker.any(axis=(1, 2))), half)
    cover = images.marker[donors].astype(np.float32)[:, None]
    return np.concatenate([plain, plain[:half] * (1 - cover) + images.seen[donors] * cover])


def _jitter(
    rng: np.random.Generator, batch: npt.NDArray[np.float32], again: int
) -> npt.NDArray[np.float32]:
    """Move, brighten and stretch each image at random; a second showing like its first."""
    n, size = len(batch) - again, batch.shape[-1]
    same = np.concatenate([np.arange(n), np.arange(again)])
    moves = rng.integers(0, 2 * SHIFT + 1, (n, 2))[same]
    gain = rng.normal(1, 0.06, (n, 1, 1, 1)).astype(np.float32)[same]
    offset = rng.normal(0, 0.08, (n, 1, 1, 1)).astype(np.float32)[same]
    padded = np.pad(batch, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    out = np.empty_like(batch)
    for i, (dy, dx) in enumerate(moves):
        out[i] = padded[i, :, dy : dy + size, dx : dx + size]
    return out * gain + offset


def logits(module: torch.nn.Module, inputs: npt.NDArray[np.float32]) -> Logits:
    """Return (n, 3) logits, float64."""
    import torch

    with torch.inference_mode():
        parts = [
            module(torch.from_numpy(inputs[i : i + 64])).double().numpy()
            for i in range(0, len(inputs), 64)
        ]
    return np.concatenate(parts)


def choose_thresholds(scores: Logits, labels: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Return the probability per finding with the largest sensitivity + specificity."""
    chosen = []
    for column in range(labels.shape[1]):
        probability = 1 / (1 + np.exp(-scores[:, column]))
        grid = np.round(np.linspace(0.05, 0.9, 171), 4)
        positive = labels[:, column] == 1
        hit = (probability[positive, None] >= grid).mean(axis=0)
        alarm = (probability[~positive, None] >= grid).mean(axis=0)
        best = hit - alarm
        # The middle of the plateau: neighbouring thresholds are as good as each other.
        chosen.append(float(np.median(grid[best >= best.max() - 0.003])))
    return tuple(round(value, 3) for value in chosen)
