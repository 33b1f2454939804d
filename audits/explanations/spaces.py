"""From the model's own scale to the scale that is explained: log-odds wherever there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from audits.explanations.result import Score

if TYPE_CHECKING:
    import torch

    from model_adapters.base import OutputSpec, Space

# A float32 probability of 1 - 1e-7 is the last one below 1; past it log-odds are undefined, so
# they are held there and the explanation carries a finding.
SATURATION = 1e-7

UNITS = {
    "logit": "log-odds (logit)",
    "probability": "log-odds (logit) of the model's probability",
    "value": "the model's own unit",
    "log_hazard": "log-hazard",
    "survival": "survival probability",
}


def explained(scores: npt.NDArray[np.float64], space: Space) -> npt.NDArray[np.float64]:
    """Return scores on the explained scale: log-odds of probabilities, all else unchanged."""
    if space != "probability":
        return scores
    held = np.clip(scores, SATURATION, 1.0 - SATURATION)
    return np.asarray(np.log(held) - np.log1p(-held))


def explained_tensor(scores: torch.Tensor, space: Space) -> torch.Tensor:
    """Return the differentiable form of :func:`explained`."""
    return scores.logit(SATURATION) if space == "probability" else scores


def saturated(scores: npt.NDArray[np.float64], space: Space) -> npt.NDArray[np.bool_]:
    """Return where a probability is too near 0 or 1 for its log-odds to be known."""
    if space != "probability":
        return np.zeros(scores.shape, dtype=bool)
    return np.asarray((scores < SATURATION) | (scores > 1.0 - SATURATION))


def score_of(row: npt.NDArray[np.float64], index: int, output: OutputSpec) -> Score:
    """Return both scales of one output of one case.

    Args:
        row: (outputs,) in ``output.space``.
        index: Which output.
        output: What the model declares of its outputs.
    """
    raw = float(row[index])
    if output.space == "probability":
        inside = 0.0 < raw < 1.0
        logit = float(np.log(raw) - np.log1p(-raw)) if inside else None
        return Score(logit=logit, probability=raw)
    if output.space == "logit":
        if output.task == "segmentation":  # a mean over pixels is no pixel's probability
            return Score(logit=raw, probability=None)
        if output.task == "multiclass":
            shifted = np.exp(row - row.max())
            return Score(logit=raw, probability=float(shifted[index] / shifted.sum()))
        return Score(logit=raw, probability=float(0.5 * (1.0 + np.tanh(0.5 * raw))))
    return Score(logit=None, probability=None, value=raw)
