"""What a GPU changes: counts, the patient bootstrap, prediction with maps, Shapley values.

    python -m benchmarks.gpu                  # on CUDA, beside the same work on the CPU
    python -m benchmarks.gpu --device cpu     # the same code without a GPU, smaller

Wall-clock seconds, medians of three after a first call; a GPU is waited for before the clock is
read.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from audits.explanations.cams.engine import cam_maps
from audits.explanations.cams.tap import layer_named, tapped
from audits.explanations.shapley import Stop, cell_game, permutation_shapley
from audits.fairness.bootstrap import Profiles, patient_profiles
from audits.fairness.counts import Counts
from audits.fairness.families import crossing
from audits.fairness.frame import build_frame
from audits.fairness.on_device import count_on, resample_on
from benchmarks.fairness import cohort

LAYER = "class_layers.relu"
OUTPUTS = 14


def seconds(work: Callable[[], Any], device: str) -> float:
    """Return the median wall time of a call, the device's queue emptied."""
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def bench_counts(device: str, rows: int) -> Profiles:
    """Time counts of 50 intersections, and return the cohort's distinct patients."""
    _, output = cohort(rows, clustered=True)
    frame = build_frame(output)
    family = crossing(frame, output.attributes, declared=True)
    here = seconds(lambda: Counts.of(output), "cpu")
    there = seconds(lambda: count_on(device, family.code, frame.score, frame.positive), device)
    print(f"\n{rows:,} rows, 50 intersections, every score counted")
    print(f"  NumPy                    {here:10.3f} s")
    print(f"  PyTorch on {device:6}        {there:10.3f} s   {here / there:6.1f} x")
    return patient_profiles(frame, family, frame.score >= 0.4)


def bench_bootstrap(device: str, profiles: Profiles, replicates: int) -> None:
    """Time the bootstrap of patients."""
    cells = profiles.cells.toarray()
    taken = seconds(
        lambda: resample_on(device, profiles.counts, cells, replicates=replicates, seed=0), device
    )
    patients = int(profiles.counts.sum())
    print(f"\n{patients:,} patients of {len(cells):,} profiles x {replicates:,} replicates")
    print(f"  PyTorch on {device:6}        {taken:10.3f} s")


def bench_maps(device: str, images: int, side: int = 224, cohort_size: int = 0) -> float:
    """Time prediction with 14 Grad-CAM maps an image, DenseNet-121.

    Args:
        device: Where the network runs.
        images: In a batch.
        side: Rows and columns of an image.
        cohort_size: Images of a cohort that is run whole, from memory to maps in memory, and
            extrapolated to 100,000; 0 runs none.

    Returns:
        Images a second with maps, in shares of those without.
    """
    from monai.networks.nets import DenseNet121

    net = DenseNet121(spatial_dims=2, in_channels=1, out_channels=OUTPUTS).eval().to(device)
    batch = torch.randn(images, 1, side, side, device=device)

    def predict() -> torch.Tensor:
        with torch.inference_mode():
            return net(batch)

    def explain() -> torch.Tensor:
        with tapped(net, layer_named(net, LAYER), lambda: net(batch)) as (activations, outputs):
            return cam_maps(activations, outputs, "gradcam")

    print(f"\nDenseNet-121, {side} x {side}, batches of {images}")
    alone, both = images / seconds(predict, device), images / seconds(explain, device)
    print(f"  prediction               {alone:10.1f} images/s")
    print(f"  prediction and 14 maps   {both:10.1f} images/s   {both / alone:.2f} of it, goal 0.8")
    if cohort_size:
        stored = torch.randn(images, 1, side, side)
        start = time.perf_counter()
        for _ in range(0, cohort_size, images):
            batch.copy_(stored)
            explain().cpu()
        taken = time.perf_counter() - start
        print(f"  {cohort_size:,} images with maps {taken:12.1f} s")
        print(f"  100,000, extrapolated    {taken * 100_000 / cohort_size:10.1f} s")
    return both / alone


def bench_shapley(device: str, rows: int) -> None:
    """Time Shapley values of a 40-variable network against 100 background rows."""
    columns, background = 40, 100
    net = torch.nn.Sequential(
        torch.nn.Linear(columns, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1)
    ).to(device)
    x = np.random.default_rng(0).normal(size=(rows + background, columns)).astype(np.float32)

    def predict(batch: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            values = torch.as_tensor(np.asarray(batch["x"], dtype=np.float32), device=device)
            return net(values).double().cpu().numpy()

    def explain() -> None:
        game = cell_game(
            predict=predict,
            field="x",
            cases={"x": x[:rows]},
            background=x[rows:],
            player_of_cell=np.arange(columns),
            players=columns,
        )
        stop = Stop(relative=0.0, absolute=0.0, max_cycles=2, seconds=600.0)
        permutation_shapley(game, seed=0, stop=stop)

    print(f"\nShapley values, {columns} variables, {background} background rows, {rows} cases")
    print(f"  on {device:6}                {rows / seconds(explain, device):10.1f} rows/s")


def main() -> int:
    """Print every figure; without a GPU, say so: there is nothing to measure."""
    parser = argparse.ArgumentParser(description="Time what a GPU changes.")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    device = parser.parse_args().device
    if device == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no CUDA device here; `--device cpu` runs the same code on the CPU.")
        return 0
    large = device == "cuda"
    name = torch.cuda.get_device_name() if large else "CPU"
    print(f"{name}, PyTorch {torch.__version__}")
    profiles = bench_counts(device, 4_000_000 if large else 100_000)
    bench_bootstrap(device, profiles, 10_000 if large else 1_000)
    bench_maps(device, 64 if large else 1, cohort_size=10_000 if large else 0)
    bench_shapley(device, 64 if large else 4)
    return 0


if __name__ == "__main__":
    sys.exit(main())
