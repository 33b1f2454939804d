"""Explanations against captum, MONAI and shap in the same run, on one thread.

    python -m benchmarks.explanations

Maps are compared in forward passes of the same network, Shapley values in rows per core-second
at equal error against a long run, trees in rows per core-second.
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from audits.explanations.cams.engine import CamEngine
from audits.explanations.cams.tap import layer_named
from audits.explanations.pixels.boxes import tiles
from audits.explanations.pixels.gradients import PixelGame, integrated_gradients
from audits.explanations.pixels.occlusion import occlusion_maps
from audits.explanations.shapley import Stop, cell_game, permutation_shapley
from audits.explanations.shapley.tree_structure import read_trees
from audits.explanations.shapley.trees import TreeExplainer
from model_adapters.base import Field, ModelCard, OutputSpec, TargetLayer

OUTPUTS = 14
LAYER = "class_layers.relu"


def cpu_seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    """Return the median CPU time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


class Network:
    """A bare network behind the adapter's interface."""

    def __init__(self, net: torch.nn.Module, shape: tuple[int, ...]) -> None:
        self.net = net
        self.inputs = (Field(name="image", modality="image", shape=shape),)
        names = tuple(f"o{index}" for index in range(OUTPUTS))
        self.output = OutputSpec(task="multilabel", names=names, space="logit")
        self.caps = frozenset({"grad", "layers"})
        self.device = "cpu"
        self.card = ModelCard(
            id="net", version="1", weights_sha256="", manifest_sha256="", format="safetensors"
        )

    def module(self) -> torch.nn.Module:
        """Return the network."""
        return self.net

    def forward(self, prepared: Any) -> torch.Tensor:
        """Return logits."""
        return self.net(prepared["image"])

    def predict(self, prepared: Any) -> Any:
        """Return logits without a graph."""
        with torch.inference_mode():
            return self.net(prepared["image"]).double().numpy()


def own_engine(net: torch.nn.Module) -> CamEngine:
    """Return the engine of all maps from one forward pass, as the product uses it."""
    target = TargetLayer(name=LAYER, source="declared")
    return CamEngine(adapter=Network(net, ()), method="gradcam", target=target, field="image")


def bench_cams() -> None:
    """Time all maps of DenseNet-121 in forward passes."""
    from captum.attr import LayerGradCam
    from monai.networks.nets import DenseNet121
    from monai.visualize import GradCAM

    print("\nGrad-CAM, DenseNet-121, 224 x 224, one image, 14 outputs (x = forward passes)")
    net = DenseNet121(spatial_dims=2, in_channels=1, out_channels=OUTPUTS).eval()
    image = torch.randn(1, 1, 224, 224)
    forward = cpu_seconds(lambda: Network(net, ()).predict({"image": image}), 7)
    engine = own_engine(net)
    ours = cpu_seconds(lambda: engine.forward_with_maps({"image": image}), 7)
    captum = LayerGradCam(net, layer_named(net, LAYER))

    def loop() -> list[torch.Tensor]:
        return [captum.attribute(image, target=one).detach() for one in range(OUTPUTS)]

    theirs = cpu_seconds(loop)
    own = engine.forward_with_maps({"image": image})[1][0]
    gap = np.abs(own - torch.cat(loop())[:, 0].numpy()).max()
    other = DenseNet121(spatial_dims=2, in_channels=1, out_channels=OUTPUTS).eval()
    monai = GradCAM(nn_module=other, target_layers="features.denseblock4")
    one = cpu_seconds(lambda: monai(image, class_idx=0))
    row("forward", forward, forward)
    row("ours, all 14 maps", ours, forward, "goal 1.2 x")
    row("captum, loop over 14", theirs, forward)
    row("MONAI, 1 map", one, forward)
    print(f"  captum / ours {theirs / ours:6.1f} x    largest difference {gap:.1e}  goal 1e-6")
    net = DenseNet121(spatial_dims=3, in_channels=1, out_channels=OUTPUTS).eval()
    volume = torch.randn(1, 1, 48, 64, 64)
    forward = cpu_seconds(lambda: Network(net, ()).predict({"image": volume}))
    engine = own_engine(net)
    ours = cpu_seconds(lambda: engine.forward_with_maps({"image": volume}))
    row("3-D 48x64x64, 14 maps", ours, forward, "goal 1.5 x")


