"""Explanations of tables: native contributions through the API, a cold case, a cohort, coverage.

    python -m benchmarks.tables

Rates are CPU seconds of one thread unless said; the model of the cohort is the sample's network.
Coverage of the intervals is written to ``coverage_results.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from audits.explanations.shapley import (
    Stop,
    cell_game,
    exact_shapley,
    permutation_shapley,
)
from benchmarks.explanations import cpu_seconds

SAMPLE = Path(__file__).parents[1] / "sample_data" / "icu_deterioration"
COVERAGE_FILE = Path(__file__).with_name("coverage_results.json")
COVERAGE_RUNS = 400
CYCLES = 8
PLAYERS = 7

TREES = """
[model]
id = "trees"
version = "1"
task = "binary"
outputs = ["y"]
space = "logit"
[weights]
format = "xgboost"
file = "w.ubj"
sha256 = "{sha}"
[inputs.ehr]
features = {features}
"""


def bench_native() -> None:
    """Compare pred_contribs through the adapter with xgboost's own call on the same rows."""
    import pandas as pd
    import xgboost

    from model_adapters import load_adapter

    print("\nNative contributions, XGBoost 300 x 6, 40 variables, through our API")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 40))
    y = (x[:, 0] * x[:, 1] + x[:, 2] + rng.normal(size=4000) > 0).astype(int)
    x[rng.random(x.shape) < 0.1] = np.nan
    names = [f"x{i}" for i in range(40)]
    params = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(x, y, feature_names=names), 300)
    rows = np.tile(x[1000:2000], (2, 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        booster.save_model(folder / "w.ubj")
        sha = hashlib.sha256((folder / "w.ubj").read_bytes()).hexdigest()
        text = TREES.format(sha=sha, features=json.dumps(names))
        (folder / "model.toml").write_text(text)
        adapter: Any = load_adapter(folder)
    frame = pd.DataFrame(rows, columns=names)
    own_booster = adapter._booster  # noqa: SLF001 - the same object, so that threads are the same
    own_booster.set_param({"nthread": 1})

    def ours() -> np.ndarray:
        return adapter.native_contributions(adapter.prepare({"ehr": frame}))[0]

    def native() -> np.ndarray:
        matrix = xgboost.DMatrix(rows.astype(np.float32), feature_names=names)
        return own_booster.predict(matrix, pred_contribs=True)

    gap = np.abs(ours()[:, 0] - native()[:, :-1]).max()
    own_rate, native_rate = (len(rows) / cpu_seconds(work, 5) for work in (ours, native))
    print(f"  through our API {own_rate:10.1f} rows/core-s   native {native_rate:10.1f}")
    print(f"  ours / native   {own_rate / native_rate:10.3f}   goal 0.9   difference {gap:.1e}")


def bench_case() -> None:
    """Time one case as Case review asks for it: study and model open, nothing cached."""
    from audits.cohorts import open_study
    from audits.explanations import explain_adapter_case
    from model_adapters import load_adapter

    print("\nOne case, cold (study and model are open), wall clock")
    study = open_study(SAMPLE)
    for name in ("mlp-1.0", "mlp-2.0", "xgboost-1.0"):
        adapter = load_adapter(SAMPLE / "models" / name, device="cpu")
        times = []
        for case in study.case_ids[:7]:
            start = time.perf_counter()
            explain_adapter_case(study, adapter, case)
            times.append(time.perf_counter() - start)
        told = f"first {times[0]:.2f} s, median {np.median(times):.2f} s"
        print(f"  {name:14} {told}   goal 1 s")


def bench_global(cases: int = 10_000) -> None:
    """Time global importance of the sample's network and compare it with a long run."""
    from audits.cohorts import open_study
    from audits.explanations.global_effects import global_effects
    from model_adapters import load_adapter

    print(f"\nGlobal importance, {cases:,} patients, MLP of the ICU sample")
    study = open_study(SAMPLE).in_split("train")
    adapter = load_adapter(SAMPLE / "models" / "mlp-1.0", device="cpu")
    start, cpu = time.perf_counter(), time.process_time()
    found = global_effects(study, adapter, cases)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    if found is None:
        print("  no table")
        return
    error = _importance_error(study, adapter, found)
    told = f"{len(found.case_ids):,} cases: {wall:.1f} s wall, {cpu:.1f} CPU s"
    print(f"  {told}, error {100 * error:.2f} %   goal 60 s at 3 %")


def _importance_error(study: Any, adapter: Any, found: Any) -> float:
    """Return the relative RMSE of mean |effect| against 12 cycles, over the first 200 cases."""
    from audits.explanations.backgrounds import audit_background
    from audits.explanations.cohort import sample_game
    from audits.explanations.sample import open_sample
    from audits.explanations.shapley import permutation_shapley

    background = audit_background(study, adapter)
    sample = open_sample(study, adapter, found.case_ids[:200], seed=5, background=background)
    stop = Stop(relative=0.0, absolute=0.0, max_cycles=12, seconds=600.0)
    truth = permutation_shapley(sample_game(sample, background), seed=99, stop=stop).effects
    importance = np.abs(truth).mean(axis=0)
    gap = np.abs(found.effects[:200]).mean(axis=0) - importance
    return float(np.sqrt((gap**2).mean() / (importance**2).mean()))


def _networks() -> dict[str, torch.nn.Module]:
    plain = torch.nn.Sequential(
        torch.nn.Linear(PLAYERS, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)
    )
    normed = torch.nn.Sequential(
        torch.nn.Linear(PLAYERS, 16), torch.nn.LayerNorm(16), torch.nn.SiLU(),
        torch.nn.Linear(16, 3),
    )  # fmt: skip
    return {"relu": plain, "layer norm and silu": normed}


def bench_coverage(runs: int = COVERAGE_RUNS) -> None:
    """Count how often 95 % t intervals of 8 cycles hold the enumerated truth, 3 outputs."""
    print(f"\nCoverage of 95 % intervals, {CYCLES} cycles, {runs} runs a network")
    out = {}
    for name, net in _networks().items():
        torch.manual_seed(4)
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=0.7)
        net.eval()
        game = cell_game(
            predict=lambda batch, net=net: _values(net, batch["x"]),
            field="x",
            cases={"x": torch.randn(4, PLAYERS)},
            background=torch.randn(24, PLAYERS),
            player_of_cell=np.arange(PLAYERS),
            players=PLAYERS,
        )
        truth = exact_shapley(game).effects
        stop = Stop(relative=0.0, absolute=0.0, max_cycles=CYCLES, seconds=600.0)
        width = stats.t.ppf(0.975, CYCLES - 1)
        inside = []
        for seed in range(runs):
            estimate = permutation_shapley(game, seed=seed, stop=stop)
            inside.append(np.abs(estimate.effects - truth) <= width * estimate.se)
        share = float(np.mean(inside))
        out[name] = {"coverage": share, "intervals": int(np.size(inside)), "runs": runs}
        print(f"  {name:24} {100 * share:6.2f} %   goal 95 ± 2 %")
    COVERAGE_FILE.write_text(json.dumps(out, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _values(net: torch.nn.Module, rows: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return net(rows).double().numpy()


def main() -> None:
    """Run all of them, or those that are named."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    parts = {
        "native": bench_native,
        "case": bench_case,
        "global": bench_global,
        "coverage": bench_coverage,
    }
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
