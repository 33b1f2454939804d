"""What the formats that take one table have in common."""

from __future__ import annotations

from collections.abc import Sequence

from model_adapters.errors import AdapterError
from model_adapters.manifest import Manifest
from model_adapters.schema import TableInput


def the_table(manifest: Manifest) -> tuple[str, TableInput]:
    """Return the name and declaration of the model's only input, a table.

    Raises:
        AdapterError: If the manifest declares anything else.
    """
    tables = {n: spec for n, spec in manifest.inputs.items() if isinstance(spec, TableInput)}
    if len(tables) != 1 or len(manifest.inputs) != 1:
        msg = (
            f"{manifest.path}: inputs: a model of format {manifest.weights.format} takes one "
            f"table, found {list(manifest.inputs)}; declare one [inputs.NAME] with features."
        )
        raise AdapterError(msg)
    return next(iter(tables.items()))


def check_columns(
    manifest: Manifest, columns: Sequence[str], *, n: int, names: Sequence[str] | None
) -> None:
    """Compare the encoded columns with those the model was trained on.

    Args:
        manifest: The manifest, for messages.
        columns: Encoded columns, in order.
        n: Number of columns the model takes.
        names: The model's own column names, or None.

    Raises:
        AdapterError: If their number differs, or they are the same columns in another order.
    """
    (field,) = manifest.inputs
    if len(columns) != n:
        msg = (
            f"{manifest.path}: inputs.{field}: gives {len(columns)} columns after encoding, but "
            f"the model takes {n}; correct features or encoding."
        )
        raise AdapterError(msg)
    own = list(names or [])
    if own and own != list(columns) and sorted(own) == sorted(columns):
        at = next(i for i, (a, b) in enumerate(zip(columns, own, strict=True)) if a != b)
        msg = (
            f"{manifest.path}: inputs.{field}: has the model's columns in another order, the first "
            f"difference is {columns[at]!r} where the model has {own[at]!r}; reorder features."
        )
        raise AdapterError(msg)