def bench_pixels() -> None:
    """Time integrated gradients and occlusion in forward passes."""
    from captum.attr import IntegratedGradients, Occlusion
    from monai.networks.nets import DenseNet121

    print("\nPixel methods, DenseNet-121, 112 x 112")
    net = DenseNet121(spatial_dims=2, in_channels=1, out_channels=OUTPUTS).eval()
    image = torch.randn(1, 1, 112, 112)
    adapter = Network(net, (1, 112, 112))
    forward = cpu_seconds(lambda: adapter.predict({"image": image}), 7)
    game = PixelGame(adapter=adapter, case={"image": image}, field="image", outputs=(0,))
    ours = cpu_seconds(lambda: integrated_gradients(game, torch.zeros(1, 112, 112)), 1)
    captum = IntegratedGradients(net)
    theirs = cpu_seconds(
        lambda: captum.attribute(image, target=0, n_steps=50, internal_batch_size=8), 1
    )
    row("integrated gradients, 50 steps", ours, forward, "goal 125 x")
    row("captum, batches of 8", theirs, forward)
    grid = tiles([112, 112], [14, 14], overlap=0.0)
    count = len(grid.boxes)
    ours = cpu_seconds(
        lambda: occlusion_maps(adapter, {"image": image}, "image", grid, baseline=0.0), 1
    )
    with torch.no_grad():
        theirs = cpu_seconds(
            lambda: Occlusion(net).attribute(
                image, (1, 8, 8), strides=(1, 8, 8), target=0, perturbations_per_eval=32
            ),
            1,
        )
    row(f"occlusion, {count} windows, 14 outputs", ours, forward, f"goal {count} x")
    row("captum, 1 output, 32 a batch", theirs, forward)


def row(name: str, seconds: float, forward: float, note: str = "") -> None:
    """Print one line in milliseconds and forward passes."""
    print(f"  {name:38}{1000 * seconds:10.1f} ms {seconds / forward:8.2f} x  {note}")


