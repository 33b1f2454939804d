"""Tables of scores: of models nobody hands over, and of cases whose inputs are not shipped."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from model_adapters.errors import AdapterError
from model_adapters.manifest import Manifest
from model_adapters.weights_file import verified_bytes

if TYPE_CHECKING:
    import pandas as pd

CASE_ID = "case_id"


class ScoreTable:
    """Scores by case id, in the model's output space."""

    def __init__(self, case_ids: npt.NDArray[np.str_], scores: npt.NDArray[np.float64]) -> None:
        self.case_ids = case_ids
        self._scores = scores
        self._row = {case: row for row, case in enumerate(case_ids.tolist())}

    def lookup(
        self, case_ids: Sequence[str]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Return which cases have a full score (n,), and the scores (n, outputs), else NaN."""
        rows = np.asarray([self._row.get(str(case), -1) for case in case_ids], dtype=np.intp)
        values = self._scores[rows] if len(self._scores) else self._empty(len(rows))
        values = np.where((rows >= 0)[:, np.newaxis], values, np.nan)
        return np.asarray(~np.isnan(values).any(axis=1)), values

    def _empty(self, n: int) -> npt.NDArray[np.float64]:
        return np.full((n, self._scores.shape[1]), np.nan)


def read_scores(manifest: Manifest, key: Literal["weights", "precomputed"]) -> ScoreTable:
    """Read the score table that ``[weights]`` or ``[precomputed]`` names.

    Args:
        manifest: The model's manifest.
        key: ``weights`` or ``precomputed``.

    Returns:
        The table; its file holds ``case_id`` and one column per output, in ``model.space``.

    Raises:
        AdapterError: If the file is missing, altered or unreadable, lacks a column, repeats a
            case, or holds a value that the declared space does not allow.
    """
    section = manifest.weights if key == "weights" else manifest.precomputed
    if section is None:
        return ScoreTable(np.asarray([], dtype=np.str_), np.zeros((0, len(manifest.output.names))))
    data = verified_bytes(manifest, key)
    where = f"{manifest.path}: {key}.file: {section.file!r}"
    table = _read_table(data, where)
    absent = [name for name in (CASE_ID, *manifest.output.names) if name not in table.columns]
    if absent:
        msg = (
            f"{where} has no column {absent[0]!r}, found {[str(c) for c in table.columns][:8]}; "
            f"write {CASE_ID} and one column per output."
        )
        raise AdapterError(msg)
    cases = table[CASE_ID].astype(str).to_numpy(dtype=np.str_)
    if len(np.unique(cases)) != len(cases):
        double = len(cases) - len(np.unique(cases))
        raise AdapterError(f"{where} names {double} cases twice; keep one row per {CASE_ID}.")
    return ScoreTable(cases, _values(table, manifest, where))


def _read_table(data: bytes, where: str) -> pd.DataFrame:
    import pandas as pd

    try:
        if data[:4] == b"PAR1":
            return pd.read_parquet(io.BytesIO(data))
        return pd.read_csv(io.BytesIO(data), dtype={CASE_ID: str})
    except (ValueError, OSError) as error:  # parser, encoding and Arrow errors are ValueErrors
        reason = str(error).splitlines()[0]
        msg = f"{where} is neither a Parquet nor a CSV table ({reason}); write it again."
        raise AdapterError(msg) from error


def _values(table: pd.DataFrame, manifest: Manifest, where: str) -> npt.NDArray[np.float64]:
    import pandas as pd

    names = list(manifest.output.names)
    numbers = table[names].apply(pd.to_numeric, errors="coerce")
    text = int((numbers.isna() & table[names].notna()).to_numpy().sum())
    if text:
        raise AdapterError(f"{where} holds {text} scores that are not numbers; correct them.")
    values: npt.NDArray[np.float64] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if manifest.output.space in {"probability", "survival"}:
        outside = int(((values < 0) | (values > 1)).sum())
        if outside:
            msg = (
                f"{where} holds {outside} scores outside [0, 1], but model.space is "
                f'"{manifest.output.space}"; correct the scores or declare their space.'
            )
            raise AdapterError(msg)
    return values
