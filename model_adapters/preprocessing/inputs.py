"""All inputs of a model: their typed fields, and raw values to what the model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_adapters.base import Batch, Field, Prepared
from model_adapters.errors import AdapterError
from model_adapters.preprocessing.geometry import ImageGeometry
from model_adapters.preprocessing.image import image_geometry, prepare_images
from model_adapters.preprocessing.sequence import (
    prepare_sequences,
    sequence_features,
    time_grid,
)
from model_adapters.preprocessing.signal import prepare_signals, signal_geometry
from model_adapters.preprocessing.table import column_names, prepare_table, table_features
from model_adapters.preprocessing.text import TextEncoder, prepare_texts
from model_adapters.schema import ImageInput, InputSection, SignalInput, TableInput
from model_adapters.schema_time import SequenceInput, TextInput


class Inputs:
    """The declared inputs of one model; pure and stateless."""

    def __init__(
        self,
        sections: Mapping[str, InputSection],
        encoders: Mapping[str, TextEncoder] | None = None,
    ) -> None:
        self.sections = dict(sections)
        self.encoders = dict(encoders or {})
        self.fields = tuple(_field(name, spec) for name, spec in self.sections.items())

    def prepare(self, raw: Batch) -> Prepared:
        """Apply the declared preprocessing to every input.

        Raises:
            AdapterError: If an input is missing from the batch, or its values do not fit.
        """
        return {name: self._prepare(name, spec, raw) for name, spec in self.sections.items()}

    def geometry(
        self, name: str, native_shape: Sequence[int], *, rate: float | None = None
    ) -> ImageGeometry:
        """Return how an image or a signal of ``native_shape`` lies in the input called ``name``.

        Args:
            name: The input.
            native_shape: Spatial shape of the image; (samples,) of the signal.
            rate: Samples per second of a signal; None where it is the model's own.

        Raises:
            AdapterError: If there is no such image or signal input, or the axes do not fit.
        """
        spec = self.sections.get(name)
        if isinstance(spec, SignalInput):
            return signal_geometry(spec, int(native_shape[0]), rate or spec.rate)
        if not isinstance(spec, ImageInput):
            msg = (
                f"inputs.{name}: is no image or signal input of this model; found "
                f"{list(self.sections)}."
            )
            raise AdapterError(msg)
        return image_geometry(spec, native_shape)

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the names of a table input's encoded columns."""
        spec = self.sections[name]
        return column_names(spec) if isinstance(spec, TableInput) else ()

    def _prepare(self, name: str, spec: InputSection, raw: Batch) -> Any:
        if name not in raw:
            msg = (
                f"inputs.{name}: the batch brings no such input, found {sorted(raw)}; declare "
                f"[inputs.{name}] in the study."
            )
            raise AdapterError(msg)
        if isinstance(spec, ImageInput):
            return prepare_images(name, spec, raw[name])
        if isinstance(spec, SignalInput):
            return prepare_signals(name, spec, raw[name])
        if isinstance(spec, SequenceInput):
            return prepare_sequences(name, spec, raw[name])
        if isinstance(spec, TextInput):
            return prepare_texts(name, spec, self.encoders.get(name), raw[name])
        return prepare_table(name, spec, raw[name])


def _field(name: str, spec: InputSection) -> Field:
    if isinstance(spec, ImageInput):
        return Field(name=name, modality="image", shape=(spec.channels, *spec.size))
    if isinstance(spec, SignalInput):
        return Field(name=name, modality="signal", shape=(len(spec.leads), spec.samples))
    if isinstance(spec, SequenceInput):
        return Field(
            name=name,
            modality="sequence",
            shape=(spec.steps, len(spec.variables), 2),
            features=sequence_features(spec),
            grid=time_grid(spec),
        )
    if isinstance(spec, TextInput):
        return Field(name=name, modality="text", shape=(spec.max_tokens,))
    features = table_features(spec)
    return Field(
        name=name,
        modality="table",
        shape=(sum(len(feature.columns) for feature in features),),
        features=features,
    )
