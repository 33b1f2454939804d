"""Prepared values to the tensors a network takes: the last step of preprocessing.

It belongs to the function that is explained: values are carried forward and the gaps of removed
words are closed after the explanation has exchanged or removed what it asks about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_adapters.base import Prepared
from model_adapters.preprocessing.inputs import Inputs
from model_adapters.preprocessing.sequence import encode_sequences
from model_adapters.preprocessing.text import closed_up
from model_adapters.schema_time import SequenceInput, TextInput

if TYPE_CHECKING:
    import torch


def network_tensors(inputs: Inputs, prepared: Prepared, device: str) -> dict[str, torch.Tensor]:
    """Return one tensor per input on a device: float32, or int64 token numbers for texts.

    Args:
        inputs: The model's declared inputs.
        prepared: What ``prepare`` returned, or a mixture of several cases.
        device: Where the network is.
    """
    return {name: network_tensor(inputs, name, prepared[name], device) for name in inputs.sections}


def network_tensor(inputs: Inputs, name: str, values: Any, device: str) -> torch.Tensor:
    """Return the tensor of one input; see :func:`network_tensors`."""
    import torch

    spec = inputs.sections[name]
    given = torch.as_tensor(values)
    if isinstance(spec, TextInput):
        return closed_up(given.to(device, torch.int64), inputs.encoders[name].padding)
    if isinstance(spec, SequenceInput):
        return encode_sequences(spec, given.to(device, torch.float32))
    return given.to(device, torch.float32)
