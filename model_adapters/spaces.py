"""Scales of a model's output and the way between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import OutputSpec
from model_adapters.errors import AdapterError

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[np.float64]

_EXCLUSIVE = frozenset({"multiclass"})
_TWO_CLASSES = frozenset({"binary", "segmentation"})
_CLASSIFYING = frozenset({"binary", "multilabel", "multiclass", "segmentation"})


def probabilities(scores: Array, output: OutputSpec) -> Array | None:
    """Return scores on the probability scale.

    Args:
        scores: (n, outputs) in ``output.space``.
        output: The model's output specification.

    Returns:
        float64 (n, outputs): softmax over outputs for multiclass logits, else the logistic
        function; unchanged where the space is ``probability``; None where a model has none.
    """
    if output.space == "probability":
        return np.asarray(scores, dtype=np.float64)
    if output.space != "logit" or output.task not in _CLASSIFYING:
        return None
    return squash(np.asarray(scores, dtype=np.float64), exclusive=output.task in _EXCLUSIVE)


def squash(logits: Array, *, exclusive: bool) -> Array:
    """Return the softmax over axis 1, or the logistic function of each value, without overflow."""
    if exclusive:
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
    decay = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, decay) / (1.0 + decay))


def log_odds(values: Array, *, exclusive: bool) -> Array:
    """Return logits whose :func:`squash` gives the probabilities back, finite at 0 and 1.

    Probabilities are held one float64 rounding step away from 0 and 1, so the logits stay within
    about 37.
    """
    step = float(np.finfo(np.float64).eps) / 2
    held = np.clip(values, step, 1 - step)
    return np.asarray(np.log(held) if exclusive else np.log(held) - np.log1p(-held))


def columns_of(values: Any, output: OutputSpec, *, squashed: bool) -> Any:
    """Shape what a model returned to (n, outputs, ...); NumPy arrays and tensors alike.

    A binary model, or a segmentation of one structure, with two columns, one per class, becomes
    its positive column: the difference of the logits, which is the log-odds of their softmax, or
    the second probability.

    Args:
        values: (n,), (n, outputs, ...) or, for two classes, (n, 2, ...).
        output: What the manifest declares.
        squashed: Whether the values are probabilities already.

    Raises:
        AdapterError: If the number of columns is not the number of declared outputs.
    """
    if values.ndim == 1:
        values = values[:, None]
    wanted = len(output.names)
    two = output.task in _TWO_CLASSES and values.shape[1] == 2 and wanted == 1  # noqa: PLR2004 - no, yes
    if two:
        return values[:, 1:] if squashed else values[:, 1:] - values[:, :1]
    if values.shape[1] != wanted:
        msg = (
            f"model.outputs: names {wanted} outputs, but the model returned {values.shape[1]}; "
            "name every output, in the model's order."
        )
        raise AdapterError(msg)
    return values


def squash_tensor(logits: torch.Tensor, output: OutputSpec) -> torch.Tensor:
    """Return differentiable probabilities of logits (n, outputs, ...)."""
    return logits.softmax(dim=1) if output.task in _EXCLUSIVE else logits.sigmoid()
