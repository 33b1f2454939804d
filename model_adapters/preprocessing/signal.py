"""From a recording in its own unit and rate to the tensor a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from model_adapters.base import SignalValue
from model_adapters.errors import AdapterError
from model_adapters.preprocessing.geometry import ImageGeometry
from model_adapters.schema import SignalInput

if TYPE_CHECKING:
    import torch


def signal_geometry(spec: SignalInput, samples: int, rate: float) -> ImageGeometry:
    """Return how a recording lies on the time axis of the model's input.

    Args:
        spec: The input's declaration.
        samples: Samples of the recording.
        rate: Samples per second of the recording.
    """
    extent = max(1, round(samples * spec.rate / rate))
    return ImageGeometry(native=(samples,), model=(spec.samples,), start=(0,), extent=(extent,))


def prepare_signals(name: str, spec: SignalInput, signals: Sequence[SignalValue]) -> torch.Tensor:
    """Pick the leads, resample, normalise, and cut or fill to the model's length.

    Args:
        name: The input's name, for messages.
        spec: The input's declaration.
        signals: n recordings.

    Returns:
        float32 (n, leads, samples) on the CPU.

    Raises:
        AdapterError: If a recording lacks a lead or holds values that are not numbers.
    """
    import torch

    if not signals:
        return torch.zeros((0, len(spec.leads), spec.samples), dtype=torch.float32)
    return torch.stack([_prepare(name, spec, signal, at) for at, signal in enumerate(signals)])


def _prepare(name: str, spec: SignalInput, signal: SignalValue, at: int) -> torch.Tensor:
    import torch
    from torch.nn.functional import interpolate, pad

    absent = [lead for lead in spec.leads if lead not in signal.leads]
    if absent:
        msg = (
            f"inputs.{name}: recording {at} of the batch has no lead {absent[0]!r}, it has "
            f"{', '.join(signal.leads)}; name the leads of the study as the model does."
        )
        raise AdapterError(msg)
    rows = np.asarray(signal.values, dtype=np.float32)[[signal.leads.index(n) for n in spec.leads]]
    if not np.isfinite(rows).all():
        msg = (
            f"inputs.{name}: recording {at} of the batch holds values that are not numbers; fill "
            "gaps before it is stored."
        )
        raise AdapterError(msg)
    tensor = torch.from_numpy(np.ascontiguousarray(rows))
    (extent,) = signal_geometry(spec, rows.shape[1], signal.rate).extent
    if extent != rows.shape[1]:
        # Bilinear on one row is linear in time; antialias averages where the rate falls.
        tensor = interpolate(tensor[None, :, None], (1, extent), mode="bilinear", antialias=True)
        tensor = tensor[0, :, 0]
    normal = _normalised(spec, tensor)[:, : spec.samples]
    return pad(normal, (0, spec.samples - normal.shape[1]))


def _normalised(spec: SignalInput, tensor: torch.Tensor) -> torch.Tensor:
    import torch

    if spec.standardise:
        mean = tensor.mean(dim=1, keepdim=True)
        std = tensor.std(dim=1, keepdim=True, unbiased=False)
        return (tensor - mean) / torch.where(std > 0, std, torch.ones_like(std))
    mean = torch.tensor(spec.mean, dtype=torch.float32).reshape(-1, 1)
    return (tensor - mean) / torch.tensor(spec.std, dtype=torch.float32).reshape(-1, 1)
