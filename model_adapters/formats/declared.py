"""What every adapter made from a model folder reads from its manifest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_adapters.base import Batch, Capability, Prepared
from model_adapters.formats.scores import read_scores
from model_adapters.manifest import Manifest
from model_adapters.preprocessing import ImageGeometry, Inputs


class DeclaredModel:
    """Identity, typed inputs and outputs, preprocessing and precomputed scores.

    Attributes:
        card: Identity.
        inputs: Typed inputs.
        output: Typed outputs.
        caps: What the model can do beyond predicting.
        device: Where it runs.
        notes: Sentences an owner should read, such as a library that changed since training.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self, manifest: Manifest, *, device: str = "cpu", caps: frozenset[Capability] = frozenset()
    ) -> None:
        self.manifest = manifest
        self.card = manifest.card
        self.output = manifest.output
        self.device = device
        self.caps = caps
        self.preprocessing = Inputs(manifest.inputs)
        self.inputs = self.preprocessing.fields
        self._scores = read_scores(manifest, "precomputed")

    def prepare(self, raw: Batch) -> Prepared:
        """Apply the declared preprocessing.

        Images become float32 tensors (n, channels, *size) on the CPU, tables float64 arrays
        (n, columns).

        Raises:
            AdapterError: If the values do not fit the declared inputs.
        """
        return self.preprocessing.prepare(raw)

    def geometry(self, field_name: str, native_shape: Sequence[int]) -> ImageGeometry:
        """Return how an image of ``native_shape`` lies in an image input.

        Raises:
            AdapterError: If there is no such image input, or the axes do not fit.
        """
        return self.preprocessing.geometry(field_name, native_shape)

    def precomputed(
        self, case_ids: Sequence[str]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Return which cases have a precomputed score (n,), and the scores (n, outputs)."""
        return self._scores.lookup(case_ids)
