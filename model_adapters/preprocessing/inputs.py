"""All inputs of a model: their typed fields, and raw values to what the model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_adapters.base import Batch, Field, Prepared
from model_adapters.errors import AdapterError
from model_adapters.preprocessing.geometry import ImageGeometry
from model_adapters.preprocessing.image import image_geometry, prepare_images
from model_adapters.preprocessing.table import column_names, prepare_table, table_features
from model_adapters.schema import ImageInput, InputSection


class Inputs:
    """The declared inputs of one model; pure and stateless."""

    def __init__(self, sections: Mapping[str, InputSection]) -> None:
        self.sections = dict(sections)
        self.fields = tuple(_field(name, spec) for name, spec in self.sections.items())

    def prepare(self, raw: Batch) -> Prepared:
        """Apply the declared preprocessing to every input.

        Raises:
            AdapterError: If an input is missing from the batch, or its values do not fit.
        """
        return {name: self._prepare(name, spec, raw) for name, spec in self.sections.items()}

    def geometry(self, name: str, native_shape: Sequence[int]) -> ImageGeometry:
        """Return how an image of ``native_shape`` lies in the input called ``name``.

        Raises:
            AdapterError: If there is no such image input, or the axes do not fit.
        """
        spec = self.sections.get(name)
        if not isinstance(spec, ImageInput):
            msg = (
                f"inputs.{name}: is not an image input of this model; found {list(self.sections)}."
            )
            raise AdapterError(msg)
        return image_geometry(spec, native_shape)

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the names of a table input's encoded columns."""
        spec = self.sections[name]
        return () if isinstance(spec, ImageInput) else column_names(spec)

    @staticmethod
    def _prepare(name: str, spec: InputSection, raw: Batch) -> Any:
        if name not in raw:
            msg = (
                f"inputs.{name}: the batch brings no such input, found {sorted(raw)}; declare "
                f"[inputs.{name}] in the study."
            )
            raise AdapterError(msg)
        if isinstance(spec, ImageInput):
            return prepare_images(name, spec, raw[name])
        return prepare_table(name, spec, raw[name])


def _field(name: str, spec: InputSection) -> Field:
    if isinstance(spec, ImageInput):
        return Field(name=name, modality="image", shape=(spec.channels, *spec.size))
    features = table_features(spec)
    return Field(
        name=name,
        modality="table",
        shape=(sum(len(feature.columns) for feature in features),),
        features=features,
    )
