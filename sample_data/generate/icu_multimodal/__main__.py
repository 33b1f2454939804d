"""Generate ``sample_data/icu_multimodal``: ``python -m sample_data.generate.icu_multimodal``.

A few minutes on two cores, most of them for the radiographs. The cohort is the same on every
machine; trained weights may differ in the last digits between processors, which is why the shipped
folder is committed. ``study.toml``, ``policy.toml`` and ``README.md`` are written by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from audits.cohorts import open_study
from model_adapters.preprocessing.network_inputs import network_tensors

from .cohort import draw_stays, measure
from .design import ALERT_SHARE, IMAGED, OUTCOME, SEED
from .folders import (
    with_image_paths,
    write_images,
    write_model,
    write_scores,
    write_tables,
    write_threshold,
)
from .images import draw_images
from .models import (
    Recipe,
    declare,
    forward,
    inputs_of,
    raw_of,
    recipes,
    train_network,
    vocabulary,
    vocabulary_file,
)
from .notes import write_notes
from .truth import measure_truth

SHIPPED = Path(__file__).parents[2] / "icu_multimodal"
WRITTEN_BY_HAND = ("study.toml", "policy.toml", "README.md")


def main() -> None:
    """Generate the study into the folder given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder to write")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw radiographs")
    parser.add_argument("--seed", type=int, default=SEED)
    wanted = parser.parse_args()
    generate_study(wanted.out, seed=wanted.seed, workers=wanted.workers)


def generate_cohort(seed: int = SEED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the stays with their notes, and the long table of measurements."""
    streams = np.random.SeedSequence(seed).spawn(3)
    who, charted, written = (np.random.Generator(np.random.PCG64(s)) for s in streams)
    stays = draw_stays(who)
    stays = stays.join(write_notes(written, stays))
    return with_image_paths(stays), measure(charted, stays)


def generate_study(folder: Path, *, seed: int = SEED, workers: int = 2) -> None:
    """Generate the whole study folder, models and truth included."""
    stays, vitals = generate_cohort(seed)
    write_tables(folder, stays, vitals)
    for name in WRITTEN_BY_HAND:
        if folder.resolve() != SHIPPED.resolve():
            shutil.copy(SHIPPED / name, folder / name)
    images = _draw(stays, seed, workers)
    write_images(folder, stays, images)
    logits, thresholds = _make_models(folder, stays, vitals, images)
    truth = {
        "seed": seed,
        "cases_sha256": hashlib.sha256((folder / "cases.parquet").read_bytes()).hexdigest(),
        **measure_truth(stays[stays["split"] == "test"], logits, thresholds),
    }
    text = json.dumps(truth, indent=1, ensure_ascii=False)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


def _draw(stays: pd.DataFrame, seed: int, workers: int) -> dict[int, npt.NDArray[np.uint8]]:
    rows = pd.concat([stays[stays["split"] == name].head(count) for name, count in IMAGED.items()])
    print(f"Drawing {len(rows):,} radiographs …", flush=True)
    drawn = draw_images(rows, seed, workers)
    return dict(zip(map(int, rows.index), drawn, strict=True))


def _make_models(
    folder: Path,
    stays: pd.DataFrame,
    vitals: pd.DataFrame,
    images: Mapping[int, npt.NDArray[np.uint8]],
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]:
    train = stays[stays["split"] == "train"]
    tokens = vocabulary(list(train["note"]))
    file = vocabulary_file(tokens)
    measured = vitals[vitals["case_id"].isin(train["case_id"])]
    sections = declare(hashlib.sha256(file).hexdigest(), measured)
    by_case = {str(case): rows for case, rows in vitals.groupby("case_id", sort=False)}
    tuned_on = open_study(folder).in_split("tune").sha256
    logits: dict[str, npt.NDArray[np.float64]] = {}
    thresholds: dict[str, float] = {}
    for recipe in recipes(len(tokens)):
        print(f"Training {recipe.folder} …", flush=True)
        inputs = inputs_of(sections, recipe.reads, tokens)

        def scores(split: str, model: Any, recipe: Recipe = recipe, inputs: Any = inputs) -> Any:
            raw, _ = _raw(recipe, stays[stays["split"] == split], by_case, images)
            with torch.inference_mode():
                found = forward(model, network_tensors(inputs, inputs.prepare(raw), "cpu"))
            return found[:, 0].double().numpy()

        raw, label = _raw(recipe, train, by_case, images)
        module = train_network(recipe, inputs, raw, label)
        place = folder / "models" / recipe.folder
        write_model(place, recipe, module, sections, file)
        key = f"{recipe.id}@1.0"
        cut = float(np.quantile(scores("tune", module), 1 - ALERT_SHARE))
        thresholds[key] = round(1 / (1 + np.exp(-cut)), 4)
        write_threshold(place, thresholds[key], tuned_on)
        logits[key] = scores("test", module)
        if "image" in recipe.reads:
            test = stays[stays["split"] == "test"]
            write_scores(place, test["case_id"], logits[key])
    return logits, thresholds


def _raw(
    recipe: Recipe,
    stays: pd.DataFrame,
    vitals: Mapping[str, pd.DataFrame],
    images: Mapping[int, npt.NDArray[np.uint8]],
) -> tuple[dict[str, Any], npt.NDArray[np.int8]]:
    """Return the stays a model can be shown, and their outcomes."""
    drawn = None
    if "image" in recipe.reads:
        stays = stays[stays.index.isin(list(images))]
        drawn = np.stack([images[int(row)] for row in stays.index])
    return raw_of(stays, vitals, drawn), stays[OUTCOME].to_numpy(dtype=np.int8)


if __name__ == "__main__":
    main()
