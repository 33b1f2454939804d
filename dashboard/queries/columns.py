"""The columns of a run, read as they are asked for: never the whole table, never every id.

A cohort of a million cases is some twenty megabytes here: risks, labels and codes of groups. Ids
are text and heavy, so they stay in the file and are read by row group for the cases shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import streamlit as st

from audits.errors import StoreError
from audits.storage import file_name_of
from dashboard.queries.runs import RunRef

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SCORES_KEY = "scores"
"""Under which a run keeps the predictions of a table that came without a model."""

ID = "case_id"
MISSING = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """One attribute of every scored case: codes into the names of its levels, -1 missing."""

    codes: npt.NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """One output of one model, a number per scored case; never changed.

    Attributes:
        risk: Probability where there is one, else the score; NaN where it is missing (n,).
        label: 1, 0, or -1 where it is missing or a number of its own (n,).
        groups: Attribute to levels, in the order of the run.
        rows: Row of each scored case in the run's table of cases (n,).
        has_risk: Whether ``risk`` is a probability.
    """

    risk: npt.NDArray[np.float64]
    label: npt.NDArray[np.int8]
    groups: dict[str, Levels]
    rows: npt.NDArray[np.int32]
    has_risk: bool

    def at_level(self, attribute: str, level: str) -> npt.NDArray[np.bool_]:
        """Return which cases are of a level (n,); none where the run has no such attribute."""
        levels = self.groups.get(attribute)
        if levels is None or level not in levels.names:
            return np.zeros(len(self.risk), dtype=np.bool_)
        return np.asarray(levels.codes == levels.names.index(level))


@st.cache_resource(max_entries=12, show_spinner=False)
def scored(ref: RunRef, model: str | None, output: str) -> Scored:
    """Return the scored cases of one output of one model.

    Raises:
        StoreError: The run holds no such predictions.
    """
    cases, predictions = cases_file(ref), predictions_file(ref, model)
    there = _names(predictions)
    risk = f"prob__{output}"
    raw = [name for name in _own_scale(output) if name in there]
    column = risk if risk in there else next(iter(raw), None)
    values = (
        _column(predictions, column).to_numpy() if column else np.full(_rows(predictions), np.nan)
    )
    rows = _aligned(cases, predictions)
    wanted = [name for name in _names(cases) if name.startswith("group__")]
    return Scored(
        risk=np.asarray(values, dtype=np.float64),
        label=_labels(cases, f"label__{output}")[rows],
        groups={
            name.removeprefix("group__"): _levels(_column(cases, name), rows) for name in wanted
        },
        rows=rows,
        has_risk=risk in there and len(rows) > 0,
    )


def case_ids(ref: RunRef, rows: Sequence[int] | npt.NDArray[np.int32]) -> list[str]:
    """Return the ids in some rows of the table of cases, in the order asked for."""
    return [str(value) for value in _cells(cases_file(ref), ID, rows)]


@st.cache_data(max_entries=256, show_spinner=False)
def row_of(ref: RunRef, case: str) -> int | None:
    """Return the row of a case in the table of cases, or None where there is no such case."""
    import pyarrow.compute as pc

    before = 0
    with _opened(cases_file(ref)) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, [ID]).column(0).cast("string")
            found = pc.index(ids, case).as_py()
            if found >= 0:
                return before + int(found)
            before += file.metadata.row_group(group).num_rows
    return None


def score_at(ref: RunRef, model: str | None, output: str, row: int) -> float | None:
    """Return the score on the model's own scale in a row of the predictions, or None."""
    file = predictions_file(ref, model)
    names = [n for n in _own_scale(output) if n in _names(file)]
    if not names:
        return None
    (value,) = _cells(file, names[0], [row])
    return float(value) if isinstance(value, float | int) and value == value else None  # noqa: PLR0124 - NaN


def _own_scale(output: str) -> tuple[str, ...]:
    """Return the columns that may hold a number of each case: of a segmentation its overlap."""
    return f"logit__{output}", f"score__{output}", f"dice__{output}"


