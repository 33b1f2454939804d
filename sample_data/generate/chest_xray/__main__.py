"""Draw the images, train both versions, measure what was planted and write the study folder."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .design import FINDINGS, PATIENTS, SEED, Split
from .folders import write_model
from .population import Case, draw_cases
from .rendering import Rendered, render
from .shipping import case_table, choose_shipped, write_files
from .texts import POLICY, STUDY, readme
from .training import Logits, Trained, Version, choose_thresholds, logits, network, recorded, train
from .truth import auroc, measure_gaps, measure_marker, measure_plaque_rates

HERE = Path(__file__).parents[2] / "chest_xray"
VERSIONS: tuple[Version, ...] = ("1.0", "2.0")


def main() -> None:
    """Run the generator from the command line."""
    parser = argparse.ArgumentParser(prog="python -m sample_data.generate.chest_xray")
    parser.add_argument(
        "--out", type=Path, default=HERE, help="study folder (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options = parser.parse_args()
    start = time.monotonic()
    say = _clock(start)
    cases: dict[Split, list[Case]] = {split: draw_cases(split) for split in PATIENTS}
    images: dict[Split, Rendered] = {}
    for split in PATIENTS:
        say(f"drawing {len(cases[split]):,} images of {split}")
        images[split] = render(cases[split], workers=options.workers)
    say("training both versions")
    models = _fit_all(cases, images, workers=options.workers)
    say("writing")
    _write(options.out, cases, images, models)
    say("measuring")
    truth = _truth(options.out, cases["test"], images["test"], models)
    text = json.dumps(truth, indent=1, sort_keys=True, ensure_ascii=False)
    (options.out / "truth.json").write_text(text + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(_readme(truth), encoding="utf-8")
    say("done")


def _clock(start: float) -> Any:
    def say(what: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {what}", flush=True)

    return say


def _fit_all(
    cases: dict[Split, list[Case]], images: dict[Split, Rendered], *, workers: int
) -> dict[Version, tuple[Trained, Logits]]:
    # One thread each: the weights then do not depend on the number of cores.
    with ProcessPoolExecutor(min(workers, len(VERSIONS))) as pool:
        running = {
            one: pool.submit(train, one, images["train"], recorded(cases["train"], one))
            for one in VERSIONS
        }
        weights = {one: future.result() for one, future in running.items()}
    models: dict[Version, tuple[Trained, Logits]] = {}
    for one in VERSIONS:
        module = network(weights[one])
        found = logits(module, images["tune"].seen)
        tuned = choose_thresholds(found, recorded(cases["tune"], one))
        trained = Trained(version=one, module=module, thresholds=tuned)
        models[one] = (trained, logits(module, images["test"].seen))
    return models


def _write(
    out: Path,
    cases: dict[Split, list[Case]],
    images: dict[Split, Rendered],
    models: dict[Version, tuple[Trained, Logits]],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "study.toml").write_text(STUDY, encoding="utf-8")
    (out / "policy.toml").write_text(POLICY, encoding="utf-8")
    shipped = choose_shipped(cases["test"])
    write_files(out, shipped)
    table = case_table(cases["test"], shipped)
    table.to_parquet(out / "cases.parquet", index=False, compression="zstd")
    for one, (trained, scores) in models.items():
        write_model(
            out / "models" / one,
            trained,
            case_ids=table["case_id"].tolist(),
            scores=scores,
            tuned_on=_tuned_on(cases["tune"], images["tune"], one),
        )


def _tuned_on(cases: Sequence[Case], images: Rendered, one: Version) -> str:
    """Return the sha256 of a tuning split: its cases, the version's labels and all pixels."""
    rows = zip((case.case_id for case in cases), recorded(cases, one).tolist(), strict=True)
    text = json.dumps({"cases": list(rows), "pixels": images.digest}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _truth(
    out: Path,
    cases: Sequence[Case],
    images: Rendered,
    models: dict[Version, tuple[Trained, Logits]],
) -> dict[str, Any]:
    table = pd.read_parquet(out / "cases.parquet")
    measured: dict[str, Any] = {}
    for one, (trained, scores) in models.items():
        called = 1 / (1 + np.exp(-scores)) >= np.array(trained.thresholds)
        calls = {name: called[:, i] for i, name in enumerate(FINDINGS)}
        measured[f"chest-xray@{one}"] = {
            "thresholds": dict(zip(FINDINGS, trained.thresholds, strict=True)),
            "overall": _overall(table, scores, calls),
            "marker": measure_marker(cases, images, trained, scores),
            "plaque_rates": measure_plaque_rates(table, calls["effusion"]),
            "groups": measure_gaps(table, calls),
        }
    return {
        "study": "chest_xray",
        "seed": SEED,
        "cases": len(table),
        "patients": int(table["patient_id"].nunique()),
        "shipped": int((table["image_path"] != "").sum()),
        "made_with": {
            "python": platform.python_version(),
            **{
                name: installed(name).split("+")[0] for name in ("numpy", "scipy", "torch", "monai")
            },
        },
        "planted": PLANTED,
        "measured": measured,
    }


PLANTED: list[dict[str, Any]] = [
    {
        "id": "marker_shortcut",
        "model": "chest-xray@1.0",
        "output": "effusion",
        "group": {"site": "Northgate"},
        "mitigated_in": "chest-xray@2.0",
        "what": (
            "Version 1.0 takes Northgate's plaque for effusion; in the test images the plaque is "
            "independent of effusion, so it costs false alarms there."
        ),
        "see": ["marker", "plaque_rates"],
        "metric": "fpr",
    },
    {
        "id": "nodules_of_young_women",
        "model": "chest-xray@1.0",
        "output": "nodule",
        "group": {"sex": "F", "age_band": "18-<40"},
        "mitigated_in": "chest-xray@2.0",
        "what": (
            "Training labels of version 1.0 miss most nodules of women under 40 with dense "
            "breasts; it under-calls them, and nodules of the few older women with dense breasts."
        ),
        "see": ["groups"],
        "metric": "tpr",
    },
    {
        "id": "truly_fine",
        "model": "both",
        "group": {"insurance": "private"},
        "what": "Insurance touches neither pixels nor labels; every difference is chance.",
        "see": ["groups"],
    },
    {
        "id": "borderline_hearts",
        "model": "chest-xray@2.0",
        "output": "cardiomegaly",
        "group": {},
        "what": "Version 2.0's labels call most borderline hearts normal: lower sensitivity.",
        "see": ["overall"],
        "metric": "tpr",
    },
]


def _overall(
    table: pd.DataFrame, scores: Logits, calls: dict[str, npt.NDArray[np.bool_]]
) -> dict[str, dict[str, float | int]]:
    out: dict[str, dict[str, float | int]] = {}
    for i, name in enumerate(FINDINGS):
        present = table[name].to_numpy() == 1
        out[name] = {
            "n": len(table),
            "positives": int(present.sum()),
            "true_positives": int(calls[name][present].sum()),
            "false_positives": int(calls[name][~present].sum()),
            "tpr": float(calls[name][present].mean()),
            "fpr": float(calls[name][~present].mean()),
            "auroc": auroc(present, scores[:, i]),
        }
    return out


def _readme(truth: dict[str, Any]) -> str:
    numbers: dict[str, Any] = {key: truth[key] for key in ("cases", "patients", "shipped")}
    for one in VERSIONS:
        found, tag = truth["measured"][f"chest-xray@{one}"], one[0]
        young = next(
            entry
            for entry in found["groups"]
            if entry["attributes"] == {"sex": "F", "age_band": "18-<40"}
            and (entry["output"], entry["metric"]) == ("nodule", "tpr")
        )
        numbers |= {
            f"plaque_{tag}": found["marker"]["occluded: plaque"]["mean_logit_change"],
            f"sham_{tag}": found["marker"]["sham: plaque"]["mean_logit_change"],
            f"letter_{tag}": found["marker"]["redrawn: plain letters of the other sites"][
                "mean_logit_change"
            ],
            f"yw_{tag}": young["k"] / young["n"],
            f"rest_{tag}": young["rest_k"] / young["rest_n"],
            f"heart_{tag}": found["overall"]["cardiomegaly"]["tpr"],
        }
    return readme(numbers)


if __name__ == "__main__":
    main()