def trained_mlp(columns: int) -> tuple[torch.nn.Module, np.ndarray]:
    """Return a network trained on data with interactions, and rows of that data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, columns)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] * x[:, 4] + x[:, 5] - x[:, 6] ** 2
    y = torch.as_tensor((score > np.median(score)).astype(np.float32))[:, None]
    net = torch.nn.Sequential(
        torch.nn.Linear(columns, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 1),
    )
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    rows = torch.as_tensor(x)
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(rows), y).backward()
        optimiser.step()
    return net.eval(), x


def bench_shapley() -> None:
    """Compare rate and error with shap's estimators on a 40-variable network."""
    import shap

    columns, rows, count = 40, 8, 100
    print(f"\nShapley values, MLP of {columns} variables, {count} background rows, {rows} cases")
    net, x = trained_mlp(columns)
    cases, background = x[:rows], x[1000 : 1000 + count]

    def predict(values: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.as_tensor(np.asarray(values, dtype=np.float32))).double().numpy()

    def estimate(cycles: int, seed: int) -> np.ndarray:
        game = cell_game(
            predict=lambda batch: predict(batch["x"]),
            field="x",
            cases={"x": cases},
            background=background,
            player_of_cell=np.arange(columns),
            players=columns,
        )
        stop = Stop(relative=0.0, absolute=0.0, max_cycles=cycles, seconds=600.0)
        return permutation_shapley(game, seed=seed, stop=stop).effects[:, :, 0]

    truth = estimate(60, 99)
    scale = float(np.sqrt((truth**2).mean()))

    def measure(name: str, work: Callable[[], np.ndarray]) -> tuple[float, float]:
        start = time.process_time()
        values = np.asarray(work()).reshape(rows, columns)
        rate = rows / (time.process_time() - start)
        error = float(np.sqrt(((values - truth) ** 2).mean())) / scale
        print(f"  {name:38}{rate:10.1f} rows/core-s   error {100 * error:6.2f} %")
        return rate, error

    quiet = {"silent": True}

    def kernel(samples: int) -> np.ndarray:
        explainer = shap.KernelExplainer(lambda v: predict(v)[:, 0], background)
        return explainer.shap_values(cases, nsamples=samples, l1_reg=False, **quiet)

    def permutation(pairs: int) -> np.ndarray:
        masker = shap.maskers.Independent(background, max_samples=count)
        explainer = shap.PermutationExplainer(lambda v: predict(v)[:, 0], masker, seed=0)
        return explainer(cases, max_evals=pairs * (2 * columns + 1), **quiet).values

    permutation(1)  # compiles shap's kernels, which is not what is timed
    ours = [measure(f"ours, {n} cycles", lambda n=n: estimate(n, n)) for n in (1, 2, 4, 8)]
    peers = {
        "shap Kernel, l1 off": [
            measure(f"shap Kernel, l1 off, {n} samples", lambda n=n: kernel(n)) for n in (500, 2128)
        ],
        "shap Permutation": [
            measure(f"shap Permutation, {n} pairs", lambda n=n: permutation(n)) for n in (1, 4, 10)
        ],
    }
    goals = {"shap Kernel, l1 off": 20, "shap Permutation": 6}
    for name, points in peers.items():
        faster = [rate_at(ours, error) / rate for rate, error in points]
        span = f"{min(faster):.1f} to {max(faster):.1f}"
        print(f"  at equal error, ours / {name:20} {span:>14} x   goal {goals[name]} x")


def rate_at(points: list[tuple[float, float]], error: float) -> float:
    """Return our rate at an error, by a line through the logarithms of rate and error."""
    rates, errors = np.log([p[0] for p in points]), np.log([p[1] for p in points])
    slope, offset = np.polyfit(errors, rates, 1)
    return float(np.exp(offset + slope * np.log(error)))


def bench_trees() -> None:
    """Compare interventional effects of XGBoost, 300 trees of depth 6, with shap's."""
    import shap
    import xgboost

    print("\nInterventional effects, XGBoost 300 x 6, 40 variables, 100 background rows")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 40))
    y = (x[:, 0] * x[:, 1] + x[:, 2] + rng.normal(size=4000) > 0).astype(int)
    x[rng.random(x.shape) < 0.1] = np.nan
    params = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(x, y), 300)
    model = json.loads(bytes(booster.save_raw("json")))
    cases, background = x[1000:1200], x[:100]
    start = time.process_time()
    ours = TreeExplainer(read_trees(model), np.arange(40), background, 40).effects(cases)
    own_rate = len(cases) / (time.process_time() - start)
    explainer = shap.TreeExplainer(booster, data=background, feature_perturbation="interventional")
    start = time.process_time()
    theirs = np.asarray(explainer.shap_values(cases[:60])).reshape(60, 40)
    shap_rate = 60 / (time.process_time() - start)
    matrix = xgboost.DMatrix(np.repeat(cases, 10, axis=0))
    native = 2000 / cpu_seconds(lambda: booster.predict(matrix, pred_contribs=True), 1)
    gap = np.abs(ours[:60, :, 0] - theirs).max()
    print(f"  ours, reading the trees included      {own_rate:10.1f} rows/core-s")
    print(f"  shap.TreeExplainer                    {shap_rate:10.1f} rows/core-s")
    print(f"  xgboost pred_contribs (path-dependent){native:10.1f} rows/core-s")
    print(f"  ours / shap {own_rate / shap_rate:6.1f} x    largest difference {gap:.1e}")


def main() -> None:
    """Run all of them."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    bench_cams()
    bench_pixels()
    bench_shapley()
    bench_trees()


if __name__ == "__main__":
    main()
