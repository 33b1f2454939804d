"""What every adapter made from a model folder reads from its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from model_adapters.base import Batch, Capability, Prepared, TextTokens
from model_adapters.errors import AdapterError
from model_adapters.formats.scores import read_scores
from model_adapters.manifest import Manifest
from model_adapters.preprocessing import ImageGeometry, Inputs
from model_adapters.preprocessing.text import TextEncoder, vocabulary_encoders


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
        self,
        manifest: Manifest,
        *,
        device: str = "cpu",
        caps: frozenset[Capability] = frozenset(),
        encoders: Mapping[str, TextEncoder] | None = None,
    ) -> None:
        self.manifest = manifest
        self.card = manifest.card
        self.output = manifest.output
        self.device = device
        self.caps = caps
        self.preprocessing = Inputs(manifest.inputs, encoders or vocabulary_encoders(manifest))
        self.inputs = self.preprocessing.fields
        self._scores = read_scores(manifest, "precomputed")

    def prepare(self, raw: Batch) -> Prepared:
        """Apply the declared preprocessing.

        Images become float32 tensors (n, channels, *size) on the CPU, signals (n, leads, samples),
        sequences (n, steps, variables, 2), texts int64 (n, tokens), tables float64 arrays
        (n, columns).

        Raises:
            AdapterError: If the values do not fit the declared inputs.
        """
        return self.preprocessing.prepare(raw)

    def geometry(
        self, field_name: str, native_shape: Sequence[int], *, rate: float | None = None
    ) -> ImageGeometry:
        """Return how an image, or a signal of some ``rate``, lies in an input.

        Raises:
            AdapterError: If there is no such image or signal input, or the axes do not fit.
        """
        return self.preprocessing.geometry(field_name, native_shape, rate=rate)

    def tokens_of(self, field_name: str, text: str) -> TextTokens:
        """Return what the model reads of a text.

        Raises:
            AdapterError: If there is no such text input.
        """
        return self._encoder(field_name).encode(text)

    def padding_of(self, field_name: str) -> int:
        """Return the token number that leaves a token out.

        Raises:
            AdapterError: If there is no such text input.
        """
        return self._encoder(field_name).padding

    def _encoder(self, field_name: str) -> TextEncoder:
        if field_name not in self.preprocessing.encoders:
            msg = (
                f"inputs.{field_name}: is no text input with a vocabulary; found "
                f"{list(self.preprocessing.encoders)}."
            )
            raise AdapterError(msg)
        return self.preprocessing.encoders[field_name]

    def precomputed(
        self, case_ids: Sequence[str]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Return which cases have a precomputed score (n,), and the scores (n, outputs)."""
        return self._scores.lookup(case_ids)
