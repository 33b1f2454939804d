"""Generated inputs that fit what a model declares, to check it without a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_adapters.base import Batch, Feature, Field, ImageValue, ModelAdapter
from model_adapters.errors import AdapterError
from model_adapters.schema import NumericEncoding, TableInput


def example_batch(adapter: ModelAdapter, *, n: int, seed: int) -> Batch:
    """Return n raw cases a model can take: noise images, plausible rows, or known case ids.

    Args:
        adapter: The model.
        n: Number of cases.
        seed: Seed of the generator.

    Raises:
        AdapterError: If the model takes an input that cannot be made up.
    """
    rng = np.random.default_rng(seed)
    return {field.name: _values(adapter, field, n, rng) for field in adapter.inputs}


def _values(adapter: ModelAdapter, field: Field, n: int, rng: np.random.Generator) -> Any:
    if field.modality == "image":
        return [_image(field, rng) for _ in range(n)]
    if field.modality == "table":
        return _table(adapter, field, n, rng)
    if field.modality == "case_id":
        known: tuple[str, ...] = getattr(adapter, "case_ids", ())
        return np.asarray(known[:n], dtype=np.str_)
    msg = f"inputs.{field.name}: no example of {field.modality!r} can be made; give real cases."
    raise AdapterError(msg)


def _image(field: Field, rng: np.random.Generator) -> ImageValue:
    """Return smooth noise a little larger than the model's input, so that it is resized."""
    size = tuple(int(length or 1) for length in field.shape[1:])
    coarse = rng.random(tuple(max(2, length // 8) for length in size))
    for axis, length in enumerate(size):
        coarse = np.repeat(coarse, -(-(length + 3) // coarse.shape[axis]), axis=axis)
    return ImageValue(pixels=coarse.astype(np.float32), low=0.0, high=1.0)


def _table(adapter: ModelAdapter, field: Field, n: int, rng: np.random.Generator) -> Any:
    import pandas as pd

    sections = getattr(getattr(adapter, "preprocessing", None), "sections", {})
    spec = sections.get(field.name)
    encodings = (
        {e.feature: e for e in spec.encodings if isinstance(e, NumericEncoding)}
        if isinstance(spec, TableInput)
        else {}
    )
    return pd.DataFrame({f.name: _column(f, encodings.get(f.name), n, rng) for f in field.features})


def _column(
    feature: Feature, encoding: NumericEncoding | None, n: int, rng: np.random.Generator
) -> Any:
    if feature.kind == "category":
        return rng.choice(list(feature.levels), n)
    centre = encoding.mean if encoding and encoding.mean is not None else 0.0
    spread = encoding.std if encoding and encoding.std is not None else 1.0
    return rng.normal(centre, spread, n)
