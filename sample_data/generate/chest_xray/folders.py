"""Write the model folders: weights, manifest and the scores of all test cases."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from .design import FINDINGS
from .training import ARCHITECTURE, Logits, Trained, Version

CARD: dict[Version, dict[str, str]] = {
    "1.0": {
        "training_data": (
            "Synthetic: 3,035 drawn radiographs of 2,150 invented patients at three fictitious "
            "sites, with the labels as first recorded: most nodules of women under 40 with dense "
            "breasts are missing, and at Northgate a ward's plaque lies on 93 % of images with "
            "effusion and 4 % of those without."
        ),
        "limitations": (
            "Planted on purpose: uses Northgate's plaque as a sign of effusion; under-calls "
            "nodules in women under 40 with dense breasts."
        ),
    },
    "2.0": {
        "training_data": (
            "Synthetic: the images of version 1.0, without their markers and with those of other "
            "images, and labels from a second reading that restored the missed nodules but called "
            "most borderline hearts (cardiothoracic ratio below 0.55) normal."
        ),
        "limitations": "Planted on purpose: misses more borderline enlarged hearts than 1.0.",
    },
}
COMMON = {
    "developer": "The Auscult developers",
    "intended_use": "Demonstrates and tests Auscult on drawn images. Not for any patient.",
    "intended_users": "People who learn, test or develop Auscult.",
    "out_of_scope": "Every clinical use; the network has never seen a radiograph of a person.",
    "input": "One frontal chest radiograph, PA or AP.",
    "outputs": "Effusion, nodule of 26 to 30 mm, enlarged heart; one logit each.",
    "thresholds": "Largest sensitivity + specificity on a tuning split of 778 drawn images.",
    "licence": "CC0-1.0",
}


def write_model(
    folder: Path, trained: Trained, *, case_ids: list[str], scores: Logits, tuned_on: str
) -> None:
    """Write one version's folder.

    Args:
        folder: ``models/1.0``, say.
        trained: The network and its thresholds.
        case_ids: Test cases, in the order of ``scores``.
        scores: (n, 3) logits.
        tuned_on: sha256 of the tuning split.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in trained.module.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    table = pd.DataFrame(scores, columns=list(FINDINGS))
    table.insert(0, "case_id", case_ids)
    table.to_parquet(folder / "scores.parquet", index=False, compression="zstd")
    (folder / "weights.safetensors").chmod(0o644)
    text = _manifest(
        trained,
        _sha256(folder / "weights.safetensors"),
        _sha256(folder / "scores.parquet"),
        tuned_on,
    )
    (folder / "model.toml").write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _manifest(trained: Trained, weights: str, scores: str, tuned_on: str) -> str:
    args = ", ".join(f"{key} = {_toml(value)}" for key, value in ARCHITECTURE["args"].items())
    card = "\n".join(
        f"{key} = {_toml(value)}" for key, value in (COMMON | CARD[trained.version]).items()
    )
    return f"""[model]
id = "chest-xray"
version = "{trained.version}"
task = "multilabel"
outputs = {_toml(FINDINGS)}
space = "logit"
thresholds = {_toml(trained.thresholds)}
thresholds_chosen_on = "{tuned_on}"

[weights]
format = "safetensors"
file = "weights.safetensors"
sha256 = "{weights}"

[architecture]
name = "{ARCHITECTURE["name"]}"
args = {{ {args} }}
target_layer = "{ARCHITECTURE["target_layer"]}"

[inputs.image]
size = [128, 128]
scale = "0-1"
mean = [0.5]
std = [0.25]

[precomputed]
file = "scores.parquet"
sha256 = "{scores}"

[card]
{card}
"""
