"""Study and model folders of outcomes that are times, and tables of them."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from model_adapters import manifest_text


def follow_up(n=600, seed=3):
    """Return patients followed until an event or censoring, with the true risk by 365 days."""
    rng = np.random.default_rng(seed)
    linear = rng.normal(size=n)
    event = rng.exponential(np.exp(-linear) * 400)
    left = rng.exponential(600, n)
    return pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "pid": rng.integers(0, n // 2, n),
            "sex": rng.choice(["F", "M"], n),
            "age": rng.integers(20, 90, n),
            "days": np.minimum(event, left),
            "died": (event <= left).astype(int),
            "risk": 1 - np.exp(-365 / (np.exp(-linear) * 400)),
            "linear": linear,
            "weight": rng.gamma(2, 1, n),
        }
    )


def hourly(stays=120, seed=4):
    """Return predictions every two hours of a stay, and when its event was."""
    rng = np.random.default_rng(seed)
    rows = []
    for stay in range(stays):
        event = rng.uniform(14, 46) if rng.random() < 0.4 else np.nan
        for hour in range(0, 48, 2):
            near = 0 < event - hour <= 12
            score = 1 / (1 + np.exp(2 - 2.5 * near - rng.normal()))
            rows.append((stay, stay // 2, "FM"[stay % 2], hour, event, int(near), score))
    columns = ["stay", "pid", "sex", "hour", "event_hour", "y", "p"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def folders(tmp_path):
    """Return a function that writes a study of a table, and a model that brings its scores."""

    def write(frame, *, sections, score, output, task, space, cases=""):
        study, model = tmp_path / "study", tmp_path / "model"
        study.mkdir()
        model.mkdir()
        if "case_id" not in frame:
            frame = frame.assign(case_id=[f"c{i}" for i in range(len(frame))])
        frame.to_parquet(study / "cases.parquet")
        (study / "study.toml").write_text(
            '[study]\nname = "s"\nversion = "1"\n[cases]\ntable = "cases.parquet"\n'
            f'patient = "pid"\n{cases}\n[groups.sex]\ncolumn = "sex"\n{sections}\n',
            encoding="utf-8",
        )
        scores = frame[["case_id", score]].rename(columns={score: output})
        scores.to_parquet(model / "scores.parquet")
        digest = hashlib.sha256((model / "scores.parquet").read_bytes()).hexdigest()
        document = {
            "model": {
                "id": "m",
                "version": "1",
                "task": task,
                "outputs": [output],
                "space": space,
                "thresholds": [0.3],
            },
            "weights": {"format": "predictions", "file": "scores.parquet", "sha256": digest},
        }
        (model / "model.toml").write_text(manifest_text(document), encoding="utf-8")
        return study, model

    return write
