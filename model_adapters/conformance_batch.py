"""Generated inputs that fit what a model declares, to check it without a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_adapters.base import Batch, Feature, Field, ImageValue, ModelAdapter, SignalValue
from model_adapters.errors import AdapterError
from model_adapters.preprocessing.sequence import HOURS_OF
from model_adapters.schema import NumericEncoding, SignalInput, TableInput
from model_adapters.schema_time import SequenceInput


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
    if field.modality == "signal":
        return [_signal(adapter, field, rng) for _ in range(n)]
    if field.modality == "table":
        return _table(adapter, field, n, rng)
    if field.modality == "sequence":
        return [_sequence(adapter, field, rng) for _ in range(n)]
    if field.modality == "text":
        return [_text(adapter, field, rng) for _ in range(n)]
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


def _signal(adapter: ModelAdapter, field: Field, rng: np.random.Generator) -> SignalValue:
    """Return a random walk a little longer than the model's input, so that it is cut."""
    spec = _section(adapter, field)
    count, samples = (int(length or 1) for length in field.shape)
    leads = tuple(f"lead {one + 1}" for one in range(count))
    walk = rng.normal(scale=0.1, size=(count, samples + 3)).cumsum(axis=1)
    return SignalValue(
        values=walk.astype(np.float32),
        rate=spec.rate if isinstance(spec, SignalInput) else 1.0,
        leads=spec.leads if isinstance(spec, SignalInput) else leads,
    )


def _section(adapter: ModelAdapter, field: Field) -> Any:
    """Return what the manifest declares of an input, or None for adapters without one."""
    return getattr(getattr(adapter, "preprocessing", None), "sections", {}).get(field.name)


def _sequence(adapter: ModelAdapter, field: Field, rng: np.random.Generator) -> Any:
    """Return irregular measurements over the whole window, some variables more often."""
    import pandas as pd

    sections = getattr(getattr(adapter, "preprocessing", None), "sections", {})
    spec = sections.get(field.name)
    known = {one.variable: one for one in spec.variables} if isinstance(spec, SequenceInput) else {}
    hours, start = (field.grid.hours, field.grid.start) if field.grid else (1.0, 0.0)
    unit = HOURS_OF[spec.time_unit] if isinstance(spec, SequenceInput) else 1.0
    rows = []
    for feature in field.features:
        one = known.get(feature.name)
        for hour in start + hours * rng.random(rng.integers(1, 12)):
            value = rng.normal(one.mean if one else 0.0, one.std if one else 1.0)
            rows.append((hour / unit, feature.name, value))
    return pd.DataFrame(sorted(rows), columns=["time", "variable", "value"])


def _text(adapter: ModelAdapter, field: Field, rng: np.random.Generator) -> str:
    """Return words of the model's vocabulary."""
    encoders = getattr(getattr(adapter, "preprocessing", None), "encoders", {})
    places: dict[str, int] = getattr(encoders.get(field.name), "places", {})
    words = [word for word in places if word.isalpha()]
    if not words:
        msg = f"inputs.{field.name}: no example of 'text' can be made; give real cases."
        raise AdapterError(msg)
    return " ".join(rng.choice(words, int(rng.integers(5, 40))))


def _table(adapter: ModelAdapter, field: Field, n: int, rng: np.random.Generator) -> Any:
    import pandas as pd

    spec = _section(adapter, field)
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
