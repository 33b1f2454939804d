"""A few cases of a study, read without the others: what a page about one patient needs.

A Parquet table is read by row group, so that of a million cases one costs what a thousand cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from audits.cohorts.inputs import inside
from audits.cohorts.opening import assemble
from audits.cohorts.spec import load_spec
from audits.cohorts.tables import as_text

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from audits.cohorts.study import Study

SAMPLE = 1000
"""Cases read where none is named."""


def is_peekable(folder: Path | str) -> bool:
    """Return whether single cases can be read: whether the study's table is Parquet."""
    return Path(load_spec(Path(folder)).cases.table).suffix.lower() == ".parquet"


def peek_study(folder: Path | str, cases: Sequence[str] = ()) -> Study:
    """Open a study with nothing but some of its cases, and without labels and groups.

    What it says of variables and inputs is that of the whole study.

    Args:
        folder: Folder of a study whose table is Parquet.
        cases: Ids; those that the table lacks are left out, and without any the first thousand
            stand for all.

    Raises:
        StudyError: The study cannot be used as it stands.
    """
    root = Path(folder)
    spec = load_spec(root)
    bare = spec.model_copy(update={"labels": {}, "groups": {}})
    table = _rows(inside(root, spec.cases.table), spec.cases.id, cases)
    table = table.set_axis(as_text(table[spec.cases.id])[0], axis=0)
    named = spec.cases.split
    split = as_text(table[named])[0][0] if named else None
    return assemble(root, bare, table, split or None)


def yes_no_columns(folder: Path | str, names: Sequence[str]) -> frozenset[str]:
    """Return the columns of a Parquet table that hold nothing but 0 and 1.

    The file's own statistics rule nearly all others out before any value is read.
    """
    root = Path(folder)
    with _opened(inside(root, load_spec(root).cases.table)) as file:
        there = [name for name in names if name in file.schema_arrow.names]
        return frozenset(name for name in there if _within(file, name) and _binary(file, name))


def _rows(path: Path, id_column: str, cases: Sequence[str]) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted, found = pa.array(list(cases), type=pa.string()), []
    with _opened(path) as file:
        left = len(wanted)
        for group in range(file.num_row_groups if left else 0):
            ids = file.read_row_group(group, [id_column]).column(0).cast("string")
            places = pc.indices_nonzero(pc.is_in(ids, value_set=wanted))
            if len(places):
                found.append(_taken(file, group, places))
            left -= len(places)
            if not left:
                break
        if not found:
            found = [pa.Table.from_batches([next(file.iter_batches(batch_size=SAMPLE))])]
        frame: pd.DataFrame = pa.concat_tables(found).to_pandas()
    return frame


def _taken(file: pq.ParquetFile, group: int, places: pa.Array) -> pa.Table:
    """Return some rows of a row group, column by column: a group may hold a million rows."""
    import pyarrow as pa

    names = file.schema_arrow.names
    return pa.table(
        {name: file.read_row_group(group, [name]).column(0).take(places) for name in names}
    )


def _opened(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)


def _within(file: pq.ParquetFile, name: str) -> bool:
    """Return whether the statistics of every row group stay between 0 and 1."""
    at = file.schema_arrow.names.index(name)
    for group in range(file.num_row_groups):
        held = file.metadata.row_group(group).column(at).statistics
        known = held is not None and held.has_min_max
        if known and not (held.min in {0, 1} and held.max in {0, 1}):
            return False
    return True


def _binary(file: pq.ParquetFile, name: str) -> bool:
    import pyarrow.compute as pc

    values: set[object] = set()
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, [name]).column(0)
        values |= set(pc.unique(column).to_pylist()) - {None}
        if not values <= {0, 1} and not all(v != v for v in values - {0, 1}):  # noqa: PLR0124 - NaN
            return False
    return {v for v in values if v == v} == {0, 1}  # noqa: PLR0124 - NaN
