"""A small run folder, written exactly as the contract lays it out: real counts of made-up cases."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from audits.fairness.observed_risk import section_of
from audits.fairness.types import RiskSample
from audits.storage import RunRecord, RunWriter, Store, file_name_of

MODELS = ("toy@1.0", "toy@2.0")
THRESHOLD = 0.5
N = 240
MAPPED, UNMAPPED = "c-000", "c-007"


def write_run(
    folder: Path, store: Path, *, run_id: str = "run-a", release: str = "internal"
) -> Path:
    """Write a study of PNG images and a run of two model versions on it; register the run."""
    study = folder / "study"
    frame = _cases()
    _write_study(study, frame)
    predictions = {model: _predictions(frame, seed) for seed, model in enumerate(MODELS)}
    out = folder / run_id
    with RunWriter(out) as writer:
        writer.write_json(
            "internal/run.json",
            {
                "command": "test",
                "key": run_id,
                "study": str(study),
                "models": {model: str(folder / "models" / model) for model in MODELS},
            },
        )
        writer.write_table("internal/cases.parquet", frame)
        for model, table in predictions.items():
            writer.write_table(f"internal/predictions/{file_name_of(model)}.parquet", table)
            root = f"internal/explanations/{file_name_of(model)}/{MAPPED}"
            writer.write_json(f"{root}/nodule.gradcam/explanation.json", _map_entry(model))
            writer.write_arrays(f"{root}/nodule.gradcam/map.npz", _maps())
            writer.write_json(f"{root}/sepsis.shapley/explanation.json", _effect_entry(model))
        evidence = _evidence(frame, predictions, run_id, release)
        evidence["run"]["internal_sha256"] = writer.internal_sha256()
        writer.write_json("evidence.json", evidence)
        writer.commit()
    Store(store).register(
        RunRecord(
            run=run_id,
            path=out,
            time=evidence["run"]["created"],
            kind="audit",
            study_name="toy_study",
            study_sha256=evidence["study"]["sha256"],
            policy_sha256=evidence["declaration"]["policy_sha256"],
            content_key=run_id,
            models=tuple((model, "a" * 64) for model in MODELS),
        )
    )
    return out


def write_model(folder: Path, study: Path) -> Path:
    """Write a model folder that brings only scores, for the cases of the study."""
    cases = pd.read_csv(study / "cases.csv")
    rng = np.random.default_rng(3)
    scores = pd.DataFrame({"case_id": cases["case_id"]})
    for name in ("nodule", "sepsis"):
        scores[name] = np.clip(0.5 * cases[name] + rng.random(len(cases)) * 0.5, 0.01, 0.99)
    folder.mkdir(parents=True)
    scores.to_csv(folder / "scores.csv", index=False)
    digest = hashlib.sha256((folder / "scores.csv").read_bytes()).hexdigest()
    (folder / "model.toml").write_text(
        '[model]\nid = "scores"\nversion = "1.0"\ntask = "multilabel"\n'
        'outputs = ["nodule", "sepsis"]\nspace = "probability"\nthresholds = [0.5, 0.5]\n'
        f'[weights]\nformat = "predictions"\nfile = "scores.csv"\nsha256 = "{digest}"\n',
        encoding="utf-8",
    )
    return folder


def estimate(k: int, n: int) -> dict[str, Any]:
    """Return an ESTIMATE of a proportion with its Wilson interval."""
    base = {"level": 0.95, "k": k, "n": n, "n_patients": n, "deff": 1.0, "method": "wilson"}
    if n == 0:
        return {**base, "value": None, "low": None, "high": None, "reason": "no such case"}
    p, z = k / n, 1.959964
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return {**base, "value": p, "low": max(middle - reach, 0.0), "high": min(middle + reach, 1.0)}


def _cases() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "case_id": [f"c-{i:03d}" for i in range(N)],
            "patient": np.arange(N) // 2,
            "label__nodule": pd.array((rng.random(N) < 0.4).astype(int), dtype="Int64"),
            "label__sepsis": pd.array((rng.random(N) < 0.3).astype(int), dtype="Int64"),
            "group__sex": pd.Categorical(np.where(rng.random(N) < 0.5, "F", "M")),
            "group__age_band": pd.Categorical(
                rng.choice(["<40", "40-<60", ">=60"], N), categories=["<40", "40-<60", ">=60"]
            ),
        }
    )


def _predictions(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = {"case_id": frame["case_id"]}
    for name in ("nodule", "sepsis"):
        signal = frame[f"label__{name}"].to_numpy(dtype=float) * 2 - 1
        blind = (frame["group__sex"] == "F").to_numpy() & (seed == 0)
        logit = np.where(blind, 0.3, 1.2) * signal + rng.normal(0, 1, N)
        table[f"logit__{name}"] = logit
        table[f"prob__{name}"] = 1 / (1 + np.exp(-logit))
    return pd.DataFrame(table)


def _metrics(label: np.ndarray, risk: np.ndarray) -> dict[str, Any]:
    flagged = risk >= THRESHOLD
    positive, negative = int(label.sum()), int((1 - label).sum())
    area = {**estimate(0, 0), "k": None, "n": len(label), "method": "delong"}
    if positive and negative:
        above = (risk[label == 1][:, None] > risk[label == 0][None, :]).mean()
        area |= {"value": float(above), "low": float(above) - 0.05, "high": float(above) + 0.04}
        area.pop("reason", None)
    ratio = {**area, "method": "oe"}
    if label.sum():
        value = float(label.sum() / risk.sum())
        ratio |= {"value": value, "low": value * 0.8, "high": value * 1.2}
    return {
        "tpr": estimate(int((flagged & (label == 1)).sum()), positive),
        "fpr": estimate(int((flagged & (label == 0)).sum()), negative),
        "ppv": estimate(int((flagged & (label == 1)).sum()), int(flagged.sum())),
        "prevalence": estimate(positive, len(label)),
        "auroc": area,
        "oe_ratio": ratio,
    }


def _group(frame: pd.DataFrame, name: str, risk: np.ndarray, at: np.ndarray) -> dict[str, Any]:
    label = frame[f"label__{name}"].to_numpy(dtype=int)[at]
    return {
        "n": int(at.sum()),
        "patients": int(frame["patient"][at].nunique()),
        "positives": int(label.sum()),
        "metrics": _metrics(label, risk[at]),
    }


def _output(frame: pd.DataFrame, table: pd.DataFrame, model: str, name: str) -> dict[str, Any]:
    risk = table[f"prob__{name}"].to_numpy()
    sex, age = frame["group__sex"].astype(str), frame["group__age_band"].astype(str)
    named = [({"sex": s}, sex == s) for s in ("F", "M")]
    named += [({"age_band": a}, age == a) for a in ("<40", "40-<60", ">=60")]
    named += [
        ({"sex": s, "age_band": a}, (sex == s) & (age == a))
        for s in ("F", "M")
        for a in ("<40", "40-<60", ">=60")
    ]
    groups = [
        {"attributes": attributes, "suppressed": False} | _group(frame, name, risk, at.to_numpy())
        for attributes, at in named
    ]
    return {
        "model": model,
        "name": name,
        "label": {"column": name, "positive": 1},
        "scope": "same_source_test",
        "task": "multilabel",
        "threshold": {"value": THRESHOLD, "source": "model", "chosen_on": None},
        "overall": _group(frame, name, risk, np.ones(N, dtype=bool)),
        "groups": groups,
        "comparisons": [_comparison(groups[0], groups[1], metric) for metric in ("tpr", "fpr")]
        + [_comparison(groups[5], groups[8], "tpr", tier="intersection")],
        "heterogeneity": [],
        "observed_risk": section_of(
            RiskSample(
                split=None,
                risk=risk,
                label=frame[f"label__{name}"].to_numpy(dtype=int),
                patients=frame["patient"].to_numpy(),
            ),
            None,
        ),
    }


def _comparison(
    group: dict[str, Any], rest: dict[str, Any], metric: str, tier: str = "marginal"
) -> dict[str, Any]:
    one, other = group["metrics"][metric], rest["metrics"][metric]
    gap = (one["value"] or 0) - (other["value"] or 0)
    verdict = "disparity" if abs(gap) > 0.1 else "inconclusive"
    return {
        "metric": metric,
        "tier": tier,
        "attribute": "sex" if tier == "marginal" else "sex×age_band",
        "group": group["attributes"],
        "reference": "rest",
        "group_k": one["k"],
        "group_n": one["n"],
        "ref_k": other["k"],
        "ref_n": other["n"],
        "difference": {"value": gap, "low": gap - 0.1, "high": gap + 0.1, "level": 0.95},
        "difference_90": [gap - 0.08, gap + 0.08],
        "worse": "group" if gap < 0 else "reference",
        "margin": 0.05,
        "test": "mid-p fisher",
        "p": 0.01,
        "q": 0.02,
        "verdict": verdict,
        "strength": "confirmed" if verdict == "disparity" else None,
        "reason": None if verdict == "disparity" else "too few",
        "carried_by": [],
        "beyond_marginals": None,
        "mde": 0.2,
        "n_needed": {"to_equivalence": 900, "to_disparity": 300},
        "declared": True,
    }


def _evidence(
    frame: pd.DataFrame, predictions: dict[str, pd.DataFrame], run_id: str, release: str
) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "release": release,
        "run": {
            "id": run_id,
            "created": "2026-11-20T09:30:00Z",
            "seed": 0,
            "versions": {"auscult": "0.1.0"},
            "device": "cpu",
            "internal_sha256": None,
        },
        "declaration": {
            "policy_sha256": "b" * 64,
            "time": "2026-11-20T09:29:00Z",
            "by": "policy.toml",
        },
        "prior_runs": [],
        "study": {
            "name": "toy_study",
            "version": "1.0",
            "sha256": "c" * 64,
            "cases": N,
            "patients": N // 2,
        },
        "models": [
            {
                "id": "toy",
                "version": model.partition("@")[2],
                "weights_sha256": "a" * 64,
                "format": "safetensors",
                "task": "binary",
            }
            for model in MODELS
        ],
        "policy": {
            "audit": {
                "alpha": 0.05,
                "groups": ["sex", "age_band"],
                "intersections": [["sex", "age_band"]],
                "verdict_metrics": ["tpr", "fpr"],
            },
            "margin": {"tpr": 0.05, "fpr": 0.05},
            "reasons": {"margin.tpr": "Five missed cases in a hundred."},
        },
        "skipped": [{"case": "c-999", "reason": "the image does not open"}],
        "outputs": [
            _output(frame, predictions[model], model, name)
            for model in MODELS
            for name in ("nodule", "sepsis")
        ],
        "explanations": {},
        "shortcuts": {},
        "comparison": {},
        "data_quality": {},
        "requirements": [
            {"id": "group.sex", "state": "computed", "reason": "outputs"},
            {"id": "group.race", "state": "not_available", "reason": "no such column"},
        ],
        "findings": [],
    }


def _maps() -> dict[str, np.ndarray]:
    rows, columns = np.mgrid[0:40, 0:48]
    blob = np.exp(-((rows - 14) ** 2 + (columns - 30) ** 2) / 40).astype(np.float32)
    blob -= 0.5 * np.exp(-((rows - 30) ** 2 + (columns - 10) ** 2) / 30).astype(np.float32)
    return {"native": blob[::8, ::8], "patient": blob}


def _map_entry(model: str) -> dict[str, Any]:
    return {
        "case": MAPPED,
        "model": model,
        "output": "nodule",
        "score": {"logit": 1.2, "probability": 0.77},
        "method": "gradcam",
        "estimand": "First order, in logits.",
        "background": None,
        "base_value": None,
        "additivity_residual": None,
        "off_support_share": None,
        "players": [],
        "map": {"file": "map.npz", "native_size": [5, 6], "layer": "features", "scale": 1.0},
        "checks": [
            {
                "name": "deletion_rank",
                "value": 0.03,
                "null": 0.05,
                "verdict": "reflects",
                "detail": "mean of the curve 0.4, of 19 shifted copies 0.9, z 4.9",
            }
        ],
        "findings": [],
    }


def _effect_entry(model: str) -> dict[str, Any]:
    players = [
        ("lactate", "Lactate", 4.1, "mmol/L", 0.9, 0.04),
        ("age", "Age", 71.0, "a", 0.4, 0.0),
        ("sbp", "Systolic pressure", 92.0, "mm[Hg]", 0.35, 0.02),
        ("gcs", "Coma scale", 15.0, None, -0.5, 0.03),
        ("wbc", "White cells", "not measured", "10*9/L", -0.1, 0.01),
    ]
    return {
        "case": MAPPED,
        "model": model,
        "output": "sepsis",
        "score": {"logit": -0.15, "probability": 0.46},
        "method": "shapley",
        "estimand": "Interventional Shapley values in logits.",
        "background": {"name": "audited cases", "sha256": "d" * 64, "n": 200},
        "base_value": -1.2,
        "additivity_residual": 0.0,
        "off_support_share": 0.12,
        "players": [
            {"name": n, "label": t, "value": v, "unit": u, "effect": e, "se": s}
            for n, t, v, u, e, s in players
        ],
        "map": None,
        "checks": [{"name": "additivity", "value": 0.0, "null": 0.05, "verdict": "reflects"}],
        "findings": [],
    }


def _write_study(folder: Path, frame: pd.DataFrame) -> None:
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(1)
    pixels = (rng.random((40, 48)) * 60 + np.linspace(20, 180, 48)[None]).astype(np.uint8)
    for case in (MAPPED, UNMAPPED):
        Image.fromarray(pixels).save(folder / "images" / f"{case}.png")
    table = pd.DataFrame(
        {
            "case_id": frame["case_id"],
            "patient_id": frame["patient"],
            "sex": frame["group__sex"].astype(str),
            "nodule": frame["label__nodule"].astype(int),
            "sepsis": frame["label__sepsis"].astype(int),
            "image_path": [
                f"images/{c}.png" if c in {MAPPED, UNMAPPED} else "" for c in frame["case_id"]
            ],
        }
    )
    table.to_csv(folder / "cases.csv", index=False)
    (folder / "study.toml").write_text(
        '[study]\nname = "toy_study"\nversion = "1.0"\ndescription = "made up"\nlicence = "CC0"\n'
        '[cases]\ntable = "cases.csv"\nid = "case_id"\npatient = "patient_id"\n'
        '[labels.nodule]\ncolumn = "nodule"\npositive = 1\n'
        '[labels.sepsis]\ncolumn = "sepsis"\npositive = 1\n'
        '[groups.sex]\ncolumn = "sex"\n'
        '[inputs.image]\ncolumn = "image_path"\nkind = "png"\n',
        encoding="utf-8",
    )
