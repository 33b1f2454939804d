"""The column names of a table, without reading its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
