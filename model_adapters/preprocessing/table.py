"""From a table in the study's units to the columns a model takes, all rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from model_adapters.base import Feature
from model_adapters.errors import AdapterError
from model_adapters.schema import CategoryEncoding, NumericEncoding, TableInput

if TYPE_CHECKING:
    import pandas as pd

Columns = npt.NDArray[np.float64]


def table_features(spec: TableInput) -> tuple[Feature, ...]:
    """Return one feature per variable with every encoded column it owns."""
    features: list[Feature] = []
    position = 0
    for encoding in spec.encodings:
        width = len(_names(encoding))
        features.append(
            Feature(
                name=encoding.feature,
                label=encoding.feature,
                kind=encoding.kind,
                levels=encoding.level_names if isinstance(encoding, CategoryEncoding) else (),
                columns=tuple(range(position, position + width)),
            )
        )
        position += width
    return tuple(features)


def column_names(spec: TableInput) -> tuple[str, ...]:
    """Return the encoded columns in order: ``lactate``, ``lactate missing``, ``sex=F``."""
    return tuple(name for encoding in spec.encodings for name in _names(encoding))


def prepare_table(name: str, spec: TableInput, table: pd.DataFrame) -> Columns:
    """Encode a table.

    Args:
        name: The input's name, for messages.
        spec: The input's declaration.
        table: n rows with at least the declared variables, in the study's units.

    Returns:
        float64 (n, columns); a missing value stays NaN unless the declaration imputes it.

    Raises:
        AdapterError: If a variable is not in the table, or holds text where numbers are declared.
    """
    absent = [feature for feature in spec.features if feature not in table.columns]
    if absent:
        msg = (
            f"inputs.{name}: the table has no column for {len(absent)} of {len(spec.features)} "
            f"features, the first is {absent[0]!r}; add it to the study's table or correct "
            f"inputs.{name}.features."
        )
        raise AdapterError(msg)
    columns = [column for encoding in spec.encodings for column in _encode(name, encoding, table)]
    return np.stack(columns, axis=1)


def _names(encoding: NumericEncoding | CategoryEncoding) -> tuple[str, ...]:
    feature = encoding.feature
    if isinstance(encoding, NumericEncoding) or encoding.encode == "code":
        value: tuple[str, ...] = (feature,)
    else:
        value = tuple(f"{feature}={level}" for level in encoding.level_names)
    return (*value, f"{feature} missing") if encoding.indicator else value


def _encode(
    name: str, encoding: NumericEncoding | CategoryEncoding, table: pd.DataFrame
) -> Iterator[Columns]:
    series = table[encoding.feature]
    if isinstance(encoding, NumericEncoding):
        yield from _numeric(encoding, _numbers(name, encoding.feature, series))
    else:
        yield from _category(encoding, series)


def _numeric(encoding: NumericEncoding, values: Columns) -> Iterator[Columns]:
    missing = np.isnan(values)
    if encoding.clip is not None:
        values = np.clip(values, *encoding.clip)
    if encoding.impute is not None:
        values = np.where(missing, encoding.impute, values)
    if encoding.mean is not None and encoding.std is not None:
        values = (values - encoding.mean) / encoding.std
    yield values
    if encoding.indicator:
        yield missing.astype(np.float64)


def _category(encoding: CategoryEncoding, series: pd.Series) -> Iterator[Columns]:
    codes = _level_positions(encoding, series)
    if encoding.encode == "code":
        yield codes
    else:
        for at in range(len(encoding.levels)):
            yield (codes == at).astype(np.float64)
    if encoding.indicator:
        yield series.isna().to_numpy().astype(np.float64)


def _level_positions(encoding: CategoryEncoding, series: pd.Series) -> Columns:
    """Return each row's position in the levels; NaN where it is missing or not a known level."""
    import pandas as pd

    positions = {level: float(at) for at, level in enumerate(encoding.level_names)}
    codes, values = pd.factorize(series)
    known = [positions.get(_level_text(value), np.nan) for value in values]
    return np.asarray([*known, np.nan])[codes]  # code -1, missing, takes the last


def _level_text(value: object) -> str:
    """Write a value the way levels are written: 1, 1.0 and True are all ``1``."""
    if isinstance(value, (bool, np.bool_)) or (
        isinstance(value, (float, np.floating)) and float(value).is_integer()
    ):
        return str(int(value))
    return str(value)


def _numbers(name: str, feature: str, series: pd.Series) -> Columns:
    import pandas as pd

    numbers = pd.to_numeric(series, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    text = int((np.isnan(values) & series.notna().to_numpy()).sum())
    if text:
        msg = (
            f"inputs.{name}: feature {feature!r} is numeric, found {text} of {len(series)} values "
            'that are not numbers; clean the column or declare it as kind = "category".'
        )
        raise AdapterError(msg)
    endless = int(np.isinf(values).sum())
    if endless:
        msg = (
            f"inputs.{name}: feature {feature!r} holds {endless} infinite values; make them "
            "missing or correct them in the study's table."
        )
        raise AdapterError(msg)
    return values
