"""Generate ``sample_data/icu_deterioration``: ``python -m sample_data.generate.icu``.

About a minute on one core. The cohort is the same on every machine; trained weights may differ in
the last digits between processors, and the threshold, ``truth.json`` and every hash with them,
which is why the shipped folder is committed. What people write (``study.toml``, ``policy.toml``,
``README.md``) is not generated; it is copied where the output goes elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from audits.cohorts import open_study
from sample_data.generate.icu.cohort import SEED, generate_cohort
from sample_data.generate.icu.folders import (
    write_cases,
    write_model,
    write_threshold,
    write_variables,
)
from sample_data.generate.icu.models import (
    ALERT_SHARE,
    RECIPES,
    Recipe,
    declare_input,
    encode,
    network_layers,
    train_network,
    train_xgboost,
)
from sample_data.generate.icu.scoring import open_scorer
from sample_data.generate.icu.truth import measure_truth

SHIPPED = Path(__file__).parents[2] / "icu_deterioration"
WRITTEN_BY_HAND = ("study.toml", "policy.toml", "README.md")


def main() -> None:
    """Generate the study into the folder given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder to write")
    parser.add_argument("--seed", type=int, default=SEED)
    wanted = parser.parse_args()
    generate_study(wanted.out, wanted.seed)


def generate_study(folder: Path, seed: int = SEED) -> None:
    """Generate the whole study folder, models and truth included."""
    cohort = generate_cohort(seed)
    write_cases(cohort, folder)
    write_variables(folder)
    for name in WRITTEN_BY_HAND:
        if folder.resolve() != SHIPPED.resolve():
            shutil.copy(SHIPPED / name, folder / name)
    study = open_study(folder)
    tune = study.in_split("tune")
    for recipe in RECIPES:
        print(f"Training {recipe.key} …", flush=True)
        _make_model(recipe, folder / "models" / recipe.folder, cohort)
        scores = open_scorer(folder / "models" / recipe.folder).probabilities(tune.cases)
        threshold = round(float(np.quantile(scores, 1 - ALERT_SHARE)), 4)
        write_threshold(folder / "models" / recipe.folder, threshold, tune.sha256)
    write_truth(folder, study.cases, seed)


def write_truth(folder: Path, audited: pd.DataFrame, seed: int = SEED) -> None:
    """Measure the finished folders and write ``truth.json``."""
    scorers = [open_scorer(folder / "models" / recipe.folder) for recipe in RECIPES]
    cases = hashlib.sha256((folder / "cases.parquet").read_bytes()).hexdigest()
    truth = {"seed": seed, "cases_sha256": cases, **measure_truth(audited, scorers, seed)}
    text = json.dumps(truth, indent=1, ensure_ascii=False)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


def _make_model(recipe: Recipe, folder: Path, cohort: pd.DataFrame) -> None:
    train = cohort[cohort["split"] == "train"]
    spec = declare_input(recipe, train)
    x, y = encode(spec, train), train[recipe.label].to_numpy()
    if recipe.family == "xgboost":
        write_model(
            recipe, folder, weights=train_xgboost(x, y, spec, recipe.seed), spec=spec, layers=[]
        )
    else:
        write_model(
            recipe,
            folder,
            weights=train_network(x, y, recipe.seed),
            spec=spec,
            layers=network_layers(x.shape[1]),
        )


if __name__ == "__main__":
    main()