def cases_file(ref: RunRef) -> Path:
    """Return where the run keeps its table of cases."""
    return Path(ref.path) / "internal" / "cases.parquet"


def predictions_file(ref: RunRef, model: str | None) -> Path:
    """Return where the run keeps the predictions of a model."""
    name = file_name_of(model or SCORES_KEY)
    return Path(ref.path) / "internal" / "predictions" / f"{name}.parquet"


def patients(ref: RunRef) -> npt.NDArray[np.int64] | None:
    """Return each case's patient as a code, or None where no patient is declared."""
    file = cases_file(ref)
    if "patient" not in _names(file):
        return None
    return np.asarray(_column(file, "patient").to_numpy(), dtype=np.int64)


def weights(ref: RunRef) -> npt.NDArray[np.float64] | None:
    """Return each case's weight, or None where every case stands for itself."""
    file = cases_file(ref)
    if "weight" not in _names(file):
        return None
    return np.asarray(_column(file, "weight").to_numpy(), dtype=np.float64)


def all_ids(ref: RunRef) -> pa.ChunkedArray:
    """Return every id of the table of cases, compact, for one comparison; not to be kept."""
    return _column(cases_file(ref), ID)


def _aligned(cases: Path, predictions: Path) -> npt.NDArray[np.int32]:
    """Return the row of ``cases`` of each prediction; in nearly every run they are the same."""
    import pyarrow.compute as pc

    own, theirs = _column(cases, ID).cast("string"), _column(predictions, ID).cast("string")
    if own.equals(theirs):
        return np.arange(len(own), dtype=np.int32)
    found = pc.index_in(theirs, value_set=own.combine_chunks())
    if found.null_count:
        raise StoreError(
            f"{predictions}: holds cases that the run does not; check it with `auscult verify`."
        )
    return np.asarray(found.to_numpy(), dtype=np.int32)


def _labels(cases: Path, name: str) -> npt.NDArray[np.int8]:
    if name not in _names(cases):
        return np.full(_rows(cases), MISSING, dtype=np.int8)
    values = np.asarray(_column(cases, name).fill_null(MISSING).to_numpy(), dtype=np.float64)
    return np.where((values == 0) | (values == 1), values, MISSING).astype(np.int8)


def observed_at(ref: RunRef, output: str, row: int) -> float | None:
    """Return what the study recorded of an output in a row of the cases, or None."""
    name = f"label__{output}"
    if name not in _names(cases_file(ref)):
        return None
    (value,) = _cells(cases_file(ref), name, [row])
    return float(value) if isinstance(value, float | int) and value == value else None  # noqa: PLR0124 - NaN


def _levels(values: pa.ChunkedArray, rows: npt.NDArray[np.int32]) -> Levels:
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        values = values.cast("string").dictionary_encode()
    coded = values.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0)
    codes = np.asarray(coded.indices.fill_null(MISSING).to_numpy(), dtype=np.int32)
    return Levels(
        codes=codes[rows], names=tuple(str(name) for name in coded.dictionary.to_pylist())
    )


def _opened(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    if not path.exists():
        raise StoreError(f"{path}: is not there; check the run with `auscult verify`.")
    return pq.ParquetFile(path)


def _names(path: Path) -> list[str]:
    with _opened(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def _rows(path: Path) -> int:
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def _column(path: Path, name: str) -> pa.ChunkedArray:
    with _opened(path) as file:
        return file.read([name]).column(0)


def _cells(path: Path, name: str, rows: Sequence[int] | npt.NDArray[np.int32]) -> list[object]:
    """Return the cells of a column in some rows, reading only the row groups that hold them."""
    wanted = np.asarray(rows, dtype=np.int64)
    out: list[object] = [None] * len(wanted)
    with _opened(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        group = np.searchsorted(starts, wanted, side="right") - 1
        for number in np.unique(group):
            places = np.flatnonzero(group == number)
            column = file.read_row_group(int(number), [name]).column(0)
            found = column.take((wanted[places] - starts[number]).tolist()).to_pylist()
            for place, value in zip(places, found, strict=True):
                out[int(place)] = value
    return out
