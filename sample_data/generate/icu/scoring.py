"""Score stays as a user of the finished folders would: through the study and the adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from model_adapters import load_adapter
from sample_data.generate.icu.models import INPUT

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One finished model.

    Attributes:
        key: ``id@version``.
        weights_sha256: Hash of its weights.
        features: Variables it takes.
        threshold: On the probability scale, or None before it was chosen.
        logits: Function of a frame in the study's units, to float64 (n,).
    """

    key: str
    weights_sha256: str
    features: tuple[str, ...]
    threshold: float | None
    logits: Callable[[pd.DataFrame], Scores]

    def probabilities(self, frame: pd.DataFrame) -> Scores:
        """Return the probabilities of a frame's rows, float64 (n,)."""
        return np.asarray(expit(self.logits(frame)), dtype=np.float64)

    def alerts(self, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return which rows reach the threshold (n,).

        Raises:
            ValueError: If no threshold was chosen yet.
        """
        if self.threshold is None:
            raise ValueError(f"{self.key}: no threshold in model.toml; generate the study again.")
        return self.probabilities(frame) >= self.threshold


def open_scorer(folder: Path) -> Scorer:
    """Open a model folder on the CPU."""
    adapter = load_adapter(folder, device="cpu")
    features = tuple(feature.name for feature in adapter.inputs[0].features)
    thresholds = adapter.output.thresholds

    def logits(frame: pd.DataFrame) -> Scores:
        return adapter.predict(adapter.prepare({INPUT: frame[list(features)]}))[:, 0]

    return Scorer(
        key=adapter.card.key,
        weights_sha256=adapter.card.weights_sha256,
        features=features,
        threshold=thresholds[0] if thresholds else None,
        logits=logits,
    )
