"""The column names of a table, without reading its rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audits.cohorts import parse_group
from audits.policy import Policy

if TYPE_CHECKING:
    import pandas as pd


def table_columns(source: pd.DataFrame | Path | str) -> tuple[str, ...]:
    """Return the column names of a table, CSV or Parquet file; none where it cannot be read.

    A file that cannot be read is refused with its reason when it is opened.
    """
    import pandas as pd
    import pyarrow.parquet as pq
    from pyarrow import ArrowInvalid

    if isinstance(source, pd.DataFrame):
        return tuple(map(str, source.columns))
    path = Path(source)
    try:
        if path.suffix.lower() == ".parquet":
            return tuple(map(str, pq.read_schema(path).names))
        return tuple(map(str, pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns))
    except (OSError, ValueError, ArrowInvalid):
        return ()


def with_declared(
    policy: Policy,
    columns: Collection[str],
    groups: Sequence[str],
    intersections: Sequence[Sequence[str]],
) -> tuple[list[str], list[list[str]]]:
    """Return groups and intersections with those that only the policy names.

    Args:
        policy: The declaration.
        columns: Columns of the table.
        groups: Asked for, ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Asked for, lists of column names.
    """
    wanted, crossed = list(groups), [list(names) for names in intersections]
    known = {parse_group(group, columns).name for group in wanted}
    wanted += [name for name in policy.groups if name not in known and name in columns]
    crossed += [
        list(names)
        for names in policy.intersections
        if list(names) not in crossed and all(name in columns for name in names)
    ]
    return wanted, crossed
